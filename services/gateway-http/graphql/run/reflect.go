package run

import (
	"maps"
	"slices"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
)

// maxReflected bounds what an introspection may show.
const maxReflected = 16 << 20

// reflected is one value of introspection: a map from field names to what they
// show would be made for every type; this asks for each field instead.
type reflected interface {
	typename() string
	field(s *state, f *ast.Field) any // nil, string, bool, reflected, or a list of them
}

// reflect writes __schema and __type (specification, section 4).
func (s *state) reflect(r *plan.Root) bool {
	tree := s.Plan.Schema.AST
	var v reflected = reflectSchema{tree}
	if r.Field.Name == "__type" {
		name, err := s.Vars.Text(r.Field, "name")
		if err != nil {
			s.fail(err, r.Pos)
			return false
		}
		d := tree.Types[name]
		if d == nil {
			s.dst = append(s.dst, "null"...)
			return true
		}
		v = reflectType{tree: tree, def: d}
	}
	return s.object(v, []ast.SelectionSet{r.Field.SelectionSet}, r.Pos)
}

// selected is one output field of an introspection.
type selected struct {
	*ast.Field
	sets []ast.SelectionSet
}

func (s *state) selections(list []selected, set ast.SelectionSet, on string) []selected {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			if !s.Vars.Selected(sel.Directives) {
				continue
			}
			if i := slices.IndexFunc(list, func(o selected) bool { return o.Alias == sel.Alias }); i >= 0 {
				list[i].sets = append(list[i].sets, sel.SelectionSet)
			} else {
				list = append(list, selected{sel, []ast.SelectionSet{sel.SelectionSet}})
			}
		case *ast.InlineFragment:
			if s.Vars.Selected(sel.Directives) && (sel.TypeCondition == "" || sel.TypeCondition == on) {
				list = s.selections(list, sel.SelectionSet, on)
			}
		case *ast.FragmentSpread:
			if s.Vars.Selected(sel.Directives) && sel.Definition.TypeCondition == on {
				list = s.selections(list, sel.Definition.SelectionSet, on)
			}
		}
	}
	return list
}

func (s *state) object(v reflected, sets []ast.SelectionSet, at plan.Pos) bool {
	if len(s.dst)-s.start > maxReflected {
		s.fail(fault.New(fault.PayloadTooLarge, "the introspection shows more than %d MB", maxReflected>>20), at)
		return false
	}
	var fields []selected
	for _, set := range sets {
		fields = s.selections(fields, set, v.typename())
	}
	s.dst = append(s.dst, '{')
	for i, f := range fields {
		if i > 0 {
			s.dst = append(s.dst, ',')
		}
		s.dst = append(schema.AppendString(s.dst, f.Alias), ':')
		var got any = v.typename()
		if f.Name != "__typename" {
			got = v.field(s, f.Field)
		}
		if !s.reflectedValue(got, f.sets, at) {
			return false
		}
	}
	s.dst = append(s.dst, '}')
	return true
}

func (s *state) reflectedValue(v any, sets []ast.SelectionSet, at plan.Pos) bool {
	switch v := v.(type) {
	case string:
		s.dst = schema.AppendString(s.dst, v)
	case bool:
		s.dst = strconv.AppendBool(s.dst, v)
	case reflected:
		return s.object(v, sets, at)
	case []string:
		s.dst = append(s.dst, '[')
		for i, item := range v {
			if i > 0 {
				s.dst = append(s.dst, ',')
			}
			s.dst = schema.AppendString(s.dst, item)
		}
		s.dst = append(s.dst, ']')
	case []reflected:
		s.dst = append(s.dst, '[')
		for i, item := range v {
			if i > 0 {
				s.dst = append(s.dst, ',')
			}
			if !s.object(item, sets, at) {
				return false
			}
		}
		s.dst = append(s.dst, ']')
	default:
		s.dst = append(s.dst, "null"...)
	}
	return true
}

type reflectSchema struct{ *ast.Schema }

func (reflectSchema) typename() string { return "__Schema" }

