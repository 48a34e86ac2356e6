package translate

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
)

// stage is one stage of an aggregation, text or a condition.
type stage struct {
	text string
	cond Cond
}

// apply translates $apply, and what the other options ask of its result:
// $filter, $orderby, $skip and $top come behind it, in this order.
func (t *Translator) apply(r *Read, o *parse.Options, it *metadata.Type) error {
	if o.Search != nil || o.Expand != nil {
		return unsupported("$apply goes with $filter, $orderby, $skip, $top, $count and $select alone")
	}
	if o.Count && (o.Top >= 0 || o.Skip >= 0) {
		return unsupported("with $apply, $count=true counts the rows of the reply: leave $top and $skip out, or end $apply with aggregate($count as n)")
	}
	p := &pipeline{t: t, it: it}
	for _, x := range o.Apply {
		if err := p.step(x); err != nil {
			return err
		}
	}
	if o.Filter != nil {
		if err := p.filter(o.Filter); err != nil {
			return err
		}
	}
	if o.OrderBy != nil {
		if err := p.order(o.OrderBy); err != nil {
			return err
		}
	}
	if o.Skip > 0 {
		p.text(`{"$skip":` + strconv.FormatInt(o.Skip, 10) + `}`)
	}
	if o.Top > 0 {
		p.text(`{"$limit":` + strconv.FormatInt(o.Top, 10) + `}`)
	}
	if err := p.project(o.Select); err != nil {
		return err
	}
	r.Stages = p.append
	r.Where, r.Top, r.Skip = nil, -1, -1
	if o.Top == 0 {
		p.stages = append([]stage{{cond: never}}, p.stages...)
	}
	return nil
}

type pipeline struct {
	t       *Translator
	it      *metadata.Type // what names mean; of a result of groupby nothing is known
	stages  []stage
	grouped bool
}

func (p *pipeline) text(s string) { p.stages = append(p.stages, stage{text: s}) }

func (p *pipeline) append(dst []byte, ask Ask) ([]byte, error) {
	dst = append(dst, '[')
	for i, s := range p.stages {
		if i > 0 {
			dst = append(dst, ',')
		}
		if s.cond == nil {
			dst = append(dst, s.text...)
			continue
		}
		var err error
		if dst, err = s.cond.Append(append(dst, `{"$match":`...), ask); err != nil {
			return dst, err
		}
		dst = append(dst, '}')
	}
	if len(p.stages) == 0 { // identity
		dst = append(dst, `{"$skip":0}`...)
	}
	return append(dst, ']'), nil
}

func (p *pipeline) step(x parse.Transformation) error {
	switch x.Name {
	case "identity":
		return nil
	case "filter":
		return p.filter(x.Filter)
	case "aggregate":
		return p.group(place{}, x.Aggregate)
	case "groupby":
		return p.groupBy(x)
	case "orderby":
		return p.order(x.Order)
	case "top":
		if x.N == 0 {
			p.stages = append(p.stages, stage{cond: never})
			return nil
		}
		p.text(`{"$limit":` + strconv.FormatInt(x.N, 10) + `}`)
		return nil
	case "skip":
		p.text(`{"$skip":` + strconv.FormatInt(x.N, 10) + `}`)
		return nil
	case "topcount", "bottomcount":
		return p.most(x)
	case "search":
		if p.grouped {
			return unsupported("search stands before groupby and aggregate")
		}
		text, c, err := p.t.Search(x.Search, p.it)
		if err == nil && c == nil {
			_, c, err = p.t.Search(&parse.SearchAnd{Left: parse.Term(text), Right: parse.Term(text)}, p.it)
		}
		p.stages = append(p.stages, stage{cond: c})
		return err
	}
	return unsupported("the transformation %s can't be asked", x.Name)
}

func (p *pipeline) filter(x parse.Expr) error {
	c, err := p.t.Filter(x, p.it)
	if err == nil {
		p.stages = append(p.stages, stage{cond: c})
	}
	return err
}

func (p *pipeline) order(list []parse.Order) error {
	text, err := p.t.sort(list, p.it)
	if err == nil {
		p.text(`{"$sort":` + text + `}`)
	}
	return err
}

// most translates topcount(n,property) and bottomcount.
func (p *pipeline) most(x parse.Transformation) error {
	n, ok := small(x.Args[0])
	if !ok || n == 0 {
		return unsupported("%s takes a constant number from 1 to %d", x.Name, maxRepeat)
	}
	if err := p.order([]parse.Order{{By: x.Args[1], Desc: x.Name == "topcount"}}); err != nil {
		return err
	}
	p.text(`{"$limit":` + strconv.Itoa(n) + `}`)
	return nil
}

func (p *pipeline) groupBy(x parse.Transformation) error {
	if len(x.By) != 1 {
		return unsupported("groupby takes one property")
	}
	at, err := p.t.steps(p.it, x.By[0])
	if err != nil {
		return err
	}
	if len(at.via) > 0 {
		return unsupported("records can't be grouped by a property of another record")
	}
	inner := x.Within
	if len(inner) == 0 {
		return p.group(at, nil)
	}
	if len(inner) > 1 || inner[0].Name != "aggregate" {
		return unsupported("groupby takes one transformation, aggregate")
	}
	return p.group(at, inner[0].Aggregate)
}

var accumulators = map[string]string{"sum": "$sum", "min": "$min", "max": "$max", "average": "$avg"}

// group makes a $group stage; by is zero for one group of everything.
func (p *pipeline) group(by place, list []parse.Aggregate) error {
	if p.grouped {
		return unsupported("only one groupby or aggregate can be asked")
	}
	b := []byte(`{"$group":{"_by":`)
	if by.name == "" {
		b = append(b, "null"...)
	} else {
		b = schema.AppendString(b, by.name)
	}
	for _, a := range list {
		b = append(schema.AppendString(append(b, ','), a.As), ':')
		if a.X == nil && !a.From {
			b = append(b, `{"$count":true}`...)
			continue
		}
		op := accumulators[a.With]
		if _, ok := a.X.(*parse.Name); !ok || op == "" || a.From {
			return unsupported("aggregate takes $count, and sum, min, max and average of a property")
		}
		at, err := p.t.path(a.X, scope{it: p.it})
		if err != nil {
			return err
		}
		if len(at.via) > 0 {
			return unsupported("a property of another record can't be aggregated")
		}
		b = append(append(append(b, `{"`...), op...), `":`...)
		b = append(schema.AppendString(b, at.name), '}')
	}
	p.text(string(append(b, '}', '}')))
	p.grouped = true
	// What follows names the result's members: only the key keeps its type.
	p.it = p.it.Only(by.prop)
	return nil
}

func (p *pipeline) project(list []parse.SelectItem) error {
	if len(list) == 0 || list[0].Path[0] == "*" {
		return nil
	}
	b := []byte(`{"$project":[`)
	for i, s := range list {
		if len(s.Path) > 1 || s.Options != nil {
			return unsupported("$select names members of the result")
		}
		if i > 0 {
			b = append(b, ',')
		}
		name := s.Path[0]
		if prop := p.it.Property(name); prop != nil {
			name = prop.Column.Name
		}
		b = schema.AppendString(b, name)
	}
	p.text(string(append(b, ']', '}')))
	return nil
}
