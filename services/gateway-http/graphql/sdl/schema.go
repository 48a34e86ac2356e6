package sdl

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// View is what a caller may do with a project.
type View struct {
	mesh.View
	// Readable tells which columns the caller may read; nil = all that the
	// catalog does not hide.
	Readable func(*schema.Column) bool
}

func (v View) readable(c *schema.Column) bool {
	return !c.Hidden && (v.Readable == nil || v.Readable(c))
}

// Shape tells what kind of value a root field takes from a reply.
type Shape uint8

// The shapes of root fields.
const (
	Records    Shape = iota + 1 // data is a list of records
	Record                      // data is a record or null
	Page                        // a list of records, with where it goes on
	Connection                  // the same as edges, with a cursor for each record
	Plain                       // data is shown as it is
	Touched                     // metadata.count
	SDL                         // the subgraph's schema
	Refs                        // records of any entity by representation
	Events                      // a subscription
)

// Root is what a field of Query, Mutation or Subscription means.
type Root struct {
	Shape  Shape
	Op     string
	Entity *schema.Entity // nil for what concerns the project
}

// Object is what a type of records means.
type Object struct {
	Name   string
	Entity *schema.Entity
	// Fields are the members that a field shows.
	Fields map[string]Field
}

// Field is a member of a record as a field shows it.
type Field struct {
	Member   string // the key in the record
	Relation *schema.Relation
	// Ref is set for the field that shows a reference's id alone.
	Ref bool
}

// Schema is the type system of one catalog in one view. It is read-only.
type Schema struct {
	AST *ast.Schema
	// Text is the schema in the schema definition language.
	Text string
	// Tag tells one Text from another.
	Tag string
	// Roots are the fields of the three root types, by "Query.products".
	Roots map[string]*Root
	// Objects are the types of records, by name, and by entity in ByEntity.
	Objects  map[string]*Object
	ByEntity map[*schema.Entity]*Object
	// Open are the scalars that take a text for whatever they stand for.
	Open map[string]bool
	// Patches maps the input type of a change to that of a new record, which
	// may stand in its place.
	Patches map[string]string
	// JSON is the name of the scalar that holds any JSON.
	JSON string

	subgraph func() string
}

// Subgraph is the schema as a federation gateway composes it (Apollo Federation
// subgraph specification, version 2).
func (s *Schema) Subgraph() string { return s.subgraph() }

// Build makes the schema of a catalog in a view.
func Build(c *schema.Catalog, v View) (*Schema, error) {
	b := newBuilder(c, v)
	text := b.text(false)
	tree, err := gqlparser.LoadSchema(&ast.Source{Name: "schema", Input: text})
	if err != nil {
		return nil, fmt.Errorf("the GraphQL schema does not load: %w", err)
	}
	delete(tree.Directives, "defer") // the parser knows it, this executor does not
	sum := sha256.Sum256([]byte(text))
	b.out.AST, b.out.Text, b.out.Tag = tree, text, hex.EncodeToString(sum[:12])
	b.out.subgraph = sync.OnceValue(func() string { return newBuilder(c, v).text(true) })
	return b.out, nil
}

// builder writes one schema.
type builder struct {
	catalog *schema.Catalog
	view    View
	b       strings.Builder
	out     *Schema
	types   names
	roots   map[string]names // of Query, Mutation, Subscription
	object  map[*schema.Entity]string
	helper  map[string]string // the name in force of a helper type
}

func newBuilder(c *schema.Catalog, v View) *builder {
	b := &builder{
		catalog: c, view: v, types: names{}, object: map[*schema.Entity]string{}, helper: map[string]string{},
		roots: map[string]names{"Query": {}, "Mutation": {}, "Subscription": {}},
		out: &Schema{
			Roots: map[string]*Root{}, Objects: map[string]*Object{}, ByEntity: map[*schema.Entity]*Object{},
			Open: map[string]bool{}, Patches: map[string]string{},
		},
	}
	for _, name := range []string{"Query", "Mutation", "Subscription", "String", "Int", "Float", "Boolean", "ID"} {
		b.types.take(name)
	}
	for _, e := range c.Entities { // an entity has its name before any helper
		b.object[e] = b.types.take(e.Name)
	}
	for _, name := range helpers {
		b.helper[name] = b.types.take(name)
	}
	for _, name := range []string{"JSON", "DateTime", "BigInt", "Decimal"} {
		b.out.Open[b.helper[name]] = true
	}
	b.out.JSON = b.helper["JSON"]
	return b
}

// text writes everything. A subgraph's own fields and types are left to the
// gateway that composes it.
func (b *builder) text(subgraph bool) string {
	if subgraph {
		b.b.WriteString("extend schema @link(url: \"https://specs.apollo.dev/federation/v2.3\", import: [\"@key\"])\n\n")
	}
	b.scalars()
	for _, e := range b.catalog.Entities {
		b.record(e, subgraph)
		if b.view.Read {
			b.where(e)
			b.page(e)
			b.connection(e)
			b.event(e)
		}
		if b.view.Write {
			b.inputs(e)
			if !b.view.Read {
				b.where(e)
			}
		}
	}
	b.query(subgraph)
	b.mutation()
	b.subscription()
	return b.b.String()
}

func (b *builder) f(format string, args ...any) { fmt.Fprintf(&b.b, format, args...) }

// describe writes a description, which a schema's author chose.
func (b *builder) describe(indent, text string) {
	if text != "" {
		b.f("%s%s\n", indent, quote(text))
	}
}

// quote writes a GraphQL string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
