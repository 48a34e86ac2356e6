package odata

import (
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/translate"
)

const (
	// maxPages bounds how many pages one level of an expansion may take.
	maxPages = 10
	// maxQuestions bounds what all expansions of one request ask together.
	maxQuestions = 100
	// maxExpanded bounds what they read and repeat, in bytes: a record stands
	// wherever it is related to, which multiplies from level to level.
	maxExpanded = 32 << 20
)

// expanded is what the expansions of one request have cost so far.
type expanded struct {
	bytes, questions int
}

// take reports whether n bytes more may be used; after the first that may not,
// none may.
func (e *expanded) take(n int) bool {
	e.bytes += n
	return e.bytes <= maxExpanded
}

// check is the error of a request whose expansions cost too much; what was
// appended since is not whole then.
func (e *expanded) check() error {
	if e.bytes > maxExpanded || e.questions > maxQuestions {
		return fault.New(fault.PayloadTooLarge, "$expand repeats more than %d bytes or asks more than %d questions: expand less deep, or with $select, $filter and a smaller $top of the records themselves", maxExpanded, maxQuestions)
	}
	return nil
}

// fillAll asks for the expansions that have options of their own, one question a
// level (more only where an answer has several pages), and puts the answers into
// the shape.
func (r *request) fillAll(s *shape, read *translate.Read, data []byte) error {
	for _, x := range read.Expand {
		if !x.Own() {
			continue
		}
		a := s.action([]byte(x.Name))
		if a == nil {
			continue
		}
		f, err := r.fill(x, data)
		if err != nil {
			return err
		}
		a.fill = f
	}
	return nil
}

// wanted are the keys by which the records of an expansion are found, and for
// many-to-many relations which of them belong to which record.
type wanted struct {
	keys  []byte // a JSON array
	n     int
	seen  map[string]bool
	links map[string][]string // target's id -> ids of records
}

func (w *wanted) add(key string) {
	if key == "" || w.seen[key] {
		return
	}
	w.seen[key] = true
	if w.n++; w.n > 1 {
		w.keys = append(w.keys, ',')
	}
	w.keys = append(append(append(w.keys, '"'), key...), '"')
}

// keysOf collects what an expansion needs of the records.
func keysOf(x *translate.Expand, data []byte) *wanted {
	w := &wanted{keys: []byte{'['}, seen: map[string]bool{}, links: map[string][]string{}}
	list := within(data)
	for {
		row, ok := list.next()
		if !ok {
			w.keys = append(w.keys, ']')
			return w
		}
		id := string(idOf(row))
		switch {
		case !x.Nav.Many:
			value := member(row, x.Name)
			if len(value) > 0 && value[0] == '{' {
				w.add(string(idOf(value)))
			} else {
				w.add(text(value))
			}
		case inverse(x) != "":
			w.add(id)
		default:
			linked := within(member(row, x.Name))
			for {
				v, ok := linked.next()
				if !ok {
					break
				}
				key := string(idOf(v))
				w.add(key)
				w.links[key] = append(w.links[key], id)
			}
		}
	}
}

// inverse is the member of the target that refers back; "" for a many-to-many
// relation.
func inverse(x *translate.Expand) string {
	if i := x.Nav.Relation.Inverse; i != nil && i.Column != nil {
		return i.Column.Name
	}
	return ""
}

func (r *request) fill(x *translate.Expand, data []byte) (*filled, error) {
	f := &filled{byKey: map[string]*filling{}, count: x.Read.Count, hidden: x.Count, many: x.Nav.Many, spent: &r.expanded}
	w := keysOf(x, data)
	if w.n == 0 {
		return f, nil
	}
	by := inverse(x)
	if !x.Nav.Many {
		by = ""
	}
	on := by
	if by == "" {
		on = "id"
	}
	read := *x.Read
	read.Narrow(translate.Equal(on, string(w.keys)))
	args, err := r.arguments(&read)
	if err != nil {
		return nil, err
	}
	if by != "" && read.Select != nil {
		args = withMember(args, by)
	}
	args = append(add(args, "limit"), "1000"...)
	op := "findAll"
	if read.Text != "" {
		op = "search"
	}
	cursor := ""
	for n := 0; ; n++ {
		if n == maxPages {
			return nil, fault.New(fault.InvalidFilter, "$expand of %s finds more than %d records: ask for fewer", x.Name, maxPages*page)
		}
		now := args
		if cursor != "" {
			now = schema.AppendString(add(append([]byte(nil), args...), "cursor"), cursor)
		}
		r.expanded.questions++
		if err := r.expanded.check(); err != nil {
			return nil, err
		}
		rows, meta, err := r.read(read.Type, op, append(now[:len(now):len(now)], '}'))
		if err != nil {
			return nil, err
		}
		if err := r.share(f, x, w, by, rows); err != nil {
			return nil, err
		}
		if cursor = text(member(meta, "next")); cursor == "" {
			break
		}
	}
	f.cut(x.Read)
	return f, nil
}

// withMember adds a name to the select of arguments.
func withMember(args []byte, name string) []byte {
	const key = `"select":[`
	for i := 0; i+len(key) < len(args); i++ {
		if args[i] == '"' && string(args[i:i+len(key)]) == key {
			out := append([]byte(nil), args[:i+len(key)]...)
			out = append(schema.AppendString(out, name), ',')
			return append(out, args[i+len(key):]...)
		}
	}
	return args
}

// share gives the records of an expansion to those that they belong to.
func (r *request) share(f *filled, x *translate.Expand, w *wanted, by string, rows []byte) error {
	s := shapeOf(&r.form, x.Read, true)
	s.ref = x.Ref
	if err := r.fillAll(s, x.Read, rows); err != nil {
		return err
	}
	give := func(key string, row []byte) {
		at := f.byKey[key]
		if at == nil {
			at = &filling{}
			f.byKey[key] = at
		}
		at.total++
		if !f.hidden {
			at.rows = append(at.rows, row)
		}
	}
	list := within(rows)
	for {
		row, ok := list.next()
		if !ok {
			return r.expanded.check()
		}
		r.expanded.take(len(row))
		if err := r.expanded.check(); err != nil {
			return err
		}
		shown := s.append(nil, row)
		id := string(idOf(row))
		switch {
		case by != "":
			value := member(row, by)
			if len(value) > 0 && value[0] == '{' {
				give(string(idOf(value)), shown)
			} else {
				give(text(value), shown)
			}
		case !x.Nav.Many:
			give(id, shown)
		default:
			for _, owner := range w.links[id] {
				give(owner, shown)
			}
		}
	}
}

// cut leaves of each record's list what $skip and $top ask for.
func (f *filled) cut(read *translate.Read) {
	for _, at := range f.byKey {
		if n := read.Skip; n > 0 {
			at.rows = at.rows[min(int(min(n, 1<<30)), len(at.rows)):]
		}
		if n := read.Top; n >= 0 {
			at.rows = at.rows[:min(int(min(n, 1<<30)), len(at.rows))]
		}
	}
}
