package schema

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/valyala/fastjson"
)

// maxPattern bounds a pattern's text: RE2 runs in linear time, but its program
// grows with the text.
const maxPattern = 1000

func (p *parser) fields(d *draft, at string, v *fastjson.Value) {
	p.object(at, v, func(key, at string, v *fastjson.Value) bool {
		if key == "id" {
			return true // Octonet skips it: every entity has its id anyway
		}
		f := p.field(key, at, v, false)
		if f == nil {
			return true
		}
		if key == "createdAt" || key == "updatedAt" || key == "deletedAt" {
			d.managed[key] = managed{at, f}
		}
		d.Fields = append(d.Fields, f)
		return true
	})
}

// field reads one field definition, or the shorthand "name": "type".
func (p *parser) field(name, at string, v *fastjson.Value, embedded bool) *Field {
	if !validName(name, true) {
		p.no(at, badMember)
		return nil
	}
	f := &Field{Name: name, Hidden: sanitised[name]}
	if v.Type() == fastjson.TypeString {
		f.Type = p.fieldType(at, v)
		p.constraints(f, at, v, embedded)
		return f
	}
	var preset *fastjson.Value
	ok := p.object(at, v, func(key, at string, v *fastjson.Value) bool {
		switch key {
		case "type":
			f.Type = p.fieldType(at, v)
		case "description":
			f.Description = p.text(at, v)
		case "required":
			f.Required = p.truth(at, v)
		case "unique":
			f.Unique = p.truth(at, v)
		case "sparse":
			f.Sparse = p.truth(at, v)
		case "lowercase":
			f.Lowercase = p.truth(at, v)
		case "trim":
			f.Trim = p.truth(at, v)
		case "hidden":
			f.Hidden = p.truth(at, v)
		case "default":
			preset = v
		case "enum":
			f.Enum = p.enum(at, v)
		case "arrayOf":
			f.ArrayOf = p.element(at, v)
		case "maxLength":
			f.MaxLength = p.length(at, v)
		case "min":
			f.Min = p.bound(at, v)
		case "max":
			f.Max = p.bound(at, v)
		case "pattern":
			f.Pattern = p.text(at, v)
		default:
			return false
		}
		return true
	})
	if !ok {
		return nil
	}
	if v.Get("type") == nil {
		p.no(at+".type", "a field needs one of "+choices(typeNames[:]))
	}
	if f.Type == 0 {
		return f
	}
	p.constraints(f, at, v, embedded)
	if preset != nil && preset.Type() != fastjson.TypeNull {
		f.Default = p.preset(f, at+".default", preset, embedded)
	}
	return f
}

func (p *parser) fieldType(at string, v *fastjson.Value) Type {
	return Type(p.choice(at, v, typeNames[:]))
}

func (p *parser) enum(at string, v *fastjson.Value) []string {
	list := p.texts(at, v)
	if v.Type() == fastjson.TypeArray && (len(list) == 0 || len(list) > MaxEnum) {
		p.no(at, "between 1 and "+strconv.Itoa(MaxEnum)+" values are expected")
	}
	for i, s := range list {
		if slices.Contains(list[:i], s) {
			p.no(at+"["+strconv.Itoa(i)+"]", "the value stands here twice")
		}
	}
	return list
}

// element reads arrayOf: a type's name, or {"kind":"embedded","fields":{…}}.
func (p *parser) element(at string, v *fastjson.Value) *Element {
	if v.Type() == fastjson.TypeString {
		t := p.fieldType(at, v)
		if t == Array {
			p.no(at, "arrays of arrays have no type; leave arrayOf out")
		}
		return &Element{Type: t}
	}
	e := &Element{Type: JSON, Fields: []*Field{}}
	p.object(at, v, func(key, at string, v *fastjson.Value) bool {
		switch key {
		case "kind":
			p.choice(at, v, []string{"", "embedded"})
		case "fields":
			p.object(at, v, func(key, at string, v *fastjson.Value) bool {
				if f := p.field(key, at, v, true); f != nil {
					e.Fields = append(e.Fields, f)
				}
				return true
			})
		default:
			return false
		}
		return true
	})
	if len(e.Fields) == 0 && v.Type() == fastjson.TypeObject {
		p.no(at+".fields", "an embedded object needs at least one field")
	}
	return e
}

// constraints checks that what a field declares fits its type.
func (p *parser) constraints(f *Field, at string, v *fastjson.Value, embedded bool) {
	text := f.Type == String || f.Type == Text
	numeric := f.Type == Number || f.Type == Float || f.Type == Integer || f.Type == Decimal
	belongs := func(key string, set, fits bool, to string) {
		if set && !fits {
			p.no(at+"."+key, "it belongs to fields of type "+to)
		}
	}
	belongs("lowercase", f.Lowercase, text, "string or text")
	belongs("trim", f.Trim, text, "string or text")
	belongs("maxLength", f.MaxLength > 0, text || f.Type == ObjectID || f.Type == Binary, "string, text, objectId or binary")
	belongs("pattern", f.Pattern != "", text || f.Type == ObjectID, "string, text or objectId")
	belongs("min", f.Min != nil, numeric, "number, float, integer or decimal")
	belongs("max", f.Max != nil, numeric, "number, float, integer or decimal")
	belongs("arrayOf", f.ArrayOf != nil, f.Type == Array, "array")
	belongs("unique", f.Unique, f.Type != JSON && f.Type != Array, "other than json and array")
	ofTexts := f.ArrayOf != nil && (f.ArrayOf.Type == String || f.ArrayOf.Type == Text || f.ArrayOf.Type == Enum)
	belongs("enum", f.Enum != nil, text || f.Type == Enum || ofTexts, "string, text or enum, or arrays of them")
	if f.Enum == nil && (f.Type == Enum || f.ArrayOf != nil && f.ArrayOf.Type == Enum) && v.Get("enum") == nil {
		p.no(at+".enum", "the type enum needs its values")
	}
	if f.Min != nil && f.Max != nil && *f.Min > *f.Max {
		p.no(at+".min", "the minimum is above the maximum")
	}
	if f.Pattern != "" {
		re, err := regexp.Compile(f.Pattern)
		if err != nil || len(f.Pattern) > maxPattern {
			p.no(at+".pattern", "a regular expression of RE2 with at most "+strconv.Itoa(maxPattern)+" characters is expected")
		}
		f.pattern = re
	}
	if !embedded {
		return
	}
	belongs("unique", f.Unique, false, "an entity, not of an embedded object")
	belongs("sparse", f.Sparse, false, "an entity, not of an embedded object")
	if f.Hidden {
		p.no(at+".hidden", "a field of an embedded object cannot be hidden; move "+f.Name+" to the entity, or say \"hidden\": false to show it")
	}
}

// preset reads a default and holds it to the field's own rules.
func (p *parser) preset(f *Field, at string, v *fastjson.Value, embedded bool) *Default {
	if f.Type == Date && v.Type() == fastjson.TypeString && string(v.GetStringBytes()) == "now" {
		if embedded {
			p.no(at, "now is no default inside of embedded objects")
		}
		return &Default{Now: true}
	}
	column := Column{Name: f.Name, Type: f.Type, Field: f}
	got, reason := column.decode(v)
	if reason == "" {
		got = f.Normalize(got)
		reason = f.Check(got)
	}
	if reason != "" {
		p.no(at, reason)
		return nil
	}
	return &Default{Value: got}
}
