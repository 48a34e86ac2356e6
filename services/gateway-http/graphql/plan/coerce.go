package plan

import (
	"math"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/octomesh/octomesh/pkg/fault"
)

// coercer turns literals and variables into values by the rules of the
// specification, sections 3.5 to 3.12 and 6.1.2.
type coercer struct {
	types map[string]*ast.Definition
	open  map[string]bool
	vars  []Value // by the operation's definitions
	names []string
	// keep refuses an unset variable within an object: in a condition it would
	// leave out what was meant to narrow.
	keep bool
}

func (c *coercer) variable(name string) Value {
	for i, n := range c.names {
		if n == name && i < len(c.vars) {
			return c.vars[i]
		}
	}
	return Value{}
}

func wrong(t *ast.Type, what string) error {
	return fault.New(fault.InvalidRequest, "%s cannot be a %s", what, t.String())
}

// literal coerces a literal of a document. Errors: INVALID_REQUEST.
func (c *coercer) literal(v *ast.Value, t *ast.Type) (Value, error) {
	switch {
	case v.Kind == ast.Variable:
		got := c.variable(v.Raw)
		if got.Kind == Null && t.NonNull {
			return got, fault.New(fault.InvalidRequest, "$%s is null where a %s is needed", v.Raw, t.String())
		}
		return c.listed(got, t), nil
	case v.Kind == ast.NullValue:
		if t.NonNull {
			return Value{}, wrong(t, "null")
		}
		return Value{Kind: Null}, nil
	case t.Elem != nil && v.Kind == ast.ListValue:
		out := Value{Kind: List, Items: make([]Value, 0, len(v.Children))}
		for _, child := range v.Children {
			item, err := c.literal(child.Value, t.Elem)
			if err != nil {
				return item, err
			}
			if item.Kind == Absent { // a variable without a value is null in a list
				if t.Elem.NonNull {
					return item, fault.New(fault.InvalidRequest, "%s has no value", child.Value.String())
				}
				item.Kind = Null
			}
			out.Items = append(out.Items, item)
		}
		return out, nil
	case t.Elem != nil:
		item, err := c.literal(v, t.Elem)
		return Value{Kind: List, Items: []Value{item}}, err
	}
	if c.open[t.NamedType] || c.types[t.NamedType] == nil {
		return c.anything(v, t)
	}
	if d := c.types[t.NamedType]; d.Kind == ast.InputObject {
		return c.object(v, t, d)
	}
	switch v.Kind {
	case ast.StringValue, ast.BlockValue:
		return c.leaf(text(v.Raw), t)
	case ast.EnumValue:
		if d := c.types[t.NamedType]; d.Kind != ast.Enum || d.EnumValues.ForName(v.Raw) == nil {
			return Value{}, wrong(t, v.Raw)
		}
		return text(v.Raw), nil
	case ast.IntValue, ast.FloatValue, ast.BooleanValue:
		return c.leaf(Value{Kind: Scalar, Raw: v.Raw}, t)
	}
	return c.anything(v, t) // a scalar of no known form, such as _Any
}

// listed makes a list of a single value that stands for one.
func (c *coercer) listed(v Value, t *ast.Type) Value {
	if t.Elem == nil || v.Kind == Absent || v.Kind == Null || v.Kind == List {
		return v
	}
	return Value{Kind: List, Items: []Value{v}}
}

// anything takes a literal for a scalar that may hold any JSON.
func (c *coercer) anything(v *ast.Value, t *ast.Type) (Value, error) {
	switch v.Kind {
	case ast.Variable:
		return c.variable(v.Raw), nil
	case ast.StringValue, ast.BlockValue:
		return text(v.Raw), nil
	case ast.IntValue, ast.FloatValue, ast.BooleanValue:
		return Value{Kind: Scalar, Raw: v.Raw}, nil
	case ast.NullValue:
		return Value{Kind: Null}, nil
	case ast.ListValue:
		out := Value{Kind: List, Items: make([]Value, 0, len(v.Children))}
		for _, child := range v.Children {
			item, err := c.anything(child.Value, t)
			if err != nil {
				return item, err
			}
			if item.Kind == Absent {
				item.Kind = Null
			}
			out.Items = append(out.Items, item)
		}
		return out, nil
	case ast.ObjectValue:
		out := Value{Kind: Object}
		for _, child := range v.Children {
			item, err := c.anything(child.Value, t)
			if err == nil {
				err = c.unset(item, child)
			}
			if err != nil {
				return item, err
			}
			out.put(child.Name, item)
		}
		return out, nil
	}
	return Value{}, wrong(t, v.Raw)
}

