package mongodb

import (
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/octomesh/octomesh/pkg/schema"
)

// doc builds one BSON document by appending. Each object, array or root that is
// opened must be ended. Arrays number their members themselves.
type doc struct {
	b     []byte
	open  []int32 // where the lengths of what is open stand
	count []int   // members of each array that is open; -1 = an object
}

func newDoc() *doc {
	d := &doc{b: make([]byte, 0, 256)}
	d.push(bsoncore.AppendDocumentStart(d.b))
	d.count = append(d.count, -1)
	return d
}

func (d *doc) push(at int32, b []byte) { d.b, d.open = b, append(d.open, at) }

// key is the name of the next member: the given one, or its number in an array.
func (d *doc) key(name string) string {
	top := len(d.count) - 1
	if d.count[top] < 0 {
		return name
	}
	d.count[top]++
	return strconv.Itoa(d.count[top] - 1)
}

func (d *doc) object(name string) *doc {
	d.push(bsoncore.AppendDocumentElementStart(d.b, d.key(name)))
	d.count = append(d.count, -1)
	return d
}

func (d *doc) array(name string) *doc {
	d.push(bsoncore.AppendArrayElementStart(d.b, d.key(name)))
	d.count = append(d.count, 0)
	return d
}

func (d *doc) end() *doc {
	top := len(d.open) - 1
	d.b, _ = bsoncore.AppendDocumentEnd(d.b, d.open[top]) // it fails for a wrong start alone
	d.open, d.count = d.open[:top], d.count[:top]
	return d
}

// raw ends everything that is open and returns the document.
func (d *doc) raw() bson.Raw {
	for len(d.open) > 0 {
		d.end()
	}
	return d.b
}

func (d *doc) text(name, s string) *doc {
	d.b = bsoncore.AppendStringElement(d.b, d.key(name), s)
	return d
}

func (d *doc) int(name string, n int64) *doc {
	d.b = bsoncore.AppendInt64Element(d.b, d.key(name), n)
	return d
}

// one is the int32 that options and sort keys are written with.
func (d *doc) one(name string, n int32) *doc {
	d.b = bsoncore.AppendInt32Element(d.b, d.key(name), n)
	return d
}

func (d *doc) truth(name string, t bool) *doc {
	d.b = bsoncore.AppendBooleanElement(d.b, d.key(name), t)
	return d
}

func (d *doc) null(name string) *doc {
	d.b = bsoncore.AppendNullElement(d.b, d.key(name))
	return d
}

func (d *doc) date(name string, ms int64) *doc {
	d.b = bsoncore.AppendDateTimeElement(d.b, d.key(name), ms)
	return d
}

func (d *doc) bytes(name string, b []byte) *doc {
	d.b = bsoncore.AppendBinaryElement(d.b, d.key(name), 0, b)
	return d
}

// regex appends {"$regex": …} as the value of name; with fold ASCII letters
// match in both cases.
func (d *doc) regex(name, pattern string, fold bool) *doc {
	d.object(name).text("$regex", pattern)
	if fold {
		d.text("$options", "i")
	}
	return d.end()
}

// value appends a typed value as it is stored.
func (d *doc) value(name string, v schema.Value) *doc {
	switch v.Kind() {
	case schema.KindNull:
		return d.null(name)
	case schema.KindBool:
		return d.truth(name, v.Bool())
	case schema.KindInt:
		return d.int(name, v.Int())
	case schema.KindFloat:
		d.b = bsoncore.AppendDoubleElement(d.b, d.key(name), v.Float())
		return d
	case schema.KindTime:
		return d.date(name, v.Int())
	case schema.KindDecimal:
		return d.text(name, sortableDecimal(v.Text()))
	}
	return d.text(name, v.Text())
}

// member is the name of a column in a document.
func member(c *schema.Column) string {
	if c.Role == schema.RoleID {
		return "_id"
	}
	return c.Physical
}
