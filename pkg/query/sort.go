package query

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/valyala/fastjson"
)

// ParseSort reads an order: {"name":1,"age":-1} in the order of its keys, the
// text "name,-age", or an array of such texts and objects. 1 and "asc" mean
// upwards, -1 and "desc" downwards. What comes after id decides nothing and is
// left out; where id is absent it is put last, so that every order is total.
// Errors: INVALID_FILTER.
func ParseSort(s Scope, v *fastjson.Value) ([]Order, error) {
	p := sortParser{column: s.column}
	if err := p.parse(v); err != nil {
		return nil, err.in("sort").fault()
	}
	return s.total(p.order), nil
}

// total ends an order with id, in the direction of the key before it: then one
// walk along an index gives the order, forwards or backwards.
func (s *Scope) total(order []Order) []Order {
	id := idColumn(s.Entity)
	for i, o := range order {
		if o.Column == id {
			return order[:i+1]
		}
	}
	return append(order, Order{Column: id, Desc: len(order) > 0 && order[len(order)-1].Desc})
}

func idColumn(e *schema.Entity) *schema.Column {
	for _, c := range e.Columns {
		if c.Role == schema.RoleID {
			return c
		}
	}
	return nil
}

type sortParser struct {
	column func(string) (*schema.Column, *problem)
	order  []Order
}

func (p *sortParser) parse(v *fastjson.Value) *problem {
	if v == nil {
		return nil
	}
	switch v.Type() {
	case fastjson.TypeNull:
		return nil
	case fastjson.TypeString:
		return p.text(string(v.GetStringBytes()))
	case fastjson.TypeObject:
		return p.object(v)
	case fastjson.TypeArray:
		for i, m := range v.GetArray() {
			var err *problem
			switch m.Type() {
			case fastjson.TypeString:
				err = p.text(string(m.GetStringBytes()))
			case fastjson.TypeObject:
				err = p.object(m)
			default:
				err = bad("expected a field name, \"-\" before it for downwards, or an object")
			}
			if err != nil {
				return err.at(i)
			}
		}
		return nil
	}
	return bad("expected an object such as {\"name\":1,\"age\":-1} or a text such as \"name,-age\"")
}

func (p *sortParser) object(v *fastjson.Value) (wrong *problem) {
	v.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		if wrong != nil {
			return
		}
		name := string(key)
		desc, err := direction(v)
		if err == nil {
			err = p.add(name, desc)
		}
		if err != nil {
			wrong = err.in(segment(name))
		}
	})
	return wrong
}

func direction(v *fastjson.Value) (desc bool, err *problem) {
	switch v.Type() {
	case fastjson.TypeNumber:
		switch n, _ := v.Float64(); n {
		case 1:
			return false, nil
		case -1:
			return true, nil
		}
	case fastjson.TypeString:
		switch string(v.GetStringBytes()) {
		case "asc":
			return false, nil
		case "desc":
			return true, nil
		}
	}
	return false, bad("expected 1 (upwards) or -1 (downwards)")
}

func (p *sortParser) text(text string) *problem {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, desc := strings.TrimSpace(part), false
		if strings.HasPrefix(name, "-") {
			name, desc = name[1:], true
		} else {
			name = strings.TrimPrefix(name, "+")
		}
		if err := p.add(name, desc); err != nil {
			return err.in(segment(name))
		}
	}
	return nil
}

func (p *sortParser) add(name string, desc bool) *problem {
	c, err := p.column(name)
	if err != nil {
		return err
	}
	if !Ordered(c) {
		return bad("a field of this type has no order")
	}
	for _, o := range p.order {
		if o.Column == c {
			return bad("the field is named twice")
		}
	}
	if len(p.order) == maxSortKeys {
		return bad("an order has at most %d fields", maxSortKeys)
	}
	p.order = append(p.order, Order{Column: c, Desc: desc})
	return nil
}
