package mongotest

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// rank is the place of a type in MongoDB's order of types (manual,
// "Comparison/Sort Order").
func rank(t bson.Type) int {
	switch t {
	case bson.TypeMinKey:
		return 0
	case 0, bson.TypeNull, bson.TypeUndefined:
		return 1
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return 2
	case bson.TypeString, bson.TypeSymbol:
		return 3
	case bson.TypeEmbeddedDocument:
		return 4
	case bson.TypeArray:
		return 5
	case bson.TypeBinary:
		return 6
	case bson.TypeObjectID:
		return 7
	case bson.TypeBoolean:
		return 8
	case bson.TypeDateTime:
		return 9
	case bson.TypeTimestamp:
		return 10
	case bson.TypeRegex:
		return 11
	}
	return 12
}

// compare orders two values: by the rank of their types, then by value; text by
// its bytes.
func compare(a, b bson.RawValue) int {
	if d := cmp.Compare(rank(a.Type), rank(b.Type)); d != 0 {
		return d
	}
	switch rank(a.Type) {
	case 0, 1, 12:
		return 0
	case 2:
		return compareNumbers(a, b)
	case 3:
		return strings.Compare(text(a), text(b))
	case 4, 5:
		return compareDocuments(a, b)
	case 6:
		_, x := a.Binary()
		_, y := b.Binary()
		if d := cmp.Compare(len(x), len(y)); d != 0 {
			return d
		}
		return bytes.Compare(x, y)
	case 8:
		return bytes.Compare(a.Value, b.Value)
	case 9:
		return cmp.Compare(a.DateTime(), b.DateTime())
	case 10:
		return cmp.Compare(binary.LittleEndian.Uint64(a.Value), binary.LittleEndian.Uint64(b.Value))
	}
	return bytes.Compare(a.Value, b.Value)
}

func text(v bson.RawValue) string {
	if v.Type == bson.TypeSymbol {
		return v.Symbol()
	}
	return v.StringValue()
}

func compareNumbers(a, b bson.RawValue) int {
	if a.Type == bson.TypeInt64 && b.Type == bson.TypeInt64 {
		return cmp.Compare(a.Int64(), b.Int64())
	}
	if a.Type == bson.TypeDouble && b.Type == bson.TypeDouble {
		return cmp.Compare(a.Double(), b.Double())
	}
	x, okX := rational(a)
	y, okY := rational(b)
	if okX && okY {
		return x.Cmp(y)
	}
	return cmp.Compare(approximate(a), approximate(b)) // an infinity, or NaN, which is the lowest
}

func approximate(v bson.RawValue) float64 {
	if v.Type == bson.TypeDouble {
		return v.Double()
	}
	if r, ok := rational(v); ok {
		f, _ := r.Float64()
		return f
	}
	return math.NaN()
}

func compareDocuments(a, b bson.RawValue) int {
	x, _ := bson.Raw(a.Value).Elements()
	y, _ := bson.Raw(b.Value).Elements()
	for i := range min(len(x), len(y)) {
		u, v := x[i].Value(), y[i].Value()
		if d := cmp.Compare(rank(u.Type), rank(v.Type)); d != 0 {
			return d
		}
		if d := strings.Compare(x[i].Key(), y[i].Key()); d != 0 && a.Type == bson.TypeEmbeddedDocument {
			return d
		}
		if d := compare(u, v); d != 0 {
			return d
		}
	}
	return cmp.Compare(len(x), len(y))
}

// lookup finds a member by its path.
func lookup(raw bson.Raw, path string) (bson.RawValue, bool) {
	v, err := raw.LookupErr(strings.Split(path, ".")...)
	return v, err == nil
}
