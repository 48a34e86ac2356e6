package rest

import (
	"strings"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// accept is the set of query parameters that a route takes.
type accept uint16

const (
	takesFilter    accept = 1 << iota // filter
	takesFriendly                     // field=value, field[gte]=30
	takesPage                         // sort, limit, skip, cursor, count
	takesFields                       // select, exclude
	takesRelations                    // relations, include
	takesDeleted                      // includeDeleted
	takesPosition                     // minPosition
	takesSearch                       // q, query, fields
	takesChanges                      // position, limit
	takesFormat                       // format
)

const (
	takesList = takesFilter | takesFriendly | takesPage | takesFields | takesRelations | takesDeleted | takesPosition
	takesOne  = takesList
	takesByID = takesFields | takesRelations | takesDeleted | takesPosition
	takesSum  = takesFilter | takesFriendly | takesDeleted | takesPosition
	takesFind = takesSearch | takesPage | takesFields | takesRelations | takesDeleted | takesPosition
)

// params are the query parameters of one request, still as the client wrote
// them; they alias the request.
type params struct {
	filter                           string
	sort, limit, skip, cursor, count string
	selects, exclude, relations      string
	includeDeleted                   string
	minPosition, position            string
	query, fields                    string
	format                           bool
	friendly                         []condition
	room                             [4]condition
}

// condition is one friendly parameter: field[op]=value.
type condition struct{ field, op, value string }

// names maps the plain parameters to where they go.
func (p *params) slot(name string) (*string, accept) {
	switch name {
	case "filter":
		return &p.filter, takesFilter
	case "sort":
		return &p.sort, takesPage
	case "limit":
		return &p.limit, takesPage | takesChanges
	case "skip":
		return &p.skip, takesPage
	case "cursor":
		return &p.cursor, takesPage
	case "count":
		return &p.count, takesPage
	case "select":
		return &p.selects, takesFields
	case "exclude":
		return &p.exclude, takesFields
	case "relations", "include":
		return &p.relations, takesRelations
	case "includeDeleted":
		return &p.includeDeleted, takesDeleted
	case "minPosition":
		return &p.minPosition, takesPosition
	case "position":
		return &p.position, takesChanges
	case "q", "query":
		return &p.query, takesSearch
	case "fields":
		return &p.fields, takesSearch
	}
	return nil, 0
}

// parse reads the query string. What a route does not take is refused, never
// ignored: a filter that is dropped silently would show or delete too much.
// Errors: INVALID_REQUEST.
func (p *params) parse(x *httpserver.Exchange, takes accept) error {
	if len(x.Ctx.URI().QueryString()) == 0 {
		return nil
	}
	p.friendly = p.room[:0]
	for k, v := range x.Ctx.QueryArgs().All() {
		if err := p.add(view(k), view(v), takes); err != nil {
			return err
		}
	}
	return nil
}

func (p *params) add(name, value string, takes accept) error {
	if !utf8.ValidString(name) || !utf8.ValidString(value) || strings.IndexByte(value, 0) >= 0 {
		return fault.New(fault.InvalidRequest, "query parameters must be valid UTF-8 without NUL")
	}
	switch name {
	case "apikey", "api_key", "project":
		return nil
	case "format":
		if takes&takesFormat != 0 { // it has been read before
			if p.format {
				return fault.New(fault.InvalidRequest, "the parameter %q is given twice", name)
			}
			p.format = true
			return nil
		}
	}
	slot, needs := p.slot(name)
	if slot != nil && takes&needs != 0 {
		if *slot != "" {
			return fault.New(fault.InvalidRequest, "the parameter %q is given twice", name)
		}
		*slot = value
		return nil
	}
	if slot == nil && takes&takesFriendly != 0 && name != "" {
		return p.addFriendly(name, value)
	}
	return fault.New(fault.InvalidRequest, "this route does not take the parameter %q", name)
}

func (p *params) addFriendly(name, value string) error {
	c := condition{field: name, op: "eq", value: value}
	if open := strings.IndexByte(name, '['); open >= 0 {
		if open == 0 || name[len(name)-1] != ']' || open == len(name)-2 {
			return fault.New(fault.InvalidRequest, "the parameter %q is malformed: write field[gte]=value", name)
		}
		c.field, c.op = name[:open], name[open+1:len(name)-1]
	}
	if len(p.friendly) == 64 {
		return fault.New(fault.InvalidFilter, "too many conditions: 64 is the limit")
	}
	p.friendly = append(p.friendly, c)
	return nil
}

// read puts the parameters of a read into the request object.
// Errors: PARSE_ERROR, INVALID_REQUEST.
func (p *params) read(o *object, e *schema.Entity) error {
	if err := p.where(o, e); err != nil {
		return err
	}
	if err := p.order(o); err != nil {
		return err
	}
	if err := number(o, "limit", p.limit); err != nil {
		return err
	}
	if err := number(o, "skip", p.skip); err != nil {
		return err
	}
	if p.cursor != "" {
		o.text("cursor", p.cursor)
	}
	if err := flag(o, "count", p.count); err != nil {
		return err
	}
	if p.selects != "" {
		o.list("select", p.selects)
	}
	if p.exclude != "" {
		o.list("exclude", p.exclude)
	}
	if p.relations != "" {
		o.list("relations", p.relations)
	}
	if p.query != "" {
		o.text("query", p.query)
	}
	if p.fields != "" {
		o.list("searchFields", p.fields)
	}
	if err := flag(o, "includeDeleted", p.includeDeleted); err != nil {
		return err
	}
	return position(o, "minPosition", p.minPosition)
}

// order takes {"field":-1} and field,-other alike.
func (p *params) order(o *object) error {
	if p.sort == "" {
		return nil
	}
	if p.sort[0] == '{' || p.sort[0] == '[' {
		return o.json("sort", []byte(p.sort))
	}
	o.text("sort", p.sort)
	return nil
}

func number(o *object, name, s string) error {
	if s == "" {
		return nil
	}
	if len(s) > 9 || strings.Trim(s, "0123456789") != "" || len(s) > 1 && s[0] == '0' {
		return fault.New(fault.InvalidRequest, "%s must be a whole number of at most 9 digits", name)
	}
	o.key(name)
	o.b = append(o.b, s...)
	return nil
}

func flag(o *object, name, s string) error {
	switch s {
	case "", "false", "0":
	case "true", "1":
		o.key(name)
		o.b = append(o.b, "true"...)
	default:
		return fault.New(fault.InvalidRequest, "%s must be true or false", name)
	}
	return nil
}

func position(o *object, name, s string) error {
	if s == "" {
		return nil
	}
	if _, err := mesh.ParsePosition(s); err != nil {
		return err
	}
	o.text(name, s)
	return nil
}

// where puts the JSON filter and the friendly conditions into one filter.
func (p *params) where(o *object, e *schema.Entity) error {
	if len(p.friendly) == 0 {
		if p.filter == "" {
			return nil
		}
		return o.json("filter", []byte(p.filter))
	}
	if p.filter != "" {
		if err := strictjson.Check([]byte(p.filter), strictjson.DefaultDepth); err != nil {
			return err
		}
	}
	o.key("filter")
	if p.filter == "" && len(p.friendly) == 1 {
		o.b = p.friendly[0].append(o.b, e)
		return nil
	}
	o.b = append(o.b, `{"$and":[`...)
	if p.filter != "" {
		o.b = append(append(o.b, p.filter...), ',')
	}
	for i, c := range p.friendly {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = c.append(o.b, e)
	}
	o.b = append(o.b, ']', '}')
	return nil
}
