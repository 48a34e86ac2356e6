package plan

import (
	"slices"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
)

// object is a request object while it is written.
type object struct {
	b     []byte
	start int
}

func newObject(dst []byte) object {
	dst = append(dst, '{')
	return object{dst, len(dst)}
}

func (o *object) key(name string) {
	if len(o.b) > o.start {
		o.b = append(o.b, ',')
	}
	o.b = append(append(append(o.b, '"'), name...), '"', ':')
}

func (o *object) texts(name string, list []string) {
	o.key(name)
	o.b = append(o.b, '[')
	for i, s := range list {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = schema.AppendString(o.b, s)
	}
	o.b = append(o.b, ']')
}

// Names of one thing, of which a field takes one.
var (
	errSorts  = fault.New(fault.InvalidRequest, "sort and orderBy say the same: give one")
	errLimits = fault.New(fault.InvalidRequest, "first and limit say the same: give one")
)

// Args appends the request object of a root field's call. Its tail is open: the
// closing brace is the caller's, who may add members.
// Errors: INVALID_REQUEST, INVALID_FILTER, PARSE_ERROR.
func (r *Root) Args(dst []byte, v *Vars) ([]byte, error) {
	if r.fixed != nil {
		return append(dst, r.fixed...), nil
	}
	o := newObject(dst)
	err := r.write(&o, v)
	return o.b, err
}

