package download

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// piece is in bytes about what is handed on at once: so much a client has to take
// within the server's patience.
const piece = 64 << 10

// csvFile writes lines as CSV (RFC 4180): a header, then a line for each record,
// with CRLF behind each. It implements mesh.Chunks.
type csvFile struct {
	ask      Ask
	source   mesh.Chunks
	lines    *columnar.Scanner
	shape    *columnar.Shape
	readable Readable
	fields   []columnar.Field // once the first record has settled them
	byName   map[string]int
	values   [][]byte // of the record that is being read, as JSON; nil = absent
	next     int      // where its next member is expected
	visit    func(key, value []byte) bool
	special  [256]bool // what a text is quoted for
	scratch  []byte
	out      []byte
	ended    bool
}

func newCSV(a Ask, shape *columnar.Shape, lines mesh.Chunks, readable Readable) *csvFile {
	f := &csvFile{ask: a, source: lines, lines: columnar.NewScanner(lines), shape: shape, readable: readable}
	f.visit = f.member
	for _, c := range []byte{'"', '\r', '\n', a.delimiter} {
		f.special[c] = true
	}
	return f
}

// Next implements mesh.Chunks.
func (f *csvFile) Next(ctx context.Context) ([]byte, error) {
	if f.ended {
		return nil, io.EOF
	}
	f.out = f.out[:0]
	for len(f.out) < piece {
		line, err := f.lines.Next(ctx)
		if errors.Is(err, io.EOF) {
			f.ended = true
			if f.fields == nil {
				shape, err := f.readable(ctx, f.shape)
				if err != nil {
					return nil, err
				}
				f.header(shape)
			}
			break
		}
		if err != nil {
			return nil, err
		}
		if err := f.record(line); err != nil {
			return nil, err
		}
		if !f.lines.Ready() {
			break
		}
	}
	if len(f.out) == 0 {
		return nil, io.EOF
	}
	return f.out, nil
}

// Close gives the producer up.
func (f *csvFile) Close() error { return f.source.Close() }

// header writes the names of the columns.
func (f *csvFile) header(s *columnar.Shape) {
	f.fields = s.Fields()
	f.values = make([][]byte, len(f.fields))
	f.byName = make(map[string]int, len(f.fields))
	if f.ask.bom {
		f.out = append(f.out, "\ufeff"...)
	}
	for i, field := range f.fields {
		f.byName[field.Name] = i
		if i > 0 {
			f.out = append(f.out, f.ask.delimiter)
		}
		f.out = append(f.out, field.Name...)
	}
	f.out = append(f.out, '\r', '\n')
}

// record writes a record. The first one says which columns there are.
func (f *csvFile) record(line []byte) error {
	if f.fields == nil {
		there := map[string]bool{}
		strictjson.Members(line, func(key, _ []byte) bool { there[string(key)] = true; return true })
		f.header(f.shape.Only(func(name string) bool { return there[name] }))
	}
	clear(f.values)
	f.next = 0
	if !strictjson.Members(line, f.visit) {
		return fault.New(fault.Internal, "a record is no JSON object")
	}
	for i, v := range f.values {
		if i > 0 {
			f.out = append(f.out, f.ask.delimiter)
		}
		if v != nil && !f.fields[i].Hollow {
			f.cell(v)
		}
	}
	f.out = append(f.out, '\r', '\n')
	return nil
}

// member takes a member of a record. One that has no column is passed over: the
// worker may know a later catalog.
func (f *csvFile) member(key, value []byte) bool {
	i := f.next
	if i >= len(f.fields) || f.fields[i].Name != string(key) {
		var ok bool
		if i, ok = f.byName[string(key)]; !ok {
			return true
		}
	}
	f.next = i + 1
	f.values[i] = value
	return true
}

// cell writes a JSON value: nothing for null, a text as it is, everything else as
// its JSON text.
func (f *csvFile) cell(v []byte) {
	switch v[0] {
	case 'n':
	case '"':
		f.scratch = strictjson.AppendText(f.scratch[:0], v)
		f.text(f.scratch)
	case '{', '[':
		f.quoted(v)
	default:
		f.out = append(f.out, v...)
	}
}

// text writes a text, in quotes where a reader would otherwise take it for
// something else: an empty one for null, one with space around it for less.
func (f *csvFile) text(s []byte) {
	formula := f.ask.safe && len(s) > 0 && bytes.IndexByte(formulas, s[0]) >= 0
	if !formula && len(s) > 0 && s[0] != ' ' && s[len(s)-1] != ' ' && !f.marked(s) {
		f.out = append(f.out, s...)
		return
	}
	f.out = append(f.out, '"')
	if formula {
		f.out = append(f.out, '\'')
	}
	f.inner(s)
	f.out = append(f.out, '"')
}

// formulas are what a text begins with that spreadsheets compute.
var formulas = []byte("=+-@\t\r")

func (f *csvFile) marked(s []byte) bool {
	for _, c := range s {
		if f.special[c] {
			return true
		}
	}
	return false
}

func (f *csvFile) quoted(s []byte) {
	f.out = append(f.out, '"')
	f.inner(s)
	f.out = append(f.out, '"')
}

// inner writes what stands between quotes: a quote in it twice.
func (f *csvFile) inner(s []byte) {
	for {
		i := bytes.IndexByte(s, '"')
		if i < 0 {
			f.out = append(f.out, s...)
			return
		}
		f.out = append(append(f.out, s[:i+1]...), '"')
		s = s[i+1:]
	}
}
