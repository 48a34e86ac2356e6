package clickhouse

import (
	"encoding/hex"
	"math"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// row is the current row of a read.
type row struct {
	cells []cell
	kinds []schema.Kind
	dest  []any
}

// cell is a value as clickhouse-go scans it: one pointer, by the column's type,
// nil for null.
type cell struct {
	text    *string
	int     *int64
	uint    *uint64
	small   *uint8
	float   *float64
	bool    *bool
	decimal *decimal.Decimal
}

// newRow makes the row that columns of these types are scanned into.
func newRow(types []string, kinds []schema.Kind) *row {
	r := &row{cells: make([]cell, len(types)), kinds: kinds, dest: make([]any, len(types))}
	for i, t := range types {
		t = strings.TrimSuffix(strings.TrimPrefix(t, "Nullable("), ")")
		c := &r.cells[i]
		switch {
		case t == "Int64":
			r.dest[i] = &c.int
		case t == "UInt64":
			r.dest[i] = &c.uint
		case t == "UInt8":
			r.dest[i] = &c.small
		case t == "Float64":
			r.dest[i] = &c.float
		case t == "Bool":
			r.dest[i] = &c.bool
		case strings.HasPrefix(t, "Decimal"):
			r.dest[i] = &c.decimal
		default:
			r.dest[i] = &c.text
		}
	}
	return r
}

// AppendJSON implements driver.Row.
func (r *row) AppendJSON(dst []byte, i int) []byte { return r.Value(i).AppendJSON(dst) }

// Value implements driver.Row.
func (r *row) Value(i int) schema.Value {
	c := &r.cells[i]
	switch r.kinds[i] {
	case schema.KindBool:
		if c.bool != nil {
			return schema.BoolOf(*c.bool)
		}
	case schema.KindInt:
		switch {
		case c.int != nil:
			return schema.IntOf(*c.int)
		case c.uint != nil && *c.uint <= math.MaxInt64:
			return schema.IntOf(int64(*c.uint))
		}
	case schema.KindTime:
		if c.int != nil {
			return schema.TimeOf(*c.int)
		}
	case schema.KindFloat:
		if c.float != nil && !math.IsInf(*c.float, 0) && !math.IsNaN(*c.float) {
			return schema.FloatOf(*c.float)
		}
	case schema.KindDecimal:
		if c.decimal != nil {
			if text, ok := schema.CanonicalDecimal(c.decimal.String()); ok {
				return schema.DecimalOf(text)
			}
		}
	case schema.KindJSON:
		if c.text != nil {
			return schema.StoredJSON(*c.text)
		}
	default:
		if c.text != nil {
			return schema.TextOf(*c.text)
		}
	}
	return schema.Null
}

// Null implements driver.Row.
func (r *row) Null(i int) bool { return r.Value(i).IsNull() }

// Text implements driver.Row.
func (r *row) Text(i int) []byte { return []byte(r.text(i)) }

func (r *row) text(i int) string {
	if t := r.cells[i].text; t != nil {
		return *t
	}
	return ""
}

// num reads an integer column of ours; null is 0.
func (r *row) num(i int) int64 {
	switch c := &r.cells[i]; {
	case c.int != nil:
		return *c.int
	case c.uint != nil:
		return int64(*c.uint)
	case c.small != nil:
		return int64(*c.small)
	}
	return 0
}

// opaque returns what was written with opaque.
func (r *row) opaque(i int) []byte {
	b, err := hex.DecodeString(r.text(i))
	if err != nil || len(b) == 0 {
		return nil
	}
	return b
}

// bytes returns a text column's bytes, nil for null.
func (r *row) bytes(i int) []byte {
	if t := r.cells[i].text; t != nil {
		return []byte(*t)
	}
	return nil
}

// AppendText implements driver.Cells.
func (r *row) AppendText(dst []byte, i int) ([]byte, bool) {
	if r.kinds[i] == schema.KindDecimal {
		v := r.Value(i)
		return append(dst, v.Text()...), !v.IsNull()
	}
	t := r.cells[i].text
	switch {
	case t == nil:
		return dst, false
	case r.kinds[i] == schema.KindJSON:
		return strictjson.AppendStored(dst, *t)
	}
	return append(dst, *t...), true
}

// Word implements driver.Cells.
func (r *row) Word(i int) (uint64, bool) {
	switch v := r.Value(i); v.Kind() {
	case schema.KindNull:
		return 0, false
	case schema.KindFloat:
		return math.Float64bits(v.Float()), true
	case schema.KindBool:
		if v.Bool() {
			return 1, true
		}
		return 0, true
	default:
		return uint64(v.Int()), true
	}
}
