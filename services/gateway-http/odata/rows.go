package odata

import (
	"bytes"
	"strconv"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/translate"
)

// shape is how a record of the mesh becomes an entity of OData. Members that
// stay as they are need no entry, and a record without any is copied whole.
type shape struct {
	form    *format
	typ     *metadata.Type
	actions []action
	only    map[string]bool // members to show; nil = all
	rows    bool            // rows of an aggregation: no entities, without addresses
	ref     bool            // addresses alone
	set     string          // the record's set in addresses
}

// action is what becomes of one member.
type action struct {
	name string
	do   deed
	key  string // of a navigation property: the property with the id
	show bool   // and whether that is shown
	nav  *metadata.Navigation
	sub  *shape  // expanded, by the worker
	fill *filled // expanded, by questions of our own
	edm  string
}

type deed uint8

const (
	doToOne  deed = iota + 1 // a reference: id, or the record
	doToMany                 // a list of records
	doBinary                 // base64 becomes base64url
	doQuote                  // a number becomes a text
	doType                   // full metadata names the type
)

// filled is an expansion that was asked for by itself.
type filled struct {
	byKey  map[string]*filling
	count  bool // show how many
	hidden bool // show only that
	many   bool
	spent  *expanded
}

type filling struct {
	rows  [][]byte
	total int
}

// shapeOf makes the shape of what a Read asks for. Own expansions are added by
// fill. nested tells that the worker did not leave members out itself.
func shapeOf(f *format, r *translate.Read, nested bool) *shape {
	s := &shape{form: f, typ: r.Type, set: r.Type.Set}
	if nested && r.Select != nil {
		s.only = map[string]bool{}
		for _, name := range r.Members() {
			s.only[name] = true
		}
	}
	selected := func(string) bool { return true }
	if r.Select != nil {
		have := map[string]bool{}
		for _, name := range r.Select {
			have[name] = true
		}
		selected = func(name string) bool { return have[name] }
	}
	for _, n := range r.Type.Navigations {
		a := action{name: n.Name, nav: n, do: doToMany}
		if n.Key != nil {
			a.do, a.key = doToOne, n.Key.Name
			a.show = selected(n.Key.Name) || selected(n.Name)
		}
		for _, x := range r.Expand {
			if x.Nav == n && !x.Own() {
				a.sub = shapeOf(f, x.Read, true)
				a.sub.ref = x.Ref
			}
		}
		s.actions = append(s.actions, a)
	}
	s.values()
	return s
}

// values adds what becomes of values by their types.
func (s *shape) values() {
	for _, p := range s.typ.Properties {
		a := action{name: p.Column.Name, edm: p.Edm}
		switch {
		case p.Column.Role == schema.RoleReference:
			continue
		case p.Column.Type == schema.Binary:
			a.do = doBinary
		case s.form.ieee && (p.Column.Type == schema.Integer || p.Column.Type == schema.Decimal):
			a.do = doQuote
		case s.form.level == full && !p.Collection && p.Edm != "Edm.String" && p.Edm != "Edm.Boolean" && p.Edm != "Edm.Double" && p.Edm != "Edm.Untyped":
			a.do = doType
		default:
			continue
		}
		s.actions = append(s.actions, a)
	}
}

func (s *shape) action(name []byte) *action {
	for i := range s.actions {
		if s.actions[i].name == view(name) {
			return &s.actions[i]
		}
	}
	return nil
}

// idOf reads the id at the start of a record.
func idOf(row []byte) []byte {
	rest, ok := bytes.CutPrefix(row, []byte(`{"id":"`))
	if !ok {
		return nil
	}
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return nil
	}
	return rest[:end]
}

// versionOf reads the version behind the id at the start of a record.
func versionOf(row []byte) []byte {
	id := idOf(row)
	if id == nil {
		return nil
	}
	rest, ok := bytes.CutPrefix(row[len(`{"id":"`)+len(id)+1:], []byte(`,"_version":`))
	if !ok {
		return nil
	}
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	return rest[:end]
}

// append appends a record as an entity.
func (s *shape) append(dst, row []byte) []byte {
	dst, _ = s.take(dst, row)
	return dst
}

// take appends the record at the start of b and returns where it ends, so that a
// list is walked over once.
func (s *shape) take(dst, b []byte) ([]byte, int) {
	if len(b) == 0 || b[0] != '{' {
		end := skip(b, 0)
		return append(dst, b[:end]...), end
	}
	dst = append(dst, '{')
	start := len(dst)
	if !s.rows {
		dst = s.control(dst, b)
		if s.ref {
			return append(dst, '}'), skip(b, 0)
		}
	}
	if len(s.actions) == 0 && s.only == nil {
		end := skip(b, 0)
		if end > 2 && len(dst) > start {
			dst = append(dst, ',')
		}
		return append(dst, b[1:end]...), end
	}
	m := over(b)
	for {
		key, value, ok := m.next()
		if !ok {
			break
		}
		if s.only != nil && !s.only[string(key)] {
			continue
		}
		if a := s.action(key); a != nil {
			dst = s.act(dst, start, a, value, b)
			continue
		}
		dst = comma(dst, start)
		dst = append(append(append(append(dst, '"'), key...), '"', ':'), value...)
	}
	for i := range s.actions { // what the worker was not asked for
		if a := &s.actions[i]; a.fill != nil && a.do == doToMany {
			dst = s.filledIn(dst, start, a, string(idOf(b)))
		}
	}
	return append(dst, '}'), m.i + 1
}

