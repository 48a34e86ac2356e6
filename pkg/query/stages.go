package query

import (
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/valyala/fastjson"
)

// ParseStages reads an aggregation: an array of objects with one stage each, of
// $match, $group, $sort, $limit, $skip, $project and $count, which keep their
// order. Every stage sees the members that the one before it leaves. Where
// holds what Visible adds. The result is bounded by Limits.MaxPage rows.
// Errors: MISSING_STAGES for no stage, INVALID_FILTER.
func ParseStages(s Scope, v *fastjson.Value) (*Aggregate, error) {
	if v == nil || v.Type() == fastjson.TypeNull || v.Type() == fastjson.TypeArray && len(v.GetArray()) == 0 {
		return nil, fault.New(fault.MissingStages, "aggregate needs stages: an array such as [{\"$group\":{\"_by\":\"status\",\"n\":{\"$count\":true}}}]")
	}
	s.Limits = s.Limits.OrDefault()
	p := stageParser{scope: &s}
	for _, c := range s.Entity.Columns {
		if s.readable(c) {
			p.now = append(p.now, c)
		}
	}
	if err := p.parse(v); err != nil {
		return nil, err.in("stages").fault()
	}
	if !p.fewRows {
		p.out = append(p.out, LimitStage(s.Limits.MaxPage))
	}
	return &Aggregate{Entity: s.Entity, Where: p.visible(), Stages: p.out, Output: p.now}, nil
}

type stageParser struct {
	scope *Scope
	now   []*schema.Column // what the next stage can name
	out   []Stage
	// grouped tells that rows are no records any more; key is then the column
	// that tells them apart, if there is one.
	grouped bool
	key     *schema.Column
	fewRows bool // at most MaxPage rows leave the last stage
	nodes   int  // conditions so far: all $match stages share the limits
	list    int
	matched Expr // the conditions on records
}

// visible is what holds for the records before the first stage. The conditions
// of $match before any $group may name deletedAt.
func (p *stageParser) visible() Expr {
	s := *p.scope
	for _, c := range s.Entity.Columns {
		if c.Role == schema.RoleDeletedAt && Names(p.matched, c) {
			s.IncludeDeleted = true
		}
	}
	return Visible(s, nil)
}

func (p *stageParser) parse(v *fastjson.Value) *problem {
	if v.Type() != fastjson.TypeArray {
		return bad("expected an array of stages")
	}
	list := v.GetArray()
	if len(list) > p.scope.Limits.Stages {
		return bad("an aggregation has at most %d stages", p.scope.Limits.Stages)
	}
	for i, m := range list {
		o, err := m.Object()
		if err != nil || o.Len() != 1 {
			return bad("expected an object with one stage").at(i)
		}
		var wrong *problem
		o.Visit(func(key []byte, v *fastjson.Value) {
			name := string(key)
			if wrong = p.stage(name, v); wrong != nil {
				wrong = wrong.in(segment(name))
			}
		})
		if wrong != nil {
			return wrong.at(i)
		}
	}
	return nil
}

func (p *stageParser) stage(name string, v *fastjson.Value) *problem {
	switch name {
	case "$match":
		return p.match(v)
	case "$group":
		return p.group(v)
	case "$sort":
		return p.sort(v)
	case "$project":
		return p.project(v)
	case "$count":
		return p.count(v)
	case "$limit":
		n, err := count(v, -1, p.scope.Limits.MaxPage)
		if err != nil || n < 1 {
			return bad("expected an integer from 1 to %d", p.scope.Limits.MaxPage)
		}
		p.out, p.fewRows = append(p.out, LimitStage(n)), true
		return nil
	case "$skip":
		n, err := count(v, -1, 1<<31-1)
		if err != nil || n < 0 {
			return bad("expected an integer from 0")
		}
		if n > 0 {
			p.out = append(p.out, SkipStage(n))
		}
		return nil
	}
	return bad("unknown stage; there are $match, $group, $sort, $limit, $skip, $project and $count")
}

