package flight

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// cell appends the value of a row as JSON.
type cell func(dst []byte, row int) ([]byte, error)

// wanted is what a column of Arrow is to become.
type wanted struct {
	raw     bool // texts are JSON
	decimal bool // texts are numbers
	elem    *wanted
}

// wants is what a member of an entity takes.
func wants(m schema.Member) wanted {
	ids := &wanted{}
	if m.Column == nil || m.Column.Field == nil {
		return wanted{elem: ids}
	}
	w := of(m.Column.Type)
	if f := m.Column.Field; f.ArrayOf != nil {
		elem := wanted{raw: true} // an embedded object
		if f.ArrayOf.Fields == nil {
			elem = of(f.ArrayOf.Type)
		}
		w.elem = &elem
	} else {
		w.elem = ids
	}
	return w
}

func of(t schema.Type) wanted { return wanted{raw: t == schema.JSON, decimal: t == schema.Decimal} }

// The errors of values that JSON, or the language, has no form for.
var (
	errNumber = fault.New(fault.ValidationError, "NaN and infinities are no numbers here")
	errDate   = fault.New(fault.ValidationError, "a date is in the years 1 to 9999")
	errJSON   = fault.New(fault.ValidationError, "a text for a json field is JSON")
	errScale  = fault.New(fault.ValidationError, "that is no decimal of up to %d digits", schema.MaxDecimalDigits)
	errUTF8   = fault.New(fault.ValidationError, "a text is no UTF-8")
	errLarge  = fault.New(fault.PayloadTooLarge, "a row has at most %d bytes as JSON", maxRequest)
)

// fits refuses what a row has become, with n bytes more: elements and indices of a
// few bytes may each stand for a text of any length. The rows before it are in dst
// too.
func fits(dst []byte, n int) error {
	if len(dst)+n > maxText+maxRequest {
		return errLarge
	}
	return nil
}

// cells reads a column. Errors: INVALID_REQUEST for a type that has no JSON.
func cells(a arrow.Array, w wanted) (cell, error) {
	c, err := values(a, w)
	if err != nil || a.NullN() == 0 {
		return c, err
	}
	return func(dst []byte, row int) ([]byte, error) {
		if a.IsNull(row) {
			return append(dst, "null"...), nil
		}
		return c(dst, row)
	}, nil
}

func values(a arrow.Array, w wanted) (cell, error) {
	switch a := a.(type) {
	case *array.Null:
		return func(dst []byte, _ int) ([]byte, error) { return append(dst, "null"...), nil }, nil
	case *array.Boolean:
		return func(dst []byte, row int) ([]byte, error) { return strconv.AppendBool(dst, a.Value(row)), nil }, nil
	case *array.Int8:
		return integers(a.Int8Values()), nil
	case *array.Int16:
		return integers(a.Int16Values()), nil
	case *array.Int32:
		return integers(a.Int32Values()), nil
	case *array.Int64:
		return integers(a.Int64Values()), nil
	case *array.Uint8:
		return integers(a.Uint8Values()), nil
	case *array.Uint16:
		return integers(a.Uint16Values()), nil
	case *array.Uint32:
		return integers(a.Uint32Values()), nil
	case *array.Uint64:
		v := a.Uint64Values()
		return func(dst []byte, row int) ([]byte, error) { return strconv.AppendUint(dst, v[row], 10), nil }, nil
	case *array.Float16:
		return floats(func(row int) float64 { return float64(a.Value(row).Float32()) }), nil
	case *array.Float32:
		return floats(func(row int) float64 { return float64(a.Value(row)) }), nil
	case *array.Float64:
		return floats(a.Value), nil
	case *array.Decimal32:
		return decimals(a), nil
	case *array.Decimal64:
		return decimals(a), nil
	case *array.Decimal128:
		return decimals(a), nil
	case *array.Decimal256:
		return decimals(a), nil
	case *array.String:
		return texts(a.Value, w), nil
	case *array.LargeString:
		return texts(a.Value, w), nil
	case *array.StringView:
		return texts(a.Value, w), nil
	case *array.Binary:
		return binaries(a.Value), nil
	case *array.LargeBinary:
		return binaries(a.Value), nil
	case *array.BinaryView:
		return binaries(a.Value), nil
	case *array.FixedSizeBinary:
		return binaries(a.Value), nil
	}
	return composed(a, w)
}

