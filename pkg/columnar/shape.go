package columnar

import (
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/octomesh/octomesh/pkg/schema"
)

// AsText is the Options.DecimalScale that leaves decimals texts.
const AsText = -1

// Options say how an entity's records become columns.
type Options struct {
	// DecimalScale makes decimals numbers of 38 digits, as many of them behind
	// the point. A schema does not bound the scale of a decimal, so that only
	// text (AsText) holds every one exactly: with a scale, a value that would
	// have to be rounded ends the stream.
	DecimalScale int
	// Filled tells whether a to-many relation was asked for. Of one that was
	// not, records show an empty array, which says nothing: its column is null.
	Filled func(*schema.Relation) bool
}

// Shape is the columns of an entity's records. It is read-only.
type Shape struct {
	entity string
	fields []field
	byName map[string]int
	arrow  *arrow.Schema
}

// field is a column and what its values are read from.
type field struct {
	name     string
	kind     kind
	elem     kind // of the members of a list
	scale    int  // of a decimal
	hollow   bool // a relation that was not asked for: always null
	nullable bool
	source   string // the type as the schema calls it
}

// kind is how a column's values are read and kept.
type kind uint8

const (
	texts     kind = iota // texts as they are
	loose                 // texts as they are, anything else as JSON text
	documents             // any value as JSON text
	ids                   // an id, or the id of the record that was filled in
	floats
	integers
	truths
	instants // milliseconds since 1970, UTC
	decimals
	binaries
	lists
)

var arrowTypes = [...]arrow.DataType{
	texts: arrow.BinaryTypes.String, loose: arrow.BinaryTypes.String, documents: arrow.BinaryTypes.String, ids: arrow.BinaryTypes.String,
	floats: arrow.PrimitiveTypes.Float64, integers: arrow.PrimitiveTypes.Int64, truths: arrow.FixedWidthTypes.Boolean,
	instants: &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}, binaries: arrow.BinaryTypes.Binary,
}

// kinds are those of the schema's types.
var kinds = [...]kind{
	schema.String: texts, schema.Text: texts, schema.Number: floats, schema.Boolean: truths, schema.Date: instants,
	schema.JSON: documents, schema.Array: lists, schema.Integer: integers, schema.Decimal: decimals, schema.Float: floats,
	schema.ObjectID: texts, schema.Enum: texts, schema.Binary: binaries,
}

// NewShape lays out the columns of those members of e.
func NewShape(e *schema.Entity, members []schema.Member, o Options) *Shape {
	fields := make([]field, len(members))
	for i, m := range members {
		f := field{name: m.Name, nullable: true}
		switch c := m.Column; {
		case c == nil:
			f.kind, f.elem, f.source = lists, ids, m.Relation.Type.String()
			f.hollow = o.Filled == nil || !o.Filled(m.Relation)
		case c.Role == schema.RoleReference:
			f.kind, f.source = ids, m.Relation.Type.String()
		default:
			f.kind, f.source = kinds[c.Type], c.Type.String()
			f.nullable = c.Role != schema.RoleID && c.Role != schema.RoleVersion
			if f.kind == lists {
				f.elem = element(c.Field)
			}
		}
		f.decimal(o.DecimalScale)
		fields[i] = f
	}
	return compile(e.Name, fields)
}

// element is the kind of an array's members. An array without a declared type
// holds texts as a rule, but may hold anything.
func element(f *schema.Field) kind {
	switch {
	case f == nil || f.ArrayOf == nil:
		return loose
	case f.ArrayOf.Fields != nil:
		return documents
	}
	return kinds[f.ArrayOf.Type]
}

func (f *field) decimal(scale int) {
	f.scale = scale
	if scale != AsText {
		return
	}
	if f.kind == decimals {
		f.kind = documents // a number's own text
	}
	if f.elem == decimals {
		f.elem = documents
	}
}

func compile(entity string, fields []field) *Shape {
	s := &Shape{entity: entity, fields: fields, byName: make(map[string]int, len(fields))}
	columns := make([]arrow.Field, len(fields))
	for i, f := range fields {
		s.byName[f.name] = i
		columns[i] = arrow.Field{
			Name: f.name, Type: f.arrowType(), Nullable: f.nullable,
			Metadata: arrow.NewMetadata([]string{"octomesh:type"}, []string{f.source}),
		}
	}
	about := arrow.NewMetadata([]string{"octomesh:entity"}, []string{entity})
	s.arrow = arrow.NewSchema(columns, &about)
	return s
}

func (f *field) arrowType() arrow.DataType {
	if f.kind == lists {
		return arrow.ListOf(scalar(f.elem, f.scale))
	}
	return scalar(f.kind, f.scale)
}

func scalar(k kind, scale int) arrow.DataType {
	if k == decimals {
		return &arrow.Decimal128Type{Precision: schema.MaxDecimalDigits, Scale: int32(scale)}
	}
	return arrowTypes[k]
}

// Arrow is the schema of the batches. The name of the entity and the types as
// the schema calls them are its metadata, octomesh:entity and octomesh:type.
func (s *Shape) Arrow() *arrow.Schema { return s.arrow }

// Field is a column as Octonet's catalogue names it.
type Field struct {
	Name     string
	Type     string // utf8, float64, int64, bool, timestamp[ms], decimal128(38,2), binary, list<…> of these
	Nullable bool
	// Hollow is a relation that was not asked for, of which records say nothing.
	Hollow bool
}

// Fields are the columns in record order.
func (s *Shape) Fields() []Field {
	out := make([]Field, len(s.fields))
	for i, f := range s.fields {
		name := typeName(f.kind, f.scale)
		if f.kind == lists {
			name = "list<" + typeName(f.elem, f.scale) + ">"
		}
		out[i] = Field{Name: f.name, Type: name, Nullable: f.nullable, Hollow: f.hollow}
	}
	return out
}

func typeName(k kind, scale int) string {
	switch k {
	case floats:
		return "float64"
	case integers:
		return "int64"
	case truths:
		return "bool"
	case instants:
		return "timestamp[ms]"
	case binaries:
		return "binary"
	case decimals:
		return "decimal128(" + strconv.Itoa(schema.MaxDecimalDigits) + "," + strconv.Itoa(scale) + ")"
	}
	return "utf8"
}

// Only leaves the fields that there says are there. A caller who may not read a
// field gets records without it; nothing else says so.
func (s *Shape) Only(there func(name string) bool) *Shape {
	kept := make([]field, 0, len(s.fields))
	for _, f := range s.fields {
		if there(f.name) {
			kept = append(kept, f)
		}
	}
	if len(kept) == len(s.fields) {
		return s
	}
	return compile(s.entity, kept)
}
