package catalogue

import (
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// Call is what a tool's arguments ask for.
type Call struct {
	Project, Entity, Op string
	// Limit is how many records were asked for, -1 if that was left open. It is
	// not in the request object yet: see Args.
	Limit int
	// Positioned tells that minPosition was given.
	Positioned bool

	args []byte // the request object without its end and without limit
}

// Args returns the request object with that limit, -1 for none, and the position
// that a read waits for, "" for none. The result is valid until the next call.
func (c *Call) Args(limit int, position string) []byte {
	b := c.args
	key := func(name string) {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), '"', ':')
	}
	if limit >= 0 {
		key("limit")
		b = strconv.AppendInt(b, int64(limit), 10)
	}
	if position != "" {
		key("minPosition")
		b = schema.AppendString(b, position)
	}
	return append(b, '}')
}

// Translate checks the arguments of a call, a JSON object or nothing, and makes
// the request object of its operation. It leaves to the worker what a schema
// must be asked for. Errors: PARSE_ERROR, INVALID_REQUEST, MISSING_ID,
// MISSING_PARAMS.
func (t *Tool) Translate(raw []byte) (*Call, error) {
	c := &Call{Project: t.Project, Entity: t.Entity, Op: t.Op, Limit: -1}
	c.args = append(make([]byte, 0, len(raw)+64), '{')
	if len(raw) == 0 || string(raw) == "null" {
		return c, t.choose(c, "", false, false)
	}
	if err := strictjson.Check(raw, strictjson.DefaultDepth); err != nil {
		return nil, err
	}
	var err error
	var action string
	var byID, byFilter bool
	isObject := strictjson.Members(raw, func(k, value []byte) bool {
		name := string(k)
		a := t.arg(name)
		if a == nil {
			err = t.unknown(name)
			return false
		}
		if a.kind != anything && string(value) == "null" {
			return true // as models write what they leave out
		}
		switch name {
		case "entity", "project", "action":
			err = a.said(value, &c.Entity, &c.Project, &action)
		case "limit":
			c.Limit, err = a.rows(value)
		default:
			byID, byFilter = byID || name == "id", byFilter || name == "filter"
			c.Positioned = c.Positioned || name == "minPosition"
			c.args, err = a.append(c.args, value, t.Octonet)
		}
		return err == nil
	})
	switch {
	case err != nil:
		return nil, err
	case !isObject:
		return nil, fault.New(fault.InvalidRequest, "the arguments must be a JSON object")
	}
	return c, t.choose(c, action, byID, byFilter)
}

// choose finds the operation where the arguments choose it.
func (t *Tool) choose(c *Call, action string, byID, byFilter bool) error {
	switch {
	case c.Entity == "" && t.Name != Describe:
		return fault.New(fault.MissingParams, "name the entity; describe lists them")
	case t.Op != "":
	case t.Name == "get" && byID && byFilter:
		return fault.New(fault.InvalidRequest, "give id or filter, not both")
	case t.Name == "get" && byID:
		c.Op = "findById"
	case t.Name == "get" && byFilter:
		c.Op = "findOne"
	case t.Name == "get":
		return fault.New(fault.MissingID, "give the record's id, or a filter")
	case t.Name == "modify":
		switch action {
		case "addToSet", "pull", "increment":
			c.Op = action
		default:
			return fault.New(fault.MissingParams, "action must be addToSet, pull or increment")
		}
	}
	return nil
}

func (t *Tool) unknown(name string) error {
	known := make([]string, len(t.Args))
	for i := range t.Args {
		known[i] = t.Args[i].Name
	}
	if len(name) > 64 {
		name = strings.ToValidUTF8(name[:64], "") + "…"
	}
	return fault.New(fault.InvalidRequest, "%s takes no argument %q; it takes %s", t.Name, name, strings.Join(known, ", "))
}

func (a *Arg) wrong(want string) error {
	return fault.New(fault.InvalidRequest, "the argument %s must be %s", a.Name, want)
}

