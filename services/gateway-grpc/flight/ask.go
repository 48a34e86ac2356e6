package flight

import (
	"bytes"
	"strconv"

	af "github.com/apache/arrow-go/v18/arrow/flight"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// maxAsk bounds a ticket, or a command, in bytes.
const maxAsk = 1 << 20

// ask is what a ticket or a descriptor names: {"project","entity", and the
// members of the op stream}.
type ask struct {
	project, entity string
	filter          []byte // as it came; nil = none
	rest            []byte // the other members, each behind a comma
	count           bool   // the client wants to know how many records there are
	positioned      bool   // there is a minPosition among the rest
	from            int64  // of a DoPut: rows that are stored already
}

// describe reads a descriptor. Errors: INVALID_REQUEST, PARSE_ERROR.
func describe(d *af.FlightDescriptor) (*ask, error) {
	switch {
	case d.GetType() == af.DescriptorPATH && len(d.Path) == 1:
		return &ask{entity: d.Path[0]}, nil
	case d.GetType() == af.DescriptorPATH && len(d.Path) == 2:
		return &ask{project: d.Path[0], entity: d.Path[1]}, nil
	case d.GetType() == af.DescriptorCMD:
		return read(d.Cmd)
	}
	return nil, fault.New(fault.InvalidRequest, `a descriptor is a path [project, entity] or [entity], or a command: JSON {"project","entity","filter",…}`)
}

// read reads a ticket or a command. Errors: INVALID_REQUEST, PARSE_ERROR.
func read(text []byte) (*ask, error) {
	if len(text) > maxAsk {
		return nil, fault.New(fault.PayloadTooLarge, "a ticket has at most %d bytes", maxAsk)
	}
	if err := strictjson.Check(text, strictjson.DefaultDepth); err != nil {
		return nil, err
	}
	a := &ask{}
	var err error
	object := strictjson.Members(text, func(name, value []byte) bool {
		err = a.member(string(name), value)
		return err == nil
	})
	switch {
	case err != nil:
		return nil, err
	case !object:
		return nil, fault.New(fault.InvalidRequest, "a ticket is a JSON object")
	case a.entity == "":
		return nil, fault.New(fault.InvalidRequest, "a ticket names an entity")
	}
	return a, nil
}

func (a *ask) member(name string, value []byte) error {
	text, isText := strictjson.Text(value)
	switch name {
	case "project":
		if !isText {
			return fault.New(fault.InvalidRequest, "project is a text")
		}
		a.project = string(text)
	case "entity":
		a.entity = string(text)
	case "op":
		if string(text) != "stream" {
			return fault.New(fault.InvalidRequest, "the op of a ticket is stream")
		}
	case "format":
		return onlyArrow(text)
	case "filter":
		a.filter = bytes.Clone(value)
	case "count":
		a.count = string(value) == "true"
		if !a.count && string(value) != "false" {
			return fault.New(fault.InvalidRequest, "count is true or false")
		}
	case "from":
		from, err := strconv.ParseUint(string(value), 10, 50)
		if err != nil {
			return fault.New(fault.InvalidRequest, "from is how many rows are stored already")
		}
		a.from = int64(from)
	case "options":
		var err error
		strictjson.Members(value, func(name, value []byte) bool {
			if text, _ := strictjson.Text(value); string(name) == "format" {
				err = onlyArrow(text)
			}
			return err == nil
		})
		if err != nil {
			return err
		}
		fallthrough
	default:
		a.positioned = a.positioned || name == "minPosition"
		a.rest = append(schema.AppendString(append(a.rest, ','), name), ':')
		a.rest = append(a.rest, value...)
	}
	return nil
}

func onlyArrow(format []byte) error {
	if string(format) != "arrow" {
		return fault.New(fault.InvalidRequest, "Flight's format is arrow")
	}
	return nil
}

// args is the request object of the op stream. With empty, it leaves no record:
// what remains of the answer is the schema, and whether the request is one.
func (a *ask) args(position string, empty bool) []byte {
	b := []byte(`{"format":"arrow"`)
	if position != "" && !a.positioned {
		b = schema.AppendString(append(b, `,"minPosition":`...), position)
	}
	b = append(b, a.rest...)
	switch none := `{"id":{"$in":[]}}`; {
	case empty && a.given():
		b = append(append(append(append(b, `,"filter":{"$and":[`...), a.filter...), ','), none+"]}"...)
	case empty:
		b = append(b, `,"filter":`+none...)
	case a.filter != nil:
		b = append(append(b, `,"filter":`...), a.filter...)
	}
	return append(b, '}')
}

// given reports whether there is a filter that $and can take; another one is the
// worker's to refuse when the records are asked for.
func (a *ask) given() bool { return len(a.filter) > 0 && a.filter[0] == '{' }

// counting is the request object of the op count for the same records, and which
// of them the op stream then leaves out; limit 0 is none. The worker has accepted
// the members before.
func (a *ask) counting(position string) (args []byte, skip, limit int64) {
	var take func(name, value []byte) bool
	take = func(name, value []byte) bool {
		switch string(name) {
		case "includeDeleted", "minPosition":
			args = append(append(schema.AppendString(append(args, ','), name), ':'), value...)
		case "skip":
			skip = quantity(value)
		case "limit":
			limit = quantity(value)
		case "options":
			strictjson.Members(value, take)
		}
		return true
	}
	if len(a.rest) > 0 {
		strictjson.Members(append(append([]byte{'{'}, a.rest[1:]...), '}'), take)
	}
	if position != "" && !a.positioned {
		args = schema.AppendString(append(args, `,"minPosition":`...), position)
	}
	if a.filter != nil {
		args = append(append(args, `,"filter":`...), a.filter...)
	}
	if args == nil {
		return []byte("{}"), skip, limit
	}
	args[0] = '{'
	return append(args, '}'), skip, limit
}

// quantity reads an integer, which may be a text; 0 for null.
func quantity(value []byte) int64 {
	if text, ok := strictjson.Text(value); ok {
		value = text
	}
	f, _ := strconv.ParseFloat(string(value), 64)
	return int64(f)
}

// ticket names the same again, for the project and entity that were found.
func (a *ask) ticket(project, entity string) []byte {
	b := schema.AppendString([]byte(`{"project":`), project)
	b = schema.AppendString(append(b, `,"entity":`...), entity)
	b = append(append(b, `,"op":"stream"`...), a.rest...)
	if a.filter != nil {
		b = append(append(b, `,"filter":`...), a.filter...)
	}
	return append(b, '}')
}
