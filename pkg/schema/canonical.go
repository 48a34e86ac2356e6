package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

func itoa(n int) string { return strconv.Itoa(n) }

// digest makes Catalog.Version: 24 hexadecimal digits over the canonical text,
// so that white space, shorthands and the order of a definition's own keys make
// no difference, and everything with a meaning (the order of fields, which is
// the order of a record's keys) does.
func digest(c *Catalog) string {
	sum := sha256.Sum256(c.AppendJSON(nil))
	return hex.EncodeToString(sum[:12])
}

// AppendJSON appends the catalog as schemas.json in canonical form: compact,
// defaults left out, keys in a fixed order, what was implied written out. Parse
// makes an equal Catalog of it.
func (c *Catalog) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i, e := range c.Entities {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.AppendJSON(dst)
	}
	return append(dst, ']')
}

// writer appends members of an object, leaving out what is zero.
type writer struct{ b []byte }

func (w *writer) key(k string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(AppendString(w.b, k), ':')
}

func (w *writer) text(k, s string) {
	if s != "" {
		w.key(k)
		w.b = AppendString(w.b, s)
	}
}

func (w *writer) truth(k string, b bool) {
	if b {
		w.key(k)
		w.b = append(w.b, "true"...)
	}
}

func (w *writer) texts(k string, list []string) {
	if len(list) == 0 {
		return
	}
	w.key(k)
	w.b = append(w.b, '[')
	for i, s := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = AppendString(w.b, s)
	}
	w.b = append(w.b, ']')
}

func (w *writer) number(k string, f *float64) {
	if f != nil {
		w.key(k)
		w.b = AppendFloat(w.b, *f)
	}
}

func (w *writer) open()  { w.b = append(w.b, '{') }
func (w *writer) close() { w.b = append(w.b, '}') }

// AppendJSON appends the entity as one object of a schemas.json, in canonical
// form.
func (e *Entity) AppendJSON(dst []byte) []byte {
	w := &writer{dst}
	w.open()
	w.text("name", e.Name)
	w.text("collection", e.Collection)
	w.text("description", e.Description)
	w.truth("timestamps", e.Timestamps)
	w.truth("softDelete", e.SoftDelete)
	w.text("discriminator", e.Discriminator)
	w.text("discriminatorValue", e.DiscriminatorValue)
	w.fields(e.Fields)
	w.key("relations")
	w.open()
	for _, r := range e.Relations {
		w.relation(r)
	}
	w.close()
	w.key("indexes")
	w.b = append(w.b, '[')
	for i, x := range e.Indexes {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.index(x)
	}
	w.b = append(w.b, ']')
	w.close()
	return w.b
}

func (w *writer) fields(list []*Field) {
	w.key("fields")
	w.open()
	for _, f := range list {
		w.key(f.Name)
		w.open()
		w.text("type", f.Type.String())
		w.text("description", f.Description)
		w.truth("required", f.Required)
		w.truth("unique", f.Unique)
		w.truth("sparse", f.Sparse)
		w.truth("lowercase", f.Lowercase)
		w.truth("trim", f.Trim)
		if f.Hidden || sanitised[f.Name] {
			w.key("hidden")
			w.b = strconv.AppendBool(w.b, f.Hidden)
		}
		switch {
		case f.Default == nil:
		case f.Default.Now:
			w.text("default", "now")
		default:
			w.key("default")
			w.b = f.Default.Value.AppendJSON(w.b)
		}
		w.texts("enum", f.Enum)
		w.element(f.ArrayOf)
		if f.MaxLength > 0 {
			w.key("maxLength")
			w.b = strconv.AppendInt(w.b, int64(f.MaxLength), 10)
		}
		w.number("min", f.Min)
		w.number("max", f.Max)
		w.text("pattern", f.Pattern)
		w.close()
	}
	w.close()
}

func (w *writer) element(e *Element) {
	switch {
	case e == nil:
	case e.Fields == nil:
		w.text("arrayOf", e.Type.String())
	default:
		w.key("arrayOf")
		w.open()
		w.text("kind", "embedded")
		w.fields(e.Fields)
		w.close()
	}
}

func (w *writer) relation(r *Relation) {
	w.key(r.Name)
	w.open()
	w.text("target", r.Target.Name)
	w.text("type", r.Type.String())
	w.truth("required", r.Required)
	w.texts("select", r.Select)
	w.text("through", r.Through)
	w.text("mappedBy", r.MappedBy)
	w.text("joinColumn", r.JoinColumn)
	if r.OnDelete != 0 {
		w.text("onDelete", r.OnDelete.String())
	}
	if r.Eager {
		w.text("fetch", "eager")
	}
	w.close()
}

func (w *writer) index(x *Index) {
	w.open()
	w.key("fields")
	w.open()
	for _, k := range x.Keys {
		switch {
		case k.Text:
			w.text(k.Column.Name, "text")
		case k.Desc:
			w.text(k.Column.Name, "desc")
		default:
			w.text(k.Column.Name, "asc")
		}
	}
	w.close()
	w.truth("unique", x.Unique)
	w.truth("sparse", x.Sparse)
	w.close()
}
