package query

import (
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/valyala/fastjson"
)

// group reads {"_by":"status","n":{"$count":true},"total":{"$sum":"price"}}.
func (p *stageParser) group(v *fastjson.Value) *problem {
	o, err := v.Object()
	if err != nil {
		return bad("expected an object with _by and what is computed for each group")
	}
	var (
		g     GroupStage
		wrong *problem
		by    *fastjson.Value
	)
	// The key comes first in a result row, wherever it was written.
	o.Visit(func(key []byte, v *fastjson.Value) {
		if name := string(key); name == "_by" || name == "_id" {
			if by != nil && wrong == nil {
				wrong = bad("_by and _id mean the same; give one of them")
			}
			by = v
		}
	})
	if wrong != nil {
		return wrong
	}
	if by == nil {
		return bad("expected _by: the field to group by, or null for one group of everything")
	}
	if err := p.by(&g, by); err != nil {
		return err.in("_by")
	}
	o.Visit(func(key []byte, v *fastjson.Value) {
		name := string(key)
		if wrong != nil || name == "_by" || name == "_id" {
			return
		}
		if err := p.accumulate(&g, name, v); err != nil {
			wrong = err.in(segment(name))
		}
	})
	if wrong != nil {
		return wrong
	}
	if len(g.Output) == 0 {
		return bad("a group of everything needs something to compute, such as {\"n\":{\"$count\":true}}")
	}
	p.now, p.out = g.Output, append(p.out, g)
	p.grouped, p.key, p.fewRows = true, nil, g.By == nil
	if g.By != nil {
		p.key = g.Output[0]
	}
	return nil
}

func (p *stageParser) by(g *GroupStage, v *fastjson.Value) *problem {
	if v.Type() == fastjson.TypeNull {
		return nil
	}
	c, err := p.field(v)
	if err != nil {
		return err
	}
	if !Ordered(c) {
		return bad("rows can't be grouped by a field of this type")
	}
	key := *c
	key.Index, key.Physical = 0, resultName(0)
	g.By, g.Output = c, []*schema.Column{&key}
	return nil
}

// field reads a member's name, with or without a leading $.
func (p *stageParser) field(v *fastjson.Value) (*schema.Column, *problem) {
	text, err := v.StringBytes()
	if err != nil {
		return nil, bad("expected a field name")
	}
	return p.column(strings.TrimPrefix(string(text), "$"))
}

var accumulatorOps = map[string]AccumulatorOp{
	"$sum": Sum, "$count": Count, "$avg": Avg, "$min": Min, "$max": Max,
}

func (p *stageParser) accumulate(g *GroupStage, name string, v *fastjson.Value) *problem {
	if err := outputName(name); err != nil {
		return err
	}
	if len(g.Output) == p.scope.Limits.Outputs {
		return bad("a result row has at most %d members", p.scope.Limits.Outputs)
	}
	for _, c := range g.Output {
		if strings.EqualFold(c.Name, name) {
			return bad("the result has a member %s already", clip(c.Name))
		}
	}
	o, err := v.Object()
	if err != nil || o.Len() != 1 {
		return bad("expected one accumulator, such as {\"$sum\":\"price\"}")
	}
	var (
		acc   Accumulator
		typ   schema.Type
		wrong *problem
	)
	o.Visit(func(key []byte, v *fastjson.Value) {
		op := string(key)
		if acc, typ, wrong = p.accumulator(op, v); wrong != nil {
			wrong = wrong.in(segment(op))
		}
	})
	if wrong != nil {
		return wrong
	}
	g.Accumulators = append(g.Accumulators, acc)
	g.Output = append(g.Output, resultColumn(name, typ, len(g.Output)))
	return nil
}

// accumulator reads one accumulator and tells its result's type: an exact sum
// keeps its type, an average is a number, the least and the greatest are what
// they are taken from.
func (p *stageParser) accumulator(name string, v *fastjson.Value) (acc Accumulator, typ schema.Type, err *problem) {
	op, ok := accumulatorOps[name]
	if !ok {
		return acc, 0, bad("unknown accumulator; there are $sum, $count, $avg, $min and $max")
	}
	acc.Op = op
	if op == Count {
		// Mongo's clients write {"$count":{}}.
		if t := v.Type(); t != fastjson.TypeTrue && !(t == fastjson.TypeObject && v.GetObject().Len() == 0) {
			return acc, 0, bad("expected true")
		}
		return acc, schema.Integer, nil
	}
	if op == Sum && v.Type() == fastjson.TypeNumber {
		f, ferr := v.Float64()
		if ferr != nil || f-f != 0 { // infinite
			return acc, 0, bad("the number is out of range")
		}
		acc.Constant = schema.FloatOf(f).Float() // zero without a sign
		return acc, schema.Number, nil
	}
	c, err := p.field(v)
	if err != nil {
		return acc, 0, err
	}
	acc.Column = c
	switch {
	case op == Min || op == Max:
		if !Ordered(c) {
			return acc, 0, bad("a field of this type has no order")
		}
		return acc, c.Type, nil
	case !numeric(c):
		return acc, 0, bad("only numbers have a sum or an average")
	case op == Sum && c.Type != schema.Float:
		return acc, c.Type, nil
	}
	return acc, schema.Number, nil
}

func numeric(c *schema.Column) bool {
	switch c.Type {
	case schema.Number, schema.Integer, schema.Decimal, schema.Float:
		return true
	}
	return false
}

// outputName checks a name that a caller gives to a result member.
func outputName(name string) *problem {
	ok := name != "" && len(name) <= 64
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && (c >= '0' && c <= '9' || c == '_')
	}
	if !ok {
		return bad("a name begins with a letter and has up to 64 letters, digits and underscores")
	}
	return nil
}

// resultColumn makes a member of a result row. Its physical name is its place:
// no text of the caller reaches a statement, and names that differ in case only
// cannot meet there.
func resultColumn(name string, typ schema.Type, index int) *schema.Column {
	return &schema.Column{Name: name, Physical: resultName(index), Type: typ, Index: index}
}

func resultName(index int) string { return "o" + strconv.Itoa(index) }
