package catalogue

import (
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/schema"
)

// Summary tells an entity's fields in one line, hidden ones left out.
func Summary(e *schema.Entity) string {
	var b strings.Builder
	for _, f := range e.Fields {
		if hidden(e, f) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.Name + " (" + f.Type.String())
		if f.Required {
			b.WriteString(", required")
		}
		if len(f.Enum) > 0 {
			b.WriteString(", one of " + strings.Join(f.Enum, "|"))
		}
		if f.Description != "" {
			b.WriteString(": " + brief(f.Description))
		}
		b.WriteString(")")
	}
	for _, r := range e.Relations {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(r.Name + " (" + r.Type.String() + " of " + r.Target.Name + ")")
	}
	return b.String()
}

func hidden(e *schema.Entity, f *schema.Field) bool {
	c := e.Column(f.Name)
	return f.Hidden || c == nil || c.Hidden
}

// AppendProject appends what describe tells of a project.
func AppendProject(dst []byte, p *gateway.Project) []byte {
	dst = schema.AppendString(append(dst, `{"project":`...), p.Slug)
	dst = append(dst, `,"entities":[`...)
	for i, e := range p.Catalog.Entities {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = schema.AppendString(append(dst, `{"name":`...), e.Name)
		if e.Description != "" {
			dst = schema.AppendString(append(dst, `,"description":`...), e.Description)
		}
		dst = append(dst, `,"fields":[`...)
		first := true
		for _, f := range e.Fields {
			if hidden(e, f) {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = schema.AppendString(dst, f.Name)
		}
		dst = append(dst, `],"relations":[`...)
		for i, r := range e.Relations {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = schema.AppendString(dst, r.Name)
		}
		dst = append(dst, ']', '}')
	}
	return append(dst, ']', '}')
}

// AppendEntity appends an entity in the words of schemas.json, without what is
// hidden and without what only the database cares for.
func AppendEntity(dst []byte, e *schema.Entity) []byte {
	dst = schema.AppendString(append(dst, `{"name":`...), e.Name)
	dst = schema.AppendString(append(dst, `,"collection":`...), e.Collection)
	dst = member(dst, "description", e.Description)
	dst = flag(dst, "timestamps", e.Timestamps)
	dst = flag(dst, "softDelete", e.SoftDelete)
	dst = append(dst, `,"fields":`...)
	dst = appendFields(dst, e.Fields, func(f *schema.Field) bool { return hidden(e, f) })
	dst = append(dst, `,"relations":{`...)
	for i, r := range e.Relations {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = schema.AppendString(dst, r.Name)
		dst = schema.AppendString(append(dst, `:{"target":`...), r.Target.Name)
		dst = schema.AppendString(append(dst, `,"type":`...), r.Type.String())
		dst = append(flag(dst, "required", r.Required), '}')
	}
	return append(dst, '}', '}')
}

func appendFields(dst []byte, fields []*schema.Field, leave func(*schema.Field) bool) []byte {
	dst = append(dst, '{')
	for _, f := range fields {
		if leave(f) {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = schema.AppendString(dst, f.Name)
		dst = schema.AppendString(append(dst, `:{"type":`...), f.Type.String())
		dst = member(dst, "description", f.Description)
		dst = flag(dst, "required", f.Required)
		dst = flag(dst, "unique", f.Unique)
		switch {
		case f.Default == nil:
		case f.Default.Now:
			dst = member(dst, "default", "now")
		default:
			dst = f.Default.Value.AppendJSON(append(dst, `,"default":`...))
		}
		if len(f.Enum) > 0 {
			dst = append(dst, `,"enum":[`...)
			for i, v := range f.Enum {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = schema.AppendString(dst, v)
			}
			dst = append(dst, ']')
		}
		dst = element(dst, f.ArrayOf)
		if f.MaxLength > 0 {
			dst = strconv.AppendInt(append(dst, `,"maxLength":`...), int64(f.MaxLength), 10)
		}
		dst = bound(dst, "min", f.Min)
		dst = bound(dst, "max", f.Max)
		dst = append(member(dst, "pattern", f.Pattern), '}')
	}
	return append(dst, '}')
}

func element(dst []byte, e *schema.Element) []byte {
	switch {
	case e == nil:
		return dst
	case e.Fields == nil:
		return member(dst, "arrayOf", e.Type.String())
	}
	dst = append(dst, `,"arrayOf":{"kind":"embedded","fields":`...)
	dst = appendFields(dst, e.Fields, func(f *schema.Field) bool { return f.Hidden })
	return append(dst, '}')
}

func member(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	dst = append(append(append(dst, ',', '"'), name...), '"', ':')
	return schema.AppendString(dst, s)
}

func flag(dst []byte, name string, b bool) []byte {
	if !b {
		return dst
	}
	return append(append(append(dst, ',', '"'), name...), `":true`...)
}

func bound(dst []byte, name string, v *float64) []byte {
	if v == nil {
		return dst
	}
	dst = append(append(append(dst, ',', '"'), name...), '"', ':')
	return schema.AppendFloat(dst, *v)
}