// said reads an argument that is no member of the request object.
func (a *Arg) said(value []byte, entity, project, action *string) error {
	s, ok := strictjson.Text(value)
	if !ok {
		return a.wrong("a text")
	}
	switch a.Name {
	case "entity":
		*entity = string(s)
	case "project":
		*project = string(s)
	default:
		*action = string(s)
	}
	return nil
}

func (a *Arg) rows(value []byte) (int, error) {
	s := plain(value)
	if len(s) > 9 || !digits(s) {
		return 0, a.wrong("a whole number")
	}
	return strconv.Atoi(s)
}

// plain is a number, or the text of one.
func plain(value []byte) string {
	if s, ok := strictjson.Text(value); ok {
		return strings.TrimSpace(string(s))
	}
	return string(value)
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// append adds the argument to the request object.
func (a *Arg) append(dst, value []byte, octonet bool) ([]byte, error) {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	name := a.to
	if name == "" {
		name = a.Name
	}
	dst = append(schema.AppendString(dst, name), ':')
	said, isText := strictjson.Text(value)
	switch a.kind {
	case text:
		if isNumber(value) { // an id as some models write it
			return append(append(append(dst, '"'), value...), '"'), nil
		}
		if !isText {
			return dst, a.wrong("a text")
		}
		return append(dst, value...), nil
	case whole:
		s := plain(value)
		if len(s) > 18 || !digits(s) || len(s) > 1 && s[0] == '0' {
			return dst, a.wrong("a whole number")
		}
		return append(dst, s...), nil
	case number:
		s := []byte(plain(value))
		if !isNumber(s) {
			return dst, a.wrong("a number")
		}
		return append(dst, s...), nil
	case truth:
		if s := plain(value); s == "true" || s == "false" {
			return append(dst, s...), nil
		}
		return dst, a.wrong("true or false")
	case names:
		if isText {
			return appendNames(dst, string(said)), nil
		}
		return a.appendJSON(dst, value, '[')
	case object, array:
		start := byte('{')
		if a.kind == array {
			start = '['
		}
		if !isText {
			return a.appendJSON(dst, value, start)
		}
		if err := strictjson.Check(said, strictjson.DefaultDepth); err != nil {
			return dst, fault.New(fault.ParseError, "the argument %s: %s", a.Name, fault.From(err).Message)
		}
		return a.appendJSON(dst, strictjson.Trim(said), start)
	case ordering:
		if isText && len(said) > 0 && (said[0] == '{' || said[0] == '[') {
			if err := strictjson.Check(said, strictjson.DefaultDepth); err != nil {
				return dst, fault.New(fault.ParseError, "the argument %s: %s", a.Name, fault.From(err).Message)
			}
			return append(dst, said...), nil
		}
		if isText || value[0] == '{' || value[0] == '[' {
			return append(dst, value...), nil
		}
		return dst, a.wrong(`an object such as {"price":-1}, or a text such as "-price"`)
	}
	// Octonet's value is JSON text; what is none is the text itself.
	if octonet && isText && strictjson.Check(said, strictjson.DefaultDepth) == nil {
		return append(dst, said...), nil
	}
	return append(dst, value...), nil
}

func (a *Arg) appendJSON(dst, value []byte, start byte) ([]byte, error) {
	if len(value) == 0 || value[0] != start {
		if start == '{' {
			return dst, a.wrong("a JSON object")
		}
		return dst, a.wrong("a JSON array")
	}
	return append(dst, value...), nil
}

func isNumber(b []byte) bool {
	return len(b) > 0 && (b[0] == '-' || '0' <= b[0] && b[0] <= '9') && strictjson.Check(b, 1) == nil
}

func appendNames(dst []byte, s string) []byte {
	dst = append(dst, '[')
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = schema.AppendString(dst, part)
	}
	return append(dst, ']')
}

// Class is what the call needs.
func (c *Call) Class() mesh.Class {
	if op := mesh.LookupOp(c.Entity, c.Op); op != nil {
		return op.Class
	}
	return mesh.Read
}
