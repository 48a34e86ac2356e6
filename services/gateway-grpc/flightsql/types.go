package flightsql

import (
	"github.com/apache/arrow-go/v18/arrow"
	pb "github.com/apache/arrow-go/v18/arrow/flight/gen/flight"
)

// sqlType is a type as drivers know it (docs/sql.md, "Types").
type sqlType struct {
	name   string
	code   int // XdbcDataType
	size   any // of a column: digits, or characters; nil = no limit that is known
	quote  any // what a literal begins and ends with
	search int // 0 nothing, 2 all but LIKE, 3 everything
	radix  any
	scale  any // the largest
	sub    any // of a date or time
}

// sqlTypes are in the order of their codes, as drivers expect it.
var sqlTypes = []sqlType{
	{name: "BOOLEAN", code: -7, size: 1, search: 2},
	{name: "BIGINT", code: -5, size: 19, search: 2, radix: 10, scale: 0},
	{name: "VARBINARY", code: -3, quote: "'", search: 2},
	{name: "DECIMAL", code: 3, size: 38, search: 2, radix: 10, scale: 38},
	{name: "DOUBLE", code: 8, size: 53, search: 2, radix: 2},
	{name: "VARCHAR", code: 12, quote: "'", search: 3},
	{name: "TIMESTAMP", code: 93, size: 23, quote: "'", search: 2, scale: 3, sub: 3},
}

// typeName is what a column of the Arrow type is called.
func typeName(t arrow.DataType) string {
	switch t.ID() {
	case arrow.BOOL:
		return "BOOLEAN"
	case arrow.INT64:
		return "BIGINT"
	case arrow.BINARY:
		return "VARBINARY"
	case arrow.DECIMAL128:
		return "DECIMAL"
	case arrow.FLOAT64:
		return "DOUBLE"
	case arrow.TIMESTAMP:
		return "TIMESTAMP"
	case arrow.LIST:
		return "ARRAY"
	}
	return "VARCHAR"
}

// typeInfo answers GetXdbcTypeInfo, for all types or one.
func typeInfo(b *rows, m *pb.CommandGetXdbcTypeInfo) {
	const nullable = 1
	for _, t := range sqlTypes {
		if m.DataType != nil && int(m.GetDataType()) != t.code {
			continue
		}
		prefix := t.quote
		switch t.name {
		case "VARBINARY":
			prefix = "x'"
		case "TIMESTAMP":
			prefix = "TIMESTAMP '"
		}
		var signed, least any
		if t.radix != nil {
			signed = false
		}
		if t.scale != nil {
			least = 0
		}
		code := t.code
		if t.sub != nil {
			code = 9 // the verbose type: XDBC_DATETIME
		}
		b.add(t.name, t.code, t.size, prefix, t.quote, nil, nullable, t.name == "VARCHAR", t.search,
			signed, false, signed, t.name, least, t.scale, code, t.sub, t.radix, nil)
	}
}