func (r *Root) write(o *object, v *Vars) error {
	op := mesh.LookupOp(r.Means.Target(), r.Means.Op)
	read := op != nil && op.Class == mesh.Read
	var shown, relations []string
	whole := false
	for i := range r.args {
		a := &r.args[i]
		got, err := v.value(r.args, a.name)
		if err != nil {
			return named(err, a.name)
		}
		if got.Kind == Absent || got.Kind == Null && a.name != "value" {
			continue
		}
		switch a.name {
		case "filter", "where":
			if !a.twin || !r.given(v, "filter", "where") {
				err = r.filter(o, v)
			}
		case "sort":
			o.key("sort")
			o.b = appendSort(o.b, &got)
		case "orderBy":
			if other, _ := v.value(r.args, "sort"); other.Kind > Null {
				return errSorts
			}
			o.key("sort")
			o.b, err = appendOrder(o.b, &got)
		case "first":
			if other, _ := v.value(r.args, "limit"); other.Kind > Null {
				return errLimits
			}
			o.key("limit")
			o.b = append(o.b, got.Raw...)
		case "after":
			o.key("cursor")
			o.b = got.AppendJSON(o.b)
		case "fields":
			o.texts("searchFields", commas(&got))
		case "relations":
			relations = commas(&got)
		case "select":
			shown = commas(&got)
		case "exclude":
			o.texts("exclude", commas(&got))
			whole = true
		case "input":
			o.key("data")
			o.b = got.AppendJSON(o.b)
		case "stages", "operations":
			if got.Kind == Text {
				var ok bool
				if got, ok = parsed(got.Raw); !ok {
					return fault.New(fault.ParseError, "%s is a text that holds no JSON", a.name)
				}
			}
			o.key(a.name)
			o.b = got.AppendJSON(o.b)
		case "value":
			o.key("value")
			o.b = r.member(o.b, &got, v)
		default:
			o.key(a.name)
			o.b = got.AppendJSON(o.b)
		}
		if err != nil {
			return named(err, a.name)
		}
	}
	if r.Level == nil {
		return nil
	}
	fields, paths := r.Level.wants(v)
	for _, p := range relations {
		if !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	if read && !whole {
		for _, name := range fields {
			if !slices.Contains(shown, name) && name != "id" && name != "_version" {
				shown = append(shown, name)
			}
		}
		if len(shown) == 0 {
			shown = append(shown, "id")
		}
		o.texts("select", shown)
	}
	if len(paths) > 0 {
		o.texts("relations", paths)
	}
	if r.pages() && selected(r.Page, v, "totalCount") {
		o.key("count")
		o.b = append(o.b, "true"...)
	}
	if r.pages() && selected(r.Page, v, "cursor", "startCursor") || r.Means.Shape == sdl.Connection && selected(r.Page, v, "endCursor") {
		o.key("cursors")
		o.b = append(o.b, "true"...)
	}
	return nil
}

// given tells whether all of the arguments have values.
func (r *Root) given(v *Vars, names ...string) bool {
	for _, name := range names {
		if got, err := v.value(r.args, name); err != nil || got.Kind <= Null {
			return false
		}
	}
	return true
}

// pages tells whether the field is a page of records, in either form.
func (r *Root) pages() bool { return r.Means.Shape == sdl.Page || r.Means.Shape == sdl.Connection }

// selected tells whether parts, or parts of them, show one of these fields.
func selected(parts []Part, v *Vars, names ...string) bool {
	for i := range parts {
		if p := &parts[i]; v.Holds(p.Cond) && (slices.Contains(names, p.Name) || selected(p.Parts, v, names...)) {
			return true
		}
	}
	return false
}

func (r *Root) filter(o *object, v *Vars) error {
	filter, err := v.value(r.args, "filter")
	if err != nil {
		return err
	}
	where, err := v.value(r.args, "where")
	if err != nil {
		return err
	}
	o.key("filter")
	o.b, err = appendFilter(o.b, &filter, &where, "")
	return err
}

// member writes the value of addToSet and pull. A text that holds JSON is that
// JSON, as with Octonet, except where the field's members are texts and it holds
// none.
func (r *Root) member(dst []byte, got *Value, v *Vars) []byte {
	if got.Kind != Text {
		return got.AppendJSON(dst)
	}
	p, ok := parsed(got.Raw)
	if !ok {
		return got.AppendJSON(dst)
	}
	texts := false
	if field, err := v.value(r.args, "field"); err == nil && r.Means.Entity != nil {
		if c := r.Means.Entity.Column(field.Raw); c != nil && c.Field != nil && c.Field.ArrayOf != nil && c.Field.ArrayOf.Fields == nil {
			switch c.Field.ArrayOf.Type {
			case schema.String, schema.Text, schema.Enum, schema.ObjectID, schema.Date, schema.Binary:
				texts = true
			}
		} else if rel := r.Means.Entity.Relation(field.Raw); rel != nil {
			texts = true // ids
		}
	}
	if texts && p.Kind != Text && p.Kind != List && p.Kind != Null {
		return got.AppendJSON(dst)
	}
	return p.AppendJSON(dst)
}

func named(err error, argument string) error {
	e := fault.From(err)
	return fault.New(e.Code, "%s: %s", argument, e.Message).With(e.Details)
}

// commas are the names of a list, of which each may hold several.
func commas(v *Value) []string {
	var out []string
	for i := range v.Items {
		for name := range strings.SplitSeq(v.Items[i].Raw, ",") {
			if name = strings.TrimSpace(name); name != "" && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// wants lists the members of the record that are read, and the relations that
// are filled in, dotted.
func (l *Level) wants(v *Vars) (fields, paths []string) {
	for i := range l.Nodes {
		n := &l.Nodes[i]
		if n.Kind == Typed || !v.Holds(n.Cond) {
			continue
		}
		key := l.Keys[n.Slot]
		if n.Kind == One || n.Kind == Many {
			_, below := n.Level.wants(v)
			if len(below) == 0 && !slices.Contains(paths, key) {
				paths = append(paths, key)
			}
			for _, p := range below {
				if p = key + "." + p; !slices.Contains(paths, p) {
					paths = append(paths, p)
				}
			}
		}
		if !slices.Contains(fields, key) {
			fields = append(fields, key)
		}
	}
	return fields, paths
}

// Arg is an argument's value as text, "" if it has none.
func (r *Root) Arg(v *Vars, name string) (string, error) {
	got, err := v.value(r.args, name)
	return got.Raw, err
}

// Filter is filter and where together, nil if there is neither.
func (r *Root) Filter(v *Vars) ([]byte, error) {
	o := object{}
	if len(r.args) == 0 {
		return nil, nil
	}
	filter, err := v.value(r.args, "filter")
	if err != nil {
		return nil, err
	}
	where, err := v.value(r.args, "where")
	if err != nil || filter.Kind <= Null && where.Kind <= Null {
		return nil, err
	}
	o.b, err = appendFilter(nil, &filter, &where, "")
	return o.b, err
}

// List is an argument that is a list.
func (r *Root) List(v *Vars, name string) ([]Value, error) {
	got, err := v.value(r.args, name)
	return got.Items, err
}
