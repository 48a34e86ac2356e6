package download

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go"

	"github.com/octomesh/octomesh/pkg/schema"
)

// fileSchema is the Parquet schema of an Arrow schema of package columnar, the
// columns in the same order.
func fileSchema(s *arrow.Schema) *parquet.Schema {
	root := &record{}
	for _, f := range s.Fields() {
		node := nodeOf(f)
		if f.Nullable {
			node = parquet.Optional(node)
		}
		root.fields = append(root.fields, &member{Node: node, name: f.Name})
	}
	name, _ := s.Metadata().GetValue("octomesh:entity")
	return parquet.NewSchema(name, root)
}

// record is a group of columns that keeps their order; parquet.Group sorts them.
type record struct {
	parquet.Group
	fields []parquet.Field
}

// Fields implements parquet.Node.
func (r *record) Fields() []parquet.Field { return r.fields }

// member is a column with its name.
type member struct {
	parquet.Node
	name string
}

// Name implements parquet.Field.
func (m *member) Name() string { return m.name }

// Value implements parquet.Field, for rows that are Go values: there are none.
func (m *member) Value(base reflect.Value) reflect.Value { return base }

func nodeOf(f arrow.Field) parquet.Node {
	if l, ok := f.Type.(*arrow.ListType); ok {
		return parquet.List(parquet.Optional(leafOf(l.Elem(), "")))
	}
	source, _ := f.Metadata.GetValue("octomesh:type")
	return leafOf(f.Type, source)
}

func leafOf(t arrow.DataType, source string) parquet.Node {
	switch t := t.(type) {
	case *arrow.Float64Type:
		return parquet.Leaf(parquet.DoubleType)
	case *arrow.Int64Type:
		return parquet.Leaf(parquet.Int64Type)
	case *arrow.BooleanType:
		return parquet.Leaf(parquet.BooleanType)
	case *arrow.TimestampType:
		return parquet.Timestamp(parquet.Millisecond)
	case *arrow.Decimal128Type:
		return parquet.Decimal(int(t.Scale), int(t.Precision), parquet.FixedLenByteArrayType(decimalSize))
	case *arrow.BinaryType:
		return parquet.Leaf(parquet.ByteArrayType)
	case *arrow.StringType:
		if source == schema.JSON.String() {
			return parquet.JSON()
		}
		return parquet.String()
	}
	panic("a column of Arrow type " + t.String() + " has no type of Parquet") // columnar makes no other
}

// decimalSize is in bytes what 38 digits take.
const decimalSize = 16

// portion is how many values are handed to a column at once.
const portion = 512

// column writes one column. Levels are Dremel's, as Parquet lays nested values
// out (apache/parquet-format, "Nested Encoding").
type column struct {
	index  int
	to     *parquet.ColumnWriter
	field  arrow.Field
	values []parquet.Value
	digits []byte // of the decimals in values
}

// write adds a batch's column.
func (c *column) write(a arrow.Array) error {
	list, nested := a.(*array.List)
	if nested {
		return c.lists(list)
	}
	top := 0
	if c.field.Nullable {
		top = 1
	}
	for from := 0; from < a.Len(); from += portion {
		c.clear()
		for i := from; i < min(from+portion, a.Len()); i++ {
			c.value(a, i, 0, top)
		}
		if err := c.flush(); err != nil {
			return err
		}
	}
	return nil
}

// lists adds lists. Definition levels: 0 = null, 1 = empty, 2 = a null in it,
// 3 = a value in it.
func (c *column) lists(l *array.List) error {
	c.clear()
	elements := l.ListValues()
	for i := range l.Len() {
		from, to := l.ValueOffsets(i)
		switch {
		case l.IsNull(i):
			c.values = append(c.values, parquet.NullValue().Level(0, 0, c.index))
		case from == to:
			c.values = append(c.values, parquet.NullValue().Level(0, 1, c.index))
		}
		for at := from; at < to; at++ {
			repeats := 1
			if at == from {
				repeats = 0
			}
			c.value(elements, int(at), repeats, 3)
		}
		if len(c.values) >= portion || i == l.Len()-1 {
			if err := c.flush(); err != nil {
				return err
			}
			c.clear()
		}
	}
	return nil
}

func (c *column) clear() { c.values, c.digits = c.values[:0], c.digits[:0] }

func (c *column) flush() error {
	if len(c.values) == 0 {
		return nil
	}
	_, err := c.to.WriteRowValues(c.values)
	return err
}

// value appends the value at i; top is the definition level of one that is there.
func (c *column) value(a arrow.Array, i, repeats, top int) {
	if a.IsNull(i) {
		c.values = append(c.values, parquet.NullValue().Level(repeats, top-1, c.index))
		return
	}
	var v parquet.Value
	switch a := a.(type) {
	case *array.String:
		v = parquet.ByteArrayValue(view(a.Value(i)))
	case *array.Binary:
		v = parquet.ByteArrayValue(a.Value(i))
	case *array.Float64:
		v = parquet.DoubleValue(a.Value(i))
	case *array.Int64:
		v = parquet.Int64Value(a.Value(i))
	case *array.Timestamp:
		v = parquet.Int64Value(int64(a.Value(i)))
	case *array.Boolean:
		v = parquet.BooleanValue(a.Value(i))
	case *array.Decimal128:
		n := a.Value(i)
		c.digits = binary.BigEndian.AppendUint64(c.digits, uint64(n.HighBits()))
		c.digits = binary.BigEndian.AppendUint64(c.digits, n.LowBits())
		v = parquet.FixedLenByteArrayValue(c.digits[len(c.digits)-decimalSize:])
	default:
		panic(fmt.Sprintf("a column of Arrow type %s has no values of Parquet", a.DataType()))
	}
	c.values = append(c.values, v.Level(repeats, top, c.index))
}

func view(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
