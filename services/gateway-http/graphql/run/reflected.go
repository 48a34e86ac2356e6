package run

import (
	"github.com/vektah/gqlparser/v2/ast"
)

type reflectField struct {
	tree *ast.Schema
	*ast.FieldDefinition
}

func (reflectField) typename() string { return "__Field" }

func (r reflectField) field(s *state, f *ast.Field) any {
	switch f.Name {
	case "name":
		return r.Name
	case "description":
		return orNull(r.Description)
	case "args":
		return arguments(s, f, r.tree, r.Arguments)
	case "type":
		return typeOf(r.tree, r.Type)
	}
	return deprecation(f, r.Directives)
}

func arguments(s *state, f *ast.Field, tree *ast.Schema, args ast.ArgumentDefinitionList) []reflected {
	list := make([]reflected, 0, len(args))
	for _, a := range args {
		if a.Directives.ForName("deprecated") == nil || s.deprecated(f) {
			list = append(list, reflectInput{tree, a.Name, a.Description, a.Type, a.DefaultValue, a.Directives})
		}
	}
	return list
}

// deprecation answers isDeprecated and deprecationReason.
func deprecation(f *ast.Field, list ast.DirectiveList) any {
	d := list.ForName("deprecated")
	switch {
	case f.Name == "isDeprecated":
		return d != nil
	case f.Name != "deprecationReason" || d == nil:
		return nil
	}
	if reason := d.Arguments.ForName("reason"); reason != nil {
		return reason.Value.Raw
	}
	return "No longer supported"
}

type reflectInput struct {
	tree              *ast.Schema
	name, description string
	typ               *ast.Type
	value             *ast.Value
	directives        ast.DirectiveList
}

func (reflectInput) typename() string { return "__InputValue" }

func (r reflectInput) field(_ *state, f *ast.Field) any {
	switch f.Name {
	case "name":
		return r.name
	case "description":
		return orNull(r.description)
	case "type":
		return typeOf(r.tree, r.typ)
	case "defaultValue":
		if r.value == nil {
			return nil
		}
		return r.value.String()
	}
	return deprecation(f, r.directives)
}

type reflectEnum struct{ *ast.EnumValueDefinition }

func (reflectEnum) typename() string { return "__EnumValue" }

func (r reflectEnum) field(_ *state, f *ast.Field) any {
	switch f.Name {
	case "name":
		return r.Name
	case "description":
		return orNull(r.Description)
	}
	return deprecation(f, r.Directives)
}

type reflectDirective struct {
	tree *ast.Schema
	*ast.DirectiveDefinition
}

func (reflectDirective) typename() string { return "__Directive" }

func (r reflectDirective) field(s *state, f *ast.Field) any {
	switch f.Name {
	case "name":
		return r.Name
	case "description":
		return orNull(r.Description)
	case "isRepeatable":
		return r.IsRepeatable
	case "locations":
		list := make([]string, 0, len(r.Locations))
		for _, l := range r.Locations {
			list = append(list, string(l))
		}
		return list
	case "args":
		return arguments(s, f, r.tree, r.Arguments)
	}
	return nil
}
