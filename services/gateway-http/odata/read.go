package odata

import (
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
	"github.com/octomesh/octomesh/services/gateway-http/odata/translate"
)

// takes refuses the query options that would be passed over. $format and
// aliases may always be there.
func (r *request) takes(allowed parse.Given) error {
	if r.options.Given&^(allowed|parse.GivenFormat|parse.GivenSchemaVersion) != 0 {
		return fault.New(fault.InvalidRequest, "this resource does not take all of the query options that were sent")
	}
	return nil
}

// plan translates the options for records of a type.
func (r *request) plan(t *metadata.Type, where translate.Cond, allowed parse.Given) (*translate.Read, error) {
	if err := r.takes(allowed); err != nil {
		return nil, err
	}
	read, err := r.translator().Read(r.options, t)
	if err == nil && where != nil {
		if read.Stages != nil {
			return nil, fault.New(fault.Unsupported, "$apply is for a whole entity set: begin it with filter(…)")
		}
		read.Narrow(where)
	}
	return read, err
}

const (
	forOne  = parse.GivenSelect | parse.GivenExpand | parse.GivenCompute
	forMany = forOne | parse.GivenFilter | parse.GivenSearch | parse.GivenOrderBy | parse.GivenTop | parse.GivenSkip | parse.GivenCount |
		parse.GivenSkipToken | parse.GivenDeltaToken | parse.GivenApply
	forFirst = forOne | parse.GivenFilter | parse.GivenOrderBy
	forCount = parse.GivenFilter | parse.GivenSearch
)

// collection serves GET and POST of an entity set.
func (r *request) collection(t *metadata.Type, where translate.Cond) error {
	switch {
	case r.method == "GET":
		return r.list(t, where)
	case r.method == "POST" && where == nil:
		return r.create(t, nil)
	}
	return r.allow("GET, HEAD, POST")
}

// arguments begins the request object of a read: filter, text, select, relations.
func (r *request) arguments(read *translate.Read) ([]byte, error) {
	args := append(make([]byte, 0, 512), '{')
	if read.Where != nil {
		var err error
		if args, err = read.Where.Append(append(args, `"filter":`...), r.ask); err != nil {
			return nil, err
		}
		args = append(args, ',')
	}
	if read.Text != "" {
		args = append(schema.AppendString(append(args, `"query":`...), read.Text), ',')
		if f := r.custom("searchFields"); f != "" {
			args = append(appendNames(append(args, `"searchFields":`...), strings.Split(f, ",")), ',')
		}
	}
	if read.Sort != "" {
		args = append(append(append(args, `"sort":`...), read.Sort...), ',')
	}
	if names := read.Members(); names != nil {
		args = append(appendNames(append(args, `"select":`...), names), ',')
	}
	if relations := r.relations(read); relations != nil {
		args = append(appendNames(append(args, `"relations":`...), relations), ',')
	}
	if r.custom("includeDeleted") == "true" {
		args = append(args, `"includeDeleted":true,`...)
	}
	if args[len(args)-1] == ',' {
		args = args[:len(args)-1]
	}
	if p := r.minPosition(); p != "" {
		args = schema.AppendString(add(args, "minPosition"), p)
	}
	return args, nil
}

// relations are those that the worker fills in; many-to-many ones that we fill in
// ourselves are among them, for their ids.
func (r *request) relations(read *translate.Read) []string {
	out := read.Relations(nil, "")
	for _, x := range read.Expand {
		if x.Own() && x.Nav.Many && (x.Nav.Relation.Inverse == nil || x.Nav.Relation.Inverse.Column == nil) {
			out = append(out, x.Name)
		}
	}
	return out
}

func appendNames(dst []byte, names []string) []byte {
	dst = append(dst, '[')
	for i, n := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = schema.AppendString(dst, strings.TrimSpace(n))
	}
	return append(dst, ']')
}

func add(args []byte, name string) []byte {
	if len(args) > 1 {
		args = append(args, ',')
	}
	return append(append(append(args, '"'), name...), '"', ':')
}