func (r reflectSchema) field(_ *state, f *ast.Field) any {
	named := func(d *ast.Definition) any {
		if d == nil {
			return nil
		}
		return reflectType{tree: r.Schema, def: d}
	}
	switch f.Name {
	case "description":
		return orNull(r.Description)
	case "types":
		list := make([]reflected, 0, len(r.Types))
		for _, name := range slices.Sorted(maps.Keys(r.Types)) {
			list = append(list, reflectType{tree: r.Schema, def: r.Types[name]})
		}
		return list
	case "queryType":
		return named(r.Query)
	case "mutationType":
		return named(r.Mutation)
	case "subscriptionType":
		return named(r.Subscription)
	case "directives":
		list := make([]reflected, 0, len(r.Directives))
		for _, name := range slices.Sorted(maps.Keys(r.Directives)) {
			list = append(list, reflectDirective{r.Schema, r.Directives[name]})
		}
		return list
	}
	return nil
}

// reflectType is a named type, or one that wraps another: a list or a type that
// is never null.
type reflectType struct {
	tree *ast.Schema
	def  *ast.Definition
	wrap *ast.Type // nil for a named type
}

// typeOf is the outermost wrapping of t.
func typeOf(tree *ast.Schema, t *ast.Type) reflectType {
	if t.NonNull || t.Elem != nil {
		return reflectType{tree: tree, wrap: t}
	}
	return reflectType{tree: tree, def: tree.Types[t.NamedType]}
}

func (reflectType) typename() string { return "__Type" }

func (r reflectType) field(s *state, f *ast.Field) any {
	if r.wrap != nil {
		switch {
		case f.Name == "kind" && r.wrap.NonNull:
			return "NON_NULL"
		case f.Name == "kind":
			return "LIST"
		case f.Name == "ofType" && r.wrap.NonNull:
			inner := *r.wrap
			inner.NonNull = false
			return typeOf(r.tree, &inner)
		case f.Name == "ofType":
			return typeOf(r.tree, r.wrap.Elem)
		}
		return nil
	}
	d := r.def
	switch f.Name {
	case "kind":
		return string(d.Kind)
	case "name":
		return d.Name
	case "description":
		return orNull(d.Description)
	case "specifiedByURL":
		if by := d.Directives.ForName("specifiedBy"); by != nil && d.Kind == ast.Scalar {
			return by.Arguments.ForName("url").Value.Raw
		}
	case "isOneOf":
		if d.Kind == ast.InputObject {
			return d.Directives.ForName("oneOf") != nil
		}
	case "fields":
		return r.fields(s, f)
	case "inputFields":
		if d.Kind != ast.InputObject {
			return nil
		}
		list := make([]reflected, 0, len(d.Fields))
		for _, x := range d.Fields {
			if x.Directives.ForName("deprecated") == nil || s.deprecated(f) {
				list = append(list, reflectInput{r.tree, x.Name, x.Description, x.Type, x.DefaultValue, x.Directives})
			}
		}
		return list
	case "interfaces":
		if d.Kind == ast.Object || d.Kind == ast.Interface {
			return []reflected{}
		}
	case "possibleTypes":
		if !d.IsAbstractType() {
			return nil
		}
		var list []reflected
		for _, x := range r.tree.PossibleTypes[d.Name] {
			list = append(list, reflectType{tree: r.tree, def: x})
		}
		return list
	case "enumValues":
		if d.Kind != ast.Enum {
			return nil
		}
		list := make([]reflected, 0, len(d.EnumValues))
		for _, x := range d.EnumValues {
			if x.Directives.ForName("deprecated") == nil || s.deprecated(f) {
				list = append(list, reflectEnum{x})
			}
		}
		return list
	}
	return nil
}

func (r reflectType) fields(s *state, f *ast.Field) any {
	if r.def.Kind != ast.Object && r.def.Kind != ast.Interface {
		return nil
	}
	list := make([]reflected, 0, len(r.def.Fields))
	for _, x := range r.def.Fields {
		if len(x.Name) > 1 && x.Name[:2] == "__" {
			continue
		}
		if x.Directives.ForName("deprecated") == nil || s.deprecated(f) {
			list = append(list, reflectField{r.tree, x})
		}
	}
	return list
}

// deprecated is the argument includeDeprecated.
func (s *state) deprecated(f *ast.Field) bool {
	got, err := s.Vars.Text(f, "includeDeprecated")
	return err == nil && got == "true"
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
