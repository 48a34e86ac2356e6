package translate

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
)

// Read is a question for records of one type.
type Read struct {
	Type  *metadata.Type
	Where Cond   // nil = every record
	Text  string // what $search looks for; "" = no op search
	// Sort is a JSON object, or a text for one property upwards; "" for none.
	Sort string
	// Select is the properties that were asked for; nil = all.
	Select []string
	Expand []*Expand
	// Top and Skip are -1 where absent.
	Top, Skip int64
	Count     bool
	// Stages is the aggregation that $apply asks for, a JSON array; then nothing
	// of the above is set but Type and Count.
	Stages func(dst []byte, ask Ask) ([]byte, error)
}

// Expand is a navigation property that is to be filled in.
type Expand struct {
	Name  string
	Nav   *metadata.Navigation // nil if it is not known
	Read  *Read
	Ref   bool // only the addresses
	Count bool // only how many
}

// Own reports whether the expansion needs questions of its own: the worker fills
// relations in whole and in the order of their ids.
func (e *Expand) Own() bool {
	r := e.Read
	if r.Where != nil || r.Text != "" || r.Sort != "" || r.Top >= 0 || r.Skip >= 0 || r.Count || e.Count {
		return true
	}
	for _, x := range r.Expand {
		if x.Own() {
			return true
		}
	}
	return false
}

// Relations appends the relations that the worker itself is to fill in, as paths
// with dots.
func (r *Read) Relations(dst []string, prefix string) []string {
	for _, x := range r.Expand {
		if x.Own() {
			continue
		}
		dst = x.Read.Relations(append(dst, prefix+x.Name), prefix+x.Name+".")
	}
	return dst
}

// maxExpand is how deep expansions may be nested, as in the worker.
const maxExpand = 5

// Read translates the options of a request for records of a type.
// Errors: INVALID_FILTER, UNSUPPORTED.
func (t *Translator) Read(o *parse.Options, it *metadata.Type) (*Read, error) {
	if t.Aliases == nil {
		t.Aliases = o.Aliases
	}
	return t.read(o, it, 0)
}