// list serves a page of an entity set.
func (r *request) list(t *metadata.Type, where translate.Cond) error {
	r.x.Op = "findAll"
	if r.options.Given&parse.GivenDeltaToken != 0 {
		return r.delta(t, where)
	}
	read, err := r.plan(t, where, forMany)
	if err != nil {
		return err
	}
	if read.Stages != nil {
		return r.aggregate(read)
	}
	args, err := r.arguments(read)
	if err != nil {
		return err
	}
	cursor, since, _ := strings.Cut(r.options.SkipToken, "~")
	// What changes outside of a window is no change of the list: without a window
	// alone can changes be told.
	if r.options.Given&(parse.GivenTop|parse.GivenSkip) != 0 {
		since = ""
	} else if since == "" && r.form.prefer.track && cursor == "" {
		if since, err = r.tail(); err != nil {
			return err
		}
	}
	limit := read.Top
	if p := int64(r.form.prefer.page); p > 0 && (limit < 0 || p < limit) {
		limit = min(p, page)
		r.res.applied("maxpagesize=" + strconv.FormatInt(limit, 10))
	}
	if limit >= 0 {
		args = strconv.AppendInt(add(args, "limit"), min(max(limit, 1), page), 10)
	}
	if read.Skip > 0 {
		args = strconv.AppendInt(add(args, "skip"), read.Skip, 10)
	}
	if cursor != "" {
		args = schema.AppendString(add(args, "cursor"), cursor)
	}
	if read.Count {
		args = append(add(args, "count"), "true"...)
	}
	op := "findAll"
	if read.Text != "" {
		op = "search"
		r.x.Op = op
	}
	data, meta, err := r.read(t, op, append(args, '}'))
	if err != nil {
		return err
	}
	if read.Top == 0 {
		data, meta = []byte("[]"), append([]byte(`{"total":`), append(orZero(member(meta, "total")), '}')...)
	}
	return r.page(read, data, meta, since)
}

func orZero(b []byte) []byte {
	if len(b) == 0 {
		return []byte{'0'}
	}
	return append([]byte(nil), b...)
}

// page writes a list with its links.
func (r *request) page(read *translate.Read, data, meta []byte, since string) error {
	s := shapeOf(&r.form, read, false)
	if err := r.fillAll(s, read, data); err != nil {
		return err
	}
	body := make([]byte, 0, len(data)+len(data)/4+512)
	if s.ref = r.addresses; s.ref {
		body = r.context(append(body, '{'), "Collection($ref)")
	} else {
		body = r.context(append(body, '{'), r.contextOf(read, ""))
	}
	if read.Count {
		body = append(append(append(body, `"@odata.count":`...), orZero(member(meta, "total"))...), ',')
	}
	body, n := r.rows(append(body, `"value":`...), s, data)
	if err := r.expanded.check(); err != nil {
		return err
	}
	next := text(member(meta, "next"))
	left := read.Top - int64(n)
	switch {
	case next != "" && (read.Top < 0 || left > 0):
		if since != "" {
			next += "~" + since
		}
		body = append(body, `,"@odata.nextLink":`...)
		body = schema.AppendString(body, r.link("$skiptoken", next, left))
	case since != "":
		body = append(body, `,"@odata.deltaLink":`...)
		body = schema.AppendString(body, r.link("$deltatoken", since, -1))
		r.res.applied("track-changes")
	}
	r.json(200, append(body, '}'))
	return nil
}

// rows appends an array of entities.
func (r *request) rows(dst []byte, s *shape, data []byte) ([]byte, int) {
	dst = append(dst, '[')
	n := 0
	for i := 1; i < len(data) && data[i] != ']'; {
		if data[i] == ',' {
			i++
		}
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		end := 0
		if dst, end = s.take(dst, data[i:]); end == 0 {
			break
		}
		i += end
	}
	return append(dst, ']'), n
}

// context appends the context's URL, unless none was asked for.
func (r *request) context(dst []byte, of string) []byte {
	if r.form.level == none {
		return dst
	}
	dst = append(append(dst, `"@odata.context":"`...), r.root...)
	return append(append(append(dst, "$metadata#"...), of...), '"', ',')
}