func (c *coercer) unset(item Value, child *ast.ChildValue) error {
	if item.Kind == Absent && c.keep {
		return fault.New(fault.InvalidFilter, "$%s has no value, and without it the condition would hold for more than was meant; give it a value, or null", child.Value.Raw)
	}
	return nil
}

func (c *coercer) object(v *ast.Value, t *ast.Type, d *ast.Definition) (Value, error) {
	if v.Kind != ast.ObjectValue {
		return Value{}, wrong(t, v.String())
	}
	out := Value{Kind: Object}
	for _, child := range v.Children {
		f := d.Fields.ForName(child.Name)
		if f == nil {
			return Value{}, fault.New(fault.InvalidRequest, "%s has no field %q", d.Name, child.Name)
		}
		item, err := c.literal(child.Value, f.Type)
		if err == nil {
			err = c.unset(item, child)
		}
		if err != nil {
			return item, err
		}
		out.put(child.Name, item)
	}
	return out, c.complete(&out, d)
}

// complete looks whether an input object has all that it must have.
func (c *coercer) complete(v *Value, d *ast.Definition) error {
	for _, f := range d.Fields {
		if f.Type.NonNull && f.DefaultValue == nil && v.Member(f.Name).Kind == Absent {
			return fault.New(fault.InvalidRequest, "%s.%s is needed", d.Name, f.Name)
		}
	}
	return nil
}

// leaf checks a scalar that the specification itself defines.
func (c *coercer) leaf(v Value, t *ast.Type) (Value, error) {
	number := v.Kind == Scalar && v.Raw != "true" && v.Raw != "false"
	switch t.NamedType {
	case "String":
		if v.Kind == Text {
			return v, nil
		}
	case "ID":
		if v.Kind == Text {
			return v, nil
		}
		if number && strings.Trim(v.Raw, "-0123456789") == "" {
			return Value{Kind: Text, Raw: v.Raw}, nil
		}
	case "Boolean":
		if v.Kind == Scalar && !number {
			return v, nil
		}
	case "Int":
		if number {
			if n, err := strconv.ParseInt(v.Raw, 10, 32); err == nil {
				return Value{Kind: Scalar, Raw: strconv.FormatInt(n, 10)}, nil
			}
			if f, err := strconv.ParseFloat(v.Raw, 64); err == nil && f == math.Trunc(f) && math.Abs(f) <= math.MaxInt32 {
				return Value{Kind: Scalar, Raw: strconv.FormatInt(int64(f), 10)}, nil
			}
		}
	case "Float":
		if number {
			return v, nil
		}
	default:
		if d := c.types[t.NamedType]; d != nil && d.Kind == ast.Enum {
			if v.Kind == Text && d.EnumValues.ForName(v.Raw) != nil {
				return v, nil
			}
			break
		}
		return v, nil
	}
	b := v.AppendJSON(nil)
	if len(b) > 60 {
		b = append(b[:60:60], "…"...)
	}
	return v, wrong(t, strings.ToValidUTF8(string(b), ""))
}

// input coerces a variable's value. Errors: INVALID_REQUEST.
func (c *coercer) input(v *fastjson.Value, t *ast.Type) (Value, error) {
	if v.Type() == fastjson.TypeNull {
		if t.NonNull {
			return Value{}, wrong(t, "null")
		}
		return Value{Kind: Null}, nil
	}
	if t.Elem != nil {
		list, err := v.Array()
		if err != nil {
			item, err := c.input(v, t.Elem)
			return Value{Kind: List, Items: []Value{item}}, err
		}
		out := Value{Kind: List, Items: make([]Value, 0, len(list))}
		for _, item := range list {
			got, err := c.input(item, t.Elem)
			if err != nil {
				return got, err
			}
			out.Items = append(out.Items, got)
		}
		return out, nil
	}
	d := c.types[t.NamedType]
	if c.open[t.NamedType] || d == nil {
		return ofJSON(v), nil
	}
	if d.Kind != ast.InputObject {
		return c.leaf(ofJSON(v), t)
	}
	obj, err := v.Object()
	if err != nil {
		return Value{}, fault.New(fault.InvalidRequest, "an object of type %s is expected", d.Name)
	}
	out := Value{Kind: Object}
	obj.Visit(func(k []byte, v *fastjson.Value) {
		if err != nil {
			return
		}
		f := d.Fields.ForName(string(k))
		if f == nil {
			err = fault.New(fault.InvalidRequest, "%s has no field %q", d.Name, string(k))
			return
		}
		var item Value
		if item, err = c.input(v, f.Type); err == nil {
			out.put(f.Name, item)
		}
	})
	if err != nil {
		return out, err
	}
	return out, c.complete(&out, d)
}