// composed reads what is counted in other units, or made of other columns.
func composed(a arrow.Array, w wanted) (cell, error) {
	switch a := a.(type) {
	case *array.Timestamp:
		per := a.DataType().(*arrow.TimestampType).Unit.Multiplier().Nanoseconds()
		return instants(func(row int) (int64, bool) { return millis(int64(a.Value(row)), per) }), nil
	case *array.Date32:
		return instants(func(row int) (int64, bool) { return int64(a.Value(row)) * 86_400_000, true }), nil
	case *array.Date64:
		return instants(func(row int) (int64, bool) { return int64(a.Value(row)), true }), nil
	case *array.Dictionary:
		of, err := cells(a.Dictionary(), w)
		return func(dst []byte, row int) ([]byte, error) { return of(dst, a.GetValueIndex(row)) }, err
	case array.ExtensionArray:
		return cells(a.Storage(), w)
	case array.ListLike:
		return lists(a, w)
	case *array.Struct:
		return objects(a, w)
	}
	return nil, fault.New(fault.InvalidRequest, "records have no form for a column of Arrow type %s", a.DataType())
}

func integers[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](v []T) cell {
	return func(dst []byte, row int) ([]byte, error) { return strconv.AppendInt(dst, int64(v[row]), 10), nil }
}

func floats(at func(int) float64) cell {
	return func(dst []byte, row int) ([]byte, error) {
		f := at(row)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return dst, errNumber
		}
		return schema.AppendFloat(dst, f), nil
	}
}

func decimals(a arrow.Array) cell {
	return func(dst []byte, row int) ([]byte, error) { return number(dst, a.ValueStr(row)) }
}

func number(dst []byte, text string) ([]byte, error) {
	canonical, ok := schema.CanonicalDecimal(text)
	if !ok {
		return dst, errScale
	}
	return append(dst, canonical...), nil
}

func texts(at func(int) string, w wanted) cell {
	switch {
	case w.decimal:
		return func(dst []byte, row int) ([]byte, error) { return number(dst, at(row)) }
	case w.raw:
		return func(dst []byte, row int) ([]byte, error) {
			text := []byte(at(row))
			if err := fits(dst, len(text)); err != nil {
				return dst, err
			}
			if strictjson.Check(text, strictjson.DefaultDepth) != nil {
				return dst, errJSON
			}
			return append(dst, text...), nil
		}
	}
	return func(dst []byte, row int) ([]byte, error) {
		text := at(row)
		if err := fits(dst, len(text)); err != nil {
			return dst, err
		}
		if !utf8.ValidString(text) {
			return dst, errUTF8
		}
		return schema.AppendString(dst, text), nil
	}
}

func binaries(at func(int) []byte) cell {
	return func(dst []byte, row int) ([]byte, error) {
		b := at(row)
		if err := fits(dst, len(b)); err != nil {
			return dst, err
		}
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), b)
		return append(dst, '"'), nil
	}
}

// The first and the last instant that the language has, in ms since 1970.
const (
	firstInstant = -62135596800000
	lastInstant  = 253402300799999
)

func instants(at func(int) (ms int64, ok bool)) cell {
	return func(dst []byte, row int) ([]byte, error) {
		ms, ok := at(row)
		if !ok || ms < firstInstant || ms > lastInstant {
			return dst, errDate
		}
		return append(schema.AppendTime(append(dst, '"'), ms), '"'), nil
	}
}

// millis is n units of so many ns in ms, what is below cut off downwards; false
// if that is no int64.
func millis(n, unit int64) (int64, bool) {
	const milli = 1_000_000
	if unit >= milli {
		per := unit / milli
		return n * per, n*per/per == n
	}
	per := milli / unit
	ms := n / per
	if n%per < 0 {
		ms--
	}
	return ms, true
}

func lists(a array.ListLike, w wanted) (cell, error) {
	elem := wanted{}
	if w.elem != nil {
		elem = *w.elem
	}
	if w.raw {
		elem = wanted{}
	}
	of, err := cells(a.ListValues(), elem)
	if _, isMap := a.(*array.Map); isMap && err == nil {
		err = fault.New(fault.InvalidRequest, "records have no form for a column of Arrow type %s", a.DataType())
	}
	return func(dst []byte, row int) (_ []byte, err error) {
		dst = append(dst, '[')
		from, to := a.ValueOffsets(row)
		for i := from; i < to; i++ {
			if i > from {
				dst = append(dst, ',')
			}
			if dst, err = of(dst, int(i)); err == nil {
				err = fits(dst, 0)
			}
			if err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}, err
}

func objects(a *array.Struct, _ wanted) (cell, error) {
	t := a.DataType().(*arrow.StructType)
	members := make([]cell, a.NumField())
	for i := range members {
		var err error
		if members[i], err = cells(a.Field(i), wanted{}); err != nil {
			return nil, err
		}
	}
	return func(dst []byte, row int) (_ []byte, err error) {
		dst = append(dst, '{')
		for i, of := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(schema.AppendString(dst, t.Field(i).Name), ':')
			if dst, err = of(dst, row); err == nil {
				err = fits(dst, 0)
			}
			if err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	}, nil
}