// contextOf names a set, what was selected and expanded of it, and a suffix.
func (r *request) contextOf(read *translate.Read, suffix string) string {
	return read.Type.Set + selection(read) + suffix
}

func selection(read *translate.Read) string {
	if read.Select == nil && len(read.Expand) == 0 {
		return ""
	}
	names := append([]string(nil), read.Select...)
	for _, x := range read.Expand {
		if x.Count && x.Read.Select == nil {
			continue
		}
		inner := selection(x.Read)
		if inner == "" {
			inner = "()"
		}
		names = append(names, x.Name+inner)
	}
	for i := range names {
		names[i] = strings.Map(func(c rune) rune {
			if c < 0x21 || c == '"' || c == '\\' || c > 0x7e {
				return '_'
			}
			return c
		}, names[i])
	}
	return "(" + strings.Join(names, ",") + ")"
}

// link is this request's own URL with a token; tokens and $skip that were in it
// are left out, and $top is what is left of it (-1: as it was, 0 or more: that).
// Changes have no order: a delta link has no $orderby.
func (r *request) link(name, token string, top int64) string {
	b := []byte(strings.TrimSuffix(r.root, "/odata/"))
	b = append(b, "/odata/"...)
	for i, s := range r.segments {
		if i > 0 {
			b = append(b, '/')
		}
		b = appendEscaped(b, s)
	}
	mark := byte('?')
	for part := range strings.SplitSeq(r.query, "&") {
		key, _, _ := strings.Cut(part, "=")
		switch strings.TrimPrefix(strings.ToLower(strings.ReplaceAll(key, "%24", "$")), "$") {
		case "", "skiptoken", "deltatoken", "skip":
			continue
		case "orderby":
			if name == "$deltatoken" {
				continue
			}
		case "top":
			if top >= 0 {
				continue
			}
		}
		b = append(append(b, mark), part...)
		mark = '&'
	}
	if top > 0 {
		b = strconv.AppendInt(append(append(b, mark), "$top="...), top, 10)
		mark = '&'
	}
	b = append(append(append(b, mark), name...), '=')
	return string(append(b, token...))
}

// appendEscaped appends a segment of a path; only what a URL can't hold is
// escaped.
func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c > 0x20 && c < 0x7f && !strings.ContainsRune("\"%<>?#[]^`{|}\\", rune(c)) {
			dst = append(dst, c)
			continue
		}
		dst = append(dst, '%', hex[c>>4], hex[c&15])
	}
	return dst
}

// aggregate serves $apply.
func (r *request) aggregate(read *translate.Read) error {
	r.x.Op = "aggregate"
	args, err := read.Stages([]byte(`{"stages":`), r.ask)
	if err != nil {
		return err
	}
	data, _, err := r.read(read.Type, "aggregate", append(r.position(args), '}'))
	if err != nil {
		return err
	}
	s := &shape{form: &r.form, typ: read.Type, rows: true}
	for _, n := range read.Type.Navigations {
		if n.Key != nil {
			s.actions = append(s.actions, action{name: n.Name, do: doToOne, key: n.Key.Name})
		}
	}
	body := r.context([]byte{'{'}, read.Type.Set)
	rows, n := r.rows(nil, s, data)
	if read.Count {
		body = append(strconv.AppendInt(append(body, `"@odata.count":`...), int64(n), 10), ',')
	}
	body = append(append(body, `"value":`...), rows...)
	r.json(200, append(body, '}'))
	return nil
}

// count serves /$count.
func (r *request) count(t *metadata.Type, where translate.Cond) error {
	r.x.Op = "count"
	if r.method != "GET" {
		return r.allow("GET, HEAD")
	}
	read, err := r.plan(t, where, forCount)
	if err != nil {
		return err
	}
	args, err := r.arguments(read)
	if err != nil {
		return err
	}
	op := "count"
	if read.Text != "" {
		op = "search"
		args = append(add(append(add(args, "limit"), '1'), "count"), "true"...)
	}
	_, meta, err := r.read(t, op, append(args, '}'))
	if err != nil {
		return err
	}
	r.plain(200, orZero(member(meta, "total")))
	return nil
}
