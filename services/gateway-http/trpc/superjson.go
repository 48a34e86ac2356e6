package trpc

import (
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// superjson 2 sends {"json":…,"meta":{"values":{path: [type]},"v":1}}: meta tells
// what the values at the paths were in JavaScript. Dates of records are told to
// clients; of what clients tell, only undefined matters: other values come in a
// form that the operations understand (a Date as ISO text, a BigInt as text).

// plain takes a client's frame off an input: a member that was undefined is left
// out. nil = the input itself was. Errors: INVALID_REQUEST.
func plain(b []byte) ([]byte, error) {
	var json, meta []byte
	strictjson.Members(b, func(k, v []byte) bool {
		switch string(k) {
		case "json":
			json = v
		case "meta":
			meta = v
		}
		return true
	})
	if json == nil {
		return nil, fault.New(fault.InvalidRequest, `superjson sends {"json":…}: leave the transformer away, or give it to the link`)
	}
	gone := map[string]bool{}
	strictjson.Members(meta, func(k, v []byte) bool {
		if string(k) == "values" {
			undefined(gone, "", v)
		}
		return true
	})
	if len(gone) == 0 {
		return json, nil
	}
	if gone[""] {
		return nil, nil
	}
	return without(make([]byte, 0, len(json)), json, "", gone), nil
}

// undefined collects the paths of a tree of annotations that say so. A tree is
// {path: tree}, or [type] or [type, {path: tree}].
func undefined(gone map[string]bool, path string, tree []byte) {
	if strictjson.Members(tree, func(k, v []byte) bool {
		undefined(gone, join(path, string(k)), v)
		return true
	}) {
		return
	}
	i := 0
	strictjson.Elements(tree, func(v []byte) bool {
		if text, ok := strictjson.Text(v); ok && i == 0 && string(text) == "undefined" {
			gone[path] = true
		} else if i == 1 {
			undefined(gone, path, v)
		}
		i++
		return i < 2
	})
}

// escape is how superjson writes a key in a path.
var escape = strings.NewReplacer(`\`, `\\`, `.`, `\.`)

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// without copies b but for the members whose paths are gone.
func without(dst, b []byte, path string, gone map[string]bool) []byte {
	start := len(dst)
	if strictjson.Members(b, func(k, v []byte) bool {
		at := join(path, escape.Replace(string(k)))
		if gone[at] {
			return true
		}
		dst = append(dst, sign(len(dst) == start, '{'))
		dst = append(schema.AppendString(dst, k), ':')
		dst = without(dst, v, at, gone)
		return true
	}) {
		if len(dst) == start {
			dst = append(dst, '{')
		}
		return append(dst, '}')
	}
	i := 0
	if strictjson.Elements(b, func(v []byte) bool {
		dst = append(dst, sign(i == 0, '['))
		dst = without(dst, v, join(path, strconv.Itoa(i)), gone)
		i++
		return true
	}) {
		if i == 0 {
			dst = append(dst, '[')
		}
		return append(dst, ']')
	}
	return append(dst, b...)
}

func sign(first bool, open byte) byte {
	if first {
		return open
	}
	return ','
}

// marks are the annotations of a value that is sent.
type marks struct {
	catalog *schema.Catalog
	path    []byte
	values  []byte // "path":["Date"],…
}

// wrap appends value in superjson's frame.
func (m *marks) wrap(b, value []byte) []byte {
	b = append(append(b, `{"json":`...), value...)
	if len(m.values) > 0 {
		b = append(append(b, `,"meta":{"values":{`...), m.values...)
		b = append(b, `},"v":1}`...)
	}
	return append(b, '}')
}

// reply marks the dates of a reply's records. What an aggregation or a
// transaction gives has no entity to tell its dates by, and is left text.
func (m *marks) reply(r *mesh.Request, body []byte) {
	e := m.catalog.Entity(r.Entity)
	if e == nil || r.Op == "aggregate" {
		return
	}
	m.data(e, body)
}

// data marks the member data of an object.
func (m *marks) data(e *schema.Entity, object []byte) {
	strictjson.Members(object, func(k, v []byte) bool {
		if string(k) == "data" {
			m.below(k, func() { m.records(e, v) })
		}
		return true
	})
}

func (m *marks) below(key []byte, f func()) {
	n := len(m.path)
	if n > 0 {
		m.path = append(m.path, '.')
	}
	m.path = append(m.path, key...)
	f()
	m.path = m.path[:n]
}

func (m *marks) records(e *schema.Entity, v []byte) {
	i := 0
	if strictjson.Elements(v, func(v []byte) bool {
		m.below(strconv.AppendInt(nil, int64(i), 10), func() { m.records(e, v) })
		i++
		return true
	}) {
		return
	}
	strictjson.Members(v, func(k, v []byte) bool {
		if c := e.Column(string(k)); c != nil && c.Type == schema.Date {
			m.below(k, func() { m.date(v) })
		} else if r := e.Relation(string(k)); r != nil && len(v) > 0 && (v[0] == '{' || v[0] == '[') {
			m.below(k, func() { m.records(r.Target, v) })
		}
		return true
	})
}

func (m *marks) date(v []byte) {
	if len(v) == 0 || v[0] != '"' {
		return
	}
	if len(m.values) > 0 {
		m.values = append(m.values, ',')
	}
	m.values = append(schema.AppendString(m.values, m.path), `:["Date"]`...)
}