// column finds a member of the rows as they are now, by the same rules as Scope.
func (p *stageParser) column(name string) (*schema.Column, *problem) {
	for _, c := range p.now {
		if c.Name == name {
			return c, nil
		}
	}
	if !p.grouped {
		if _, err := p.scope.column(name); err != nil {
			return nil, err
		}
	}
	return nil, bad("the stages before this one leave no member %s", clip(name))
}

func (p *stageParser) match(v *fastjson.Value) *problem {
	f := newFilterParser(p.column, p.scope.Limits)
	f.nodes, f.list = p.nodes, p.list
	e, err := f.filter(v, 1)
	if err != nil {
		return err
	}
	p.nodes, p.list = f.nodes, f.list
	if e = Simplify(e); e == nil {
		return nil
	}
	if !p.grouped {
		p.matched = Join(p.matched, e)
	}
	p.out = append(p.out, FilterStage{Where: e})
	return nil
}

// sort ends the order with what tells the rows apart, where that is still among
// their members, so that $limit takes the same rows on every database.
func (p *stageParser) sort(v *fastjson.Value) *problem {
	s := sortParser{column: p.column}
	if err := s.parse(v); err != nil {
		return err
	}
	if len(s.order) == 0 {
		return bad("expected an object such as {\"name\":1}")
	}
	last := p.key
	if !p.grouped {
		last = idColumn(p.scope.Entity)
	}
	for i, o := range s.order {
		if o.Column == last {
			p.out = append(p.out, SortStage(s.order[:i+1]))
			return nil
		}
	}
	for _, c := range p.now {
		if c == last {
			s.order = append(s.order, Order{Column: c, Desc: len(s.order) > 0 && s.order[len(s.order)-1].Desc})
		}
	}
	p.out = append(p.out, SortStage(s.order))
	return nil
}

// project reads {"a":1,"b":1} or ["a","b"], what is kept, in this order, or
// {"a":0}, what is left out.
func (p *stageParser) project(v *fastjson.Value) *problem {
	var keep, drop []*schema.Column
	add := func(list *[]*schema.Column, name string) *problem {
		c, err := p.column(name)
		if err != nil {
			return err
		}
		for _, have := range *list {
			if have == c {
				return bad("the field is named twice")
			}
		}
		*list = append(*list, c)
		return nil
	}
	switch v.Type() {
	case fastjson.TypeArray:
		for i, m := range v.GetArray() {
			text, err := m.StringBytes()
			if err != nil {
				return bad("expected a field name").at(i)
			}
			if err := add(&keep, string(text)); err != nil {
				return err.at(i)
			}
		}
	case fastjson.TypeObject:
		var wrong *problem
		v.GetObject().Visit(func(key []byte, v *fastjson.Value) {
			if wrong != nil {
				return
			}
			name := string(key)
			switch v.String() {
			case "1", "true":
				wrong = add(&keep, name)
			case "0", "false":
				wrong = add(&drop, name)
			default:
				wrong = bad("expected 1 (keep) or 0 (leave out)")
			}
			if wrong != nil {
				wrong = wrong.in(segment(name))
			}
		})
		if wrong != nil {
			return wrong
		}
	}
	if (keep == nil) == (drop == nil) {
		return bad("expected fields to keep, or fields to leave out")
	}
	if drop != nil {
		for _, c := range p.now {
			if !containsColumn(drop, c) {
				keep = append(keep, c)
			}
		}
		if keep == nil {
			return bad("nothing is left")
		}
	}
	p.now = keep
	p.out = append(p.out, ProjectStage(keep))
	return nil
}

func containsColumn(list []*schema.Column, c *schema.Column) bool {
	for _, x := range list {
		if x == c {
			return true
		}
	}
	return false
}

// count reads the name of the one member that is left: the number of rows.
func (p *stageParser) count(v *fastjson.Value) *problem {
	text, err := v.StringBytes()
	if err != nil {
		return bad("expected a name for the number, such as \"total\"")
	}
	if err := outputName(string(text)); err != nil {
		return err
	}
	c := resultColumn(string(text), schema.Integer, 0)
	p.now, p.out = []*schema.Column{c}, append(p.out, CountStage{Output: c})
	p.grouped, p.key, p.fewRows = true, nil, true
	return nil
}