func (t *Translator) read(o *parse.Options, it *metadata.Type, depth int) (*Read, error) {
	r := &Read{Type: it, Top: o.Top, Skip: o.Skip, Count: o.Count}
	var err error
	if o.Given&parse.GivenCompute != 0 {
		return nil, unsupported("$compute can't be asked: no database of ours computes with properties")
	}
	if o.Given&parse.GivenApply != 0 {
		return r, t.apply(r, o, it)
	}
	if o.Filter != nil {
		if r.Where, err = t.Filter(o.Filter, it); err != nil {
			return nil, err
		}
	}
	if o.Search != nil {
		var c Cond
		if r.Text, c, err = t.Search(o.Search, it); err != nil {
			return nil, err
		}
		if c != nil {
			r.Where = join(r.Where, c)
		}
	}
	if r.Sort, err = t.sort(o.OrderBy, it); err != nil {
		return nil, err
	}
	if err = r.selects(o.Select); err != nil {
		return nil, err
	}
	for _, e := range o.Expand {
		if err = t.expand(r, e, depth+1); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func join(a, b Cond) Cond {
	if a == nil {
		return b
	}
	return and(a, b)
}

// Narrow adds a condition to what is asked.
func (r *Read) Narrow(c Cond) { r.Where = join(r.Where, c) }

// Equal is the condition that a member of records has a value, or for a list of
// them, that it has one of these.
func Equal(name, value string) Cond {
	if strings.HasPrefix(value, "[") {
		return is(name, "$in", value)
	}
	return is(name, "$eq", value)
}

// sort translates $orderby.
func (t *Translator) sort(list []parse.Order, it *metadata.Type) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	b, seen, first := []byte{'{'}, map[string]bool{}, ""
	for i, o := range list {
		if _, ok := o.By.(*parse.Name); !ok {
			return "", unsupported("records can be ordered by properties, not by what is computed of them")
		}
		at, err := t.path(o.By, scope{it: it})
		if err != nil {
			return "", err
		}
		if len(at.via) > 0 {
			return "", unsupported("records can't be ordered by a property of another record")
		}
		if seen[at.name] {
			return "", invalid("$orderby names %s twice", at.name)
		}
		seen[at.name], first = true, at.name
		if i > 0 {
			b = append(b, ',')
		}
		b = append(schema.AppendString(b, at.name), ':')
		if o.Desc {
			b = append(b, "-1"...)
		} else {
			b = append(b, '1')
		}
	}
	if len(list) == 1 && !list[0].Desc {
		return string(schema.AppendString(nil, first)), nil
	}
	return string(append(b, '}')), nil
}

// selects takes the names of $select. What is within a property comes with it.
func (r *Read) selects(list []parse.SelectItem) error {
	names := make([]string, 0, len(list))
	for _, s := range list {
		name := s.Path[0]
		switch {
		case name == "*":
			r.Select = nil
			return nil
		case strings.Contains(name, ".") || strings.HasPrefix(name, "@"):
			continue // operations and annotations: there is nothing of them to show
		case s.Options != nil:
			return unsupported("$select takes no options in parentheses")
		}
		names = append(names, name)
	}
	if len(names) > 0 {
		r.Select = names
	}
	return nil
}

// Members are the members of records that show what was selected and expanded;
// nil = all.
func (r *Read) Members() []string {
	if r.Select == nil {
		return nil
	}
	out := make([]string, 0, len(r.Select)+len(r.Expand))
	add := func(name string) {
		for _, have := range out {
			if have == name {
				return
			}
		}
		out = append(out, name)
	}
	for _, name := range r.Select {
		if p := r.Type.Property(name); p != nil {
			name = p.Column.Name
		} else if n := r.Type.Navigation(name); n != nil {
			continue // a link, which minimal metadata leaves out
		}
		add(name)
	}
	for _, x := range r.Expand {
		if x.Nav != nil && !(x.Own() && x.Nav.Many && x.Nav.Relation.Inverse != nil) {
			add(x.Name)
		}
	}
	if len(out) == 0 {
		return []string{"id"}
	}
	return out
}

func (t *Translator) expand(r *Read, e parse.ExpandItem, depth int) error {
	if depth > maxExpand {
		return invalid("expansions are nested at most %d deep", maxExpand)
	}
	name := e.Path[0]
	if name == "*" {
		for _, n := range r.Type.Navigations {
			item := parse.ExpandItem{Path: []string{n.Name}, Ref: e.Ref}
			if e.Options != nil {
				levels := *e.Options
				item.Options = &levels
			}
			if r.expanded(n.Name) == nil {
				if err := t.expand(r, item, depth); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if len(e.Path) > 1 || name == "$value" || strings.ContainsAny(name, ".@") {
		return unsupported("$expand names navigation properties alone; nest them as a($expand=b)")
	}
	if r.expanded(name) != nil {
		return invalid("$expand names %s twice", name)
	}
	x := &Expand{Name: name, Nav: r.Type.Navigation(name), Ref: e.Ref, Count: e.Count}
	r.Expand = append(r.Expand, x)
	options := e.Options
	if options == nil {
		options = &parse.Options{Top: -1, Skip: -1}
	}
	target := metadata.Unknown(name)
	if x.Nav != nil {
		target = x.Nav.Target
	}
	var err error
	if x.Read, err = t.read(options, target, depth); err != nil {
		return err
	}
	if x.Read.Stages != nil {
		return unsupported("$apply can't be asked within $expand")
	}
	if x.Own() && x.Nav == nil {
		return invalid("%s has no navigation property %s", r.Type.Name, name)
	}
	if x.Nav != nil && !x.Nav.Many && (x.Read.Top >= 0 || x.Read.Skip >= 0 || x.Read.Sort != "" || x.Read.Count || x.Count) {
		return invalid("%s is one record: it has no order, pages or count", name)
	}
	return t.levels(x, options, target, depth)
}

// levels repeats an expansion in itself.
func (t *Translator) levels(x *Expand, o *parse.Options, target *metadata.Type, depth int) error {
	n := o.Levels
	if n < 0 {
		n = maxExpand - depth + 1
	}
	if n <= 1 || target.Navigation(x.Name) == nil || x.Read.expanded(x.Name) != nil {
		return nil
	}
	again := *o
	again.Levels = n - 1
	return t.expand(x.Read, parse.ExpandItem{Path: []string{x.Name}, Options: &again}, depth+1)
}

func (r *Read) expanded(name string) *Expand {
	for _, x := range r.Expand {
		if x.Name == name {
			return x
		}
	}
	return nil
}

// And joins two conditions.
func And(a, b Cond) Cond { return and(a, b) }
