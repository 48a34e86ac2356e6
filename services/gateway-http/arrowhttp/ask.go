package arrowhttp

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/rest"
)

// defaultLimit is how many records Octonet puts into columns of JSON.
const defaultLimit = 10_000

// ask is what a request for records wants beside what the op knows.
type ask struct {
	binary      bool
	limited     bool // a limit is in the arguments
	rows        int  // of a batch; of the whole reply where it is JSON without a limit
	compression string
	scale       int // of decimals
}

// arguments reads the request: the parameters that REST's list takes, or a body
// with the members of the op stream, Octonet's offset and batchSize among them.
// Errors: PARSE_ERROR, INVALID_REQUEST, INVALID_FILTER.
func (a *ask) arguments(x *httpserver.Exchange, e *schema.Entity) ([]byte, error) {
	a.scale = columnar.AsText
	var body []byte
	if x.Method() == "POST" {
		body = x.Body()
	}
	// What a URL says beside a body concerns the form of the reply alone.
	args, err := rest.ListArgs(x, e, x.Buf, func(name, value string) (bool, error) {
		switch name {
		case "compression", "batchSize", "decimal":
			return true, a.option(name, value)
		case "limit":
			a.limited = true
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	args = args[:len(args)-1] // without its end
	if args, err = a.members(args, body); err != nil {
		return nil, err
	}
	if !a.binary && !a.limited {
		limit := a.rows
		if limit == 0 {
			limit = defaultLimit
		}
		args = strconv.AppendInt(key(args, "limit"), int64(limit), 10)
	}
	if !a.binary {
		if a.compression != "" {
			return nil, fault.New(fault.InvalidRequest, "compression is for Arrow streams: send Accept: %s", columnar.ContentType)
		}
		return append(args, '}'), nil
	}
	args = append(key(args, "format"), `"arrow"`...)
	if a.rows > 0 {
		args = strconv.AppendInt(key(args, "batchSize"), int64(a.rows), 10)
	}
	if a.compression != "" {
		args = schema.AppendString(key(args, "compression"), a.compression)
	}
	if a.scale != columnar.AsText {
		args = strconv.AppendInt(key(args, "decimal"), int64(a.scale), 10)
	}
	return append(args, '}'), nil
}

func (a *ask) option(name, value string) error {
	n, err := strconv.Atoi(value)
	switch {
	case name == "compression" && (value == "zstd" || value == "lz4"):
		a.compression = value
	case name == "compression":
		return fault.New(fault.InvalidRequest, "compression is zstd or lz4")
	case name == "batchSize" && err == nil && n >= 1 && n <= 1e9:
		a.rows = n
	case name == "batchSize":
		return fault.New(fault.InvalidRequest, "batchSize is a number of records from 1")
	case err == nil && n >= 0 && n <= schema.MaxDecimalDigits:
		a.scale = n
	default:
		return fault.New(fault.InvalidRequest, "decimal is the number of digits behind the point, 0 to %d; without it decimals are texts", schema.MaxDecimalDigits)
	}
	return nil
}

// members puts a body's members into the arguments. A name that is there twice
// is the worker's to refuse.
func (a *ask) members(args, body []byte) ([]byte, error) {
	if len(strictjson.Trim(body)) == 0 {
		return args, nil
	}
	if err := strictjson.Check(body, strictjson.DefaultDepth); err != nil {
		return nil, err
	}
	return a.add(args, body)
}

func (a *ask) add(args, object []byte) ([]byte, error) {
	var err error
	ok := strictjson.Members(object, func(name, value []byte) bool {
		switch string(name) {
		case "compression", "batchSize", "decimal":
			text, isText := strictjson.Text(value)
			if !isText {
				text = value
			}
			err = a.option(string(name), string(text))
		case "format":
			err = fault.New(fault.InvalidRequest, "the form is what Accept says: %s, or JSON", columnar.ContentType)
		case "options":
			if string(value) != "null" {
				args, err = a.add(args, value)
			}
		case "offset":
			args = append(key(args, "skip"), value...)
		default:
			a.limited = a.limited || string(name) == "limit"
			args = append(key(args, string(name)), value...)
		}
		return err == nil
	})
	if err == nil && !ok {
		err = fault.New(fault.InvalidRequest, "the body and its options must be JSON objects")
	}
	return args, err
}

// key begins a member of an object.
func key(args []byte, name string) []byte {
	if args[len(args)-1] != '{' {
		args = append(args, ',')
	}
	return append(schema.AppendString(args, name), ':')
}