func comma(dst []byte, start int) []byte {
	if len(dst) > start {
		dst = append(dst, ',')
	}
	return dst
}

// control appends the control information at the start of an entity.
func (s *shape) control(dst, row []byte) []byte {
	if s.ref {
		dst = append(append(append(dst, `"@odata.id":"`...), s.set...), "('"...)
		return append(append(dst, idOf(row)...), "')\""...)
	}
	if s.form.level == none {
		return dst
	}
	start := len(dst)
	if s.form.level == full {
		dst = append(append(append(dst, `"@odata.type":"#MostaJS.`...), s.typ.Name...), '"')
		dst = append(append(append(dst, `,"@odata.id":"`...), s.set...), "('"...)
		dst = append(append(dst, idOf(row)...), "')\""...)
		dst = append(append(append(dst, `,"@odata.editLink":"`...), s.set...), "('"...)
		dst = append(append(dst, idOf(row)...), "')\""...)
	}
	if v := versionOf(row); len(v) > 0 {
		dst = comma(dst, start)
		dst = append(append(append(dst, `"@odata.etag":"W/\"`...), v...), `\""`...)
	}
	return dst
}

// act appends a member that has an action.
func (s *shape) act(dst []byte, start int, a *action, value, row []byte) []byte {
	switch a.do {
	case doToOne:
		id := value
		if value[0] == '{' {
			id = append(append([]byte{'"'}, idOf(value)...), '"')
		}
		if a.show || s.rows {
			dst = comma(dst, start)
			dst = append(append(append(append(dst, '"'), a.key...), '"', ':'), id...)
		}
		switch {
		case s.rows:
		case a.fill != nil:
			dst = s.filledIn(dst, start, a, text(id))
		case a.sub != nil || value[0] == '{':
			dst = comma(dst, start)
			dst = append(append(append(dst, '"'), a.name...), '"', ':')
			dst = a.subShape(s).append(dst, value)
		default:
			dst = s.link(dst, start, a, row)
		}
	case doToMany:
		if a.fill != nil {
			return dst // below, once
		}
		if a.sub == nil && len(value) <= 2 {
			return s.link(dst, start, a, row)
		}
		dst = comma(dst, start)
		dst = append(append(append(dst, '"'), a.name...), '"', ':', '[')
		sub, n := a.subShape(s), 0
		list := within(value)
		for {
			v, ok := list.next()
			if !ok {
				break
			}
			if n++; n > 1 {
				dst = append(dst, ',')
			}
			dst = sub.append(dst, v)
		}
		dst = append(dst, ']')
	default:
		dst = s.value(dst, start, a, value)
	}
	return dst
}

// subShape is the shape of an expanded record; what the schema expands by itself
// has none of its own.
func (a *action) subShape(s *shape) *shape {
	if a.sub == nil {
		a.sub = shapeOf(s.form, &translate.Read{Type: a.nav.Target}, true)
	}
	return a.sub
}

func (s *shape) value(dst []byte, start int, a *action, value []byte) []byte {
	dst = comma(dst, start)
	if s.form.level == full && a.edm != "" && !isNull(value) {
		dst = append(append(append(append(dst, '"'), a.name...), `@odata.type":"#`...), a.edm[len("Edm."):]...)
		dst = append(dst, '"', ',')
	}
	dst = append(append(append(dst, '"'), a.name...), '"', ':')
	switch {
	case a.do == doQuote && !isNull(value):
		return append(append(append(dst, '"'), value...), '"')
	case a.do == doBinary:
		from := len(dst)
		dst = append(dst, value...)
		for i := from; i < len(dst); i++ {
			switch dst[i] {
			case '+':
				dst[i] = '-'
			case '/':
				dst[i] = '_'
			}
		}
		return dst
	}
	return append(dst, value...)
}

// link appends where a navigation property leads, in full metadata.
func (s *shape) link(dst []byte, start int, a *action, row []byte) []byte {
	if s.form.level != full || s.rows {
		return dst
	}
	dst = comma(dst, start)
	dst = append(append(append(dst, '"'), a.name...), `@odata.navigationLink":"`...)
	dst = append(append(append(dst, s.set...), "('"...), idOf(row)...)
	return append(append(append(dst, "')/"...), a.name...), '"')
}

// filledIn appends an expansion of our own.
func (s *shape) filledIn(dst []byte, start int, a *action, key string) []byte {
	f := a.fill.byKey[key]
	if f == nil {
		f = &filling{}
	}
	if a.fill.count || a.fill.hidden {
		dst = comma(dst, start)
		dst = append(append(append(dst, '"'), a.name...), `@odata.count":`...)
		dst = strconv.AppendInt(dst, int64(f.total), 10)
		if a.fill.hidden {
			return dst
		}
	}
	dst = comma(dst, start)
	dst = append(append(append(dst, '"'), a.name...), '"', ':')
	if !a.fill.many {
		if len(f.rows) == 0 {
			return append(dst, "null"...)
		}
		if !a.fill.spent.take(len(f.rows[0])) {
			return append(dst, "null"...)
		}
		return append(dst, f.rows[0]...)
	}
	dst = append(dst, '[')
	for i, row := range f.rows {
		if !a.fill.spent.take(len(row)) {
			break
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, row...)
	}
	return append(dst, ']')
}
