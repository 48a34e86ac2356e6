package gateway

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// Beside is a request object with what the headers Octo-Min-Position and If-Match,
// "" for none, ask for, unless it says so itself. args must have passed
// strictjson.Check; they are not written to. Errors: INVALID_REQUEST, CONFLICT.
func Beside(args []byte, op, position, tag string) ([]byte, error) {
	empty := true
	object := strictjson.Members(args, func(k, _ []byte) bool {
		empty = false
		switch string(k) {
		case "minPosition":
			position = ""
		case "expectedVersion":
			tag = ""
		}
		return true
	})
	switch {
	case !object:
		return nil, fault.New(fault.InvalidRequest, "the arguments must be a JSON object, each by its name")
	case position == "" && tag == "":
		return args, nil
	}
	args = bytes.TrimRight(args, " \t\r\n")
	b := append(make([]byte, 0, len(args)+64), args[:len(args)-1]...)
	add := func(name string) {
		if !empty {
			b = append(b, ',')
		}
		empty = false
		b = append(schema.AppendString(b, name), ':')
	}
	if position != "" {
		if _, err := mesh.ParsePosition(position); err != nil {
			return nil, err
		}
		add("minPosition")
		b = schema.AppendString(b, position)
	}
	if tag != "" {
		n, err := Version(op, tag)
		if err != nil {
			return nil, err
		}
		add("expectedVersion")
		b = strconv.AppendInt(b, n, 10)
	}
	return append(b, '}'), nil
}

// Version is what the header If-Match asks an op to expect of its record: one
// ETag of ours, "3" or W/"3". Errors: INVALID_REQUEST, and CONFLICT for a version
// that no record has.
func Version(op, tag string) (int64, error) {
	if err := Versioned(op); err != nil {
		return 0, err
	}
	tag = strings.TrimPrefix(tag, "W/")
	if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return 0, fault.New(fault.InvalidRequest, "If-Match must be one ETag of this server, such as \"3\"")
	}
	n, err := strconv.ParseInt(tag[1:len(tag)-1], 10, 64)
	if err != nil || n < 1 {
		return 0, fault.New(fault.Conflict, "the record does not have this version")
	}
	return n, nil
}

// Versioned refuses If-Match for an op that could not honour it.
// Errors: INVALID_REQUEST.
func Versioned(op string) error {
	switch op {
	case "update", "delete", "addToSet", "pull", "increment":
		return nil
	}
	return fault.New(fault.InvalidRequest, "If-Match works for one record: update, delete, addToSet, pull and increment")
}
