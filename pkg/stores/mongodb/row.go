package mongodb

import (
	"encoding/binary"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// value is a BSON value where it stands in its document.
type value = bsoncore.Value

// row reads one document in place. It implements driver.Row.
type row struct {
	names  []string
	kinds  []schema.Kind
	values []value // aligned to names; Type 0 = not there
}

func newRow(columns []*schema.Column) *row {
	r := &row{names: make([]string, len(columns)), kinds: make([]schema.Kind, len(columns)), values: make([]value, len(columns))}
	for i, c := range columns {
		r.names[i], r.kinds[i] = member(c), c.Type.Kind()
	}
	return r
}

var errDamaged = fault.New(fault.Internal, "the database sent a document that cannot be read")

// set finds the members of a document. Ours stand mostly in the columns' order,
// so the search for each begins behind the one before it.
func (r *row) set(raw bson.Raw) error {
	clear(r.values)
	n := len(r.names)
	if n == 0 || len(raw) < 5 {
		return nil
	}
	next := 0
	rest := raw[4 : len(raw)-1]
	for len(rest) > 0 {
		e, more, ok := bsoncore.ReadElement(bsoncore.Document(rest))
		if !ok {
			return errDamaged
		}
		rest = rest[len(rest)-len(more):]
		key := e.KeyBytes()
		for k := range n {
			i := next + k
			if i >= n {
				i -= n
			}
			if r.names[i] == string(key) { // no copy of the key
				r.values[i] = e.Value()
				next = i + 1
				break
			}
		}
	}
	return nil
}

func (r *row) number(i int) uint64 { return binary.LittleEndian.Uint64(r.values[i].Data) }

func (r *row) text(i int) []byte {
	d := r.values[i].Data
	return d[4 : len(d)-1] // length, text, NUL
}

// AppendJSON implements driver.Row.
func (r *row) AppendJSON(dst []byte, i int) []byte {
	switch v := &r.values[i]; v.Type {
	case bsoncore.TypeString:
		switch r.kinds[i] {
		case schema.KindText:
			dst = append(dst, '"')
			return strictjson.SettleText(append(dst, r.text(i)...), len(dst))
		case schema.KindJSON:
			dst, ok := strictjson.AppendStored(dst, r.text(i))
			if !ok { // another program wrote it
				dst = append(dst, "null"...)
			}
			return dst
		}
	case bsoncore.TypeInt64:
		if r.kinds[i] == schema.KindInt {
			return schema.IntOf(int64(r.number(i))).AppendJSON(dst)
		}
	}
	return r.Value(i).AppendJSON(dst)
}

// Value implements driver.Row. What is of another type than the column's, in a
// collection that other programs write to, is converted if nothing gets lost,
// and null otherwise.
func (r *row) Value(i int) schema.Value { return valueOf(&r.values[i], r.kinds[i]) }

func valueOf(v *bsoncore.Value, kind schema.Kind) schema.Value {
	switch v.Type {
	case bsoncore.TypeString:
		return textOf(v, kind)
	case bsoncore.TypeBoolean:
		if kind == schema.KindBool {
			return schema.BoolOf(v.Data[0] != 0)
		}
	case bsoncore.TypeDateTime:
		if kind == schema.KindTime {
			return schema.TimeOf(v.DateTime())
		}
	case bsoncore.TypeInt32, bsoncore.TypeInt64:
		n, _ := v.AsInt64OK()
		switch kind {
		case schema.KindInt:
			return schema.IntOf(n)
		case schema.KindFloat:
			return schema.FloatOf(float64(n))
		}
	case bsoncore.TypeDouble:
		f := v.Double()
		switch {
		case math.IsInf(f, 0) || math.IsNaN(f):
		case kind == schema.KindFloat:
			return schema.FloatOf(f)
		case kind == schema.KindInt && f == math.Trunc(f) && math.Abs(f) < 1<<63:
			return schema.IntOf(int64(f))
		}
	case bsoncore.TypeObjectID:
		if kind == schema.KindText {
			return schema.TextOf(bson.ObjectID(v.ObjectID()).Hex())
		}
	case bsoncore.TypeDecimal128:
		if kind == schema.KindDecimal {
			h, l := v.Decimal128()
			if text, ok := schema.CanonicalDecimal(bson.NewDecimal128(h, l).String()); ok {
				return schema.DecimalOf(text)
			}
		}
	}
	return schema.Null
}

func textOf(v *bsoncore.Value, kind schema.Kind) schema.Value {
	text := string(v.Data[4 : len(v.Data)-1])
	switch kind {
	case schema.KindText:
		return schema.TextOf(text)
	case schema.KindJSON:
		return schema.StoredJSON(text)
	case schema.KindDecimal:
		if plain, ok := plainDecimal(text); ok && schema.IsCanonicalDecimal(plain) {
			return schema.DecimalOf(plain)
		}
	}
	return schema.Null
}

// Null implements driver.Row. Types that each stand for one kind are told
// without reading the value.
func (r *row) Null(i int) bool {
	kind := r.kinds[i]
	switch r.values[i].Type {
	case 0, bsoncore.TypeNull:
		return true
	case bsoncore.TypeString:
		if kind == schema.KindText {
			return false
		}
	case bsoncore.TypeInt64:
		if kind == schema.KindInt {
			return false
		}
	case bsoncore.TypeDateTime:
		if kind == schema.KindTime {
			return false
		}
	}
	return r.Value(i).IsNull()
}

// Text implements driver.Row.
func (r *row) Text(i int) []byte {
	if r.values[i].Type != bsoncore.TypeString {
		return []byte(r.Value(i).Text())
	}
	return r.text(i)
}
