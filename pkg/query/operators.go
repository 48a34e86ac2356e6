package query

import (
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/valyala/fastjson"
)

// operators reads {"$gte": 1, "$lt": 9}: all of them hold.
func (p *filterParser) operators(c *schema.Column, v *fastjson.Value) (Expr, *problem) {
	o := v.GetObject()
	if o.Len() == 0 {
		return nil, bad("expected a value or an operator such as {\"$eq\":…}")
	}
	var (
		all         And
		wrong       *problem
		regex       *fastjson.Value
		regexFlags  *fastjson.Value
		takeOperand = func(name string, v *fastjson.Value) *problem {
			e, err := p.operator(c, name, v)
			if err == nil && e != nil {
				all = append(all, e)
			}
			return err
		}
	)
	o.Visit(func(key []byte, v *fastjson.Value) {
		if wrong != nil {
			return
		}
		switch name := view(key); name {
		case "$regex":
			regex = v
		case "$regexFlags":
			regexFlags = v
		default:
			if err := takeOperand(name, v); err != nil {
				wrong = err.in(segment(name))
			}
		}
	})
	if wrong == nil && (regex != nil || regexFlags != nil) {
		var e Expr
		if e, wrong = p.regex(c, regex, regexFlags); wrong == nil {
			all = append(all, e)
		}
	}
	if wrong != nil {
		return nil, wrong
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

// compareOps are the operators that compare with one value.
var compareOps = map[string]CompareOp{
	"$eq": Eq, "$ne": Ne, "$lt": Lt, "$lte": Lte, "$gt": Gt, "$gte": Gte,
}

func (p *filterParser) operator(c *schema.Column, name string, v *fastjson.Value) (Expr, *problem) {
	if op, ok := compareOps[name]; ok {
		return p.compare(c, op, v)
	}
	switch name {
	case "$in", "$nin":
		return p.in(c, v, name == "$nin")
	case "$exists":
		if err := p.node(); err != nil {
			return nil, err
		}
		there, err := v.Bool()
		if err != nil {
			return nil, bad("expected true or false")
		}
		return exists(c, there), nil
	case "$not":
		if v.Type() != fastjson.TypeObject {
			return nil, bad("expected an object of operators")
		}
		if err := p.node(); err != nil {
			return nil, err
		}
		// An object of operators nests in $not alone, so that the nodes bound
		// the depth too.
		e, err := p.operators(c, v)
		return Not{e}, err
	}
	return nil, bad("unknown operator; behind a field there are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $regex, $regexFlags, $exists and $not")
}

func exists(c *schema.Column, there bool) Expr {
	if there {
		return Compare{Column: c, Op: Ne}
	}
	return Compare{Column: c, Op: Eq}
}

func (p *filterParser) compare(c *schema.Column, op CompareOp, v *fastjson.Value) (Expr, *problem) {
	if err := p.node(); err != nil {
		return nil, err
	}
	value, err := decode(c, v)
	if err != nil {
		return nil, err
	}
	return compareWith(c, op, value)
}

func compareWith(c *schema.Column, op CompareOp, value schema.Value) (Expr, *problem) {
	if op > Ne {
		if value.IsNull() {
			return nil, bad("null has no place in an order; ask for it with $eq, $ne or $exists")
		}
		if !Ordered(c) {
			return nil, bad("a field of this type has no order; it takes $eq, $ne, $in, $nin and $exists")
		}
	}
	return Compare{Column: c, Op: op, Value: value}, nil
}

// Ordered reports whether values of the column have an order that a filter, a
// sort, a group or $min and $max can use. JSON, array and binary columns have
// none: they are equal or not.
func Ordered(c *schema.Column) bool {
	return c.Type != schema.JSON && c.Type != schema.Array && c.Type != schema.Binary
}

// Textual reports whether $regex and search can look into the column.
func Textual(c *schema.Column) bool {
	switch c.Type {
	case schema.String, schema.Text, schema.Enum, schema.ObjectID:
		return true
	}
	return false
}

// decode reads one operand as a value of the column's kind.
func decode(c *schema.Column, v *fastjson.Value) (schema.Value, *problem) {
	value, err := c.Decode(v)
	if err != nil {
		return schema.Null, because(err)
	}
	return value, nil
}

func (p *filterParser) in(c *schema.Column, v *fastjson.Value, negate bool) (Expr, *problem) {
	if err := p.node(); err != nil {
		return nil, err
	}
	list, err := v.Array()
	if err != nil {
		return nil, bad("expected an array of values")
	}
	if p.list += len(list); p.list > p.limits.List {
		return nil, bad("the lists of a filter have at most %d members together", p.limits.List)
	}
	values := make([]schema.Value, 0, len(list))
	for i, m := range list {
		value, err := decode(c, m)
		if err != nil {
			return nil, err.at(i)
		}
		values = append(values, value)
	}
	return In{Column: c, Values: values, Negate: negate}, nil
}

func (p *filterParser) regex(c *schema.Column, v, flags *fastjson.Value) (Expr, *problem) {
	if v == nil {
		return nil, bad("there is no $regex for it").in("$regexFlags")
	}
	fold := false
	if flags != nil {
		text, err := flags.StringBytes()
		if err != nil || len(text) > 0 && string(text) != "i" {
			return nil, bad("expected \"i\" (ignore case) or \"\"").in("$regexFlags")
		}
		fold = len(text) > 0
	}
	text, err := v.StringBytes()
	if err != nil {
		return nil, bad("expected a pattern as text").in("$regex")
	}
	e, wrong := p.pattern(c, string(text), fold)
	if wrong != nil {
		return nil, wrong.in("$regex")
	}
	return e, nil
}

func (p *filterParser) pattern(c *schema.Column, source string, fold bool) (Expr, *problem) {
	if err := p.node(); err != nil {
		return nil, err
	}
	if !Textual(c) {
		return nil, bad("only text can be matched with a pattern")
	}
	if len(source) > p.limits.Pattern {
		return nil, bad("a pattern has at most %d bytes", p.limits.Pattern)
	}
	pattern, err := CompilePattern(source, fold)
	if err != nil {
		return nil, because(err)
	}
	return Regex{Column: c, Pattern: pattern}, nil
}
