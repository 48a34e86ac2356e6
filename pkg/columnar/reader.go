package columnar

import (
	"context"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// DefaultRows and batchText bound a batch, whichever is reached first: records,
// and bytes of their JSON, which is longer than their columns as a rule.
const (
	DefaultRows = 64 << 10
	batchText   = 2 << 20
)

// Reader makes batches of records.
type Reader struct {
	lines   *Scanner
	shape   *Shape
	maxRows int
	columns []*column
	keys    [][]byte // what stands before each column's value in a record
	settled bool     // by the first record
	parser  fastjson.Parser
	visit   func(key []byte, v *fastjson.Value)
	rows    int
	text    int // bytes of JSON in the batch
	next    int // where the next member of the record is expected
	err     error
	batch   arrow.RecordBatch
}

// NewReader reads records of a shape. A batch has at most rows of them; 0 means
// DefaultRows.
func NewReader(lines Lines, s *Shape, rows int) *Reader {
	if rows <= 0 {
		rows = DefaultRows
	}
	r := &Reader{lines: NewScanner(lines), maxRows: rows}
	r.visit = r.member
	r.take(s)
	return r
}

func (r *Reader) take(s *Shape) {
	r.shape = s
	r.columns, r.keys = make([]*column, len(s.fields)), make([][]byte, len(s.fields))
	for i := range s.fields {
		r.columns[i] = newColumn(&s.fields[i])
		r.keys[i] = append(schema.AppendString([]byte{','}, s.fields[i].name), ':')
		if i == 0 {
			r.keys[0][0] = '{'
		}
	}
}

// Shape is what the batches look like. The first Read settles it: members that
// the first record lacks are not there.
func (r *Reader) Shape() *Shape { return r.shape }

// Read returns the next batch, which is valid until the next Read and is not to
// be released by the caller, and io.EOF after the last. A batch is handed on
// once it has its rows or some 2 MB of JSON have come. Errors: what the lines
// end with; INTERNAL for what is no record; INVALID_REQUEST, see
// Options.DecimalScale.
func (r *Reader) Read(ctx context.Context) (arrow.RecordBatch, error) {
	r.release()
	for r.rows < r.maxRows && r.text < batchText {
		line, err := r.lines.Next(ctx)
		if errors.Is(err, io.EOF) && r.rows > 0 {
			break
		}
		if err == nil {
			err = r.add(line)
		}
		if err != nil {
			return nil, err
		}
	}
	return r.build(), nil
}

// add reads one record into the columns.
func (r *Reader) add(line []byte) error {
	if !utf8.Valid(line) {
		return fault.New(fault.Internal, "a record is no UTF-8")
	}
	if !r.settled || !r.quick(line) {
		if err := r.parse(line); err != nil {
			return err
		}
	}
	r.rows++
	r.text += len(line)
	for _, c := range r.columns {
		if c.n < r.rows {
			c.null()
		}
	}
	return nil
}

// parse reads a record in any form.
func (r *Reader) parse(line []byte) error {
	v, err := r.parser.ParseBytes(line)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "a record is no JSON")
	}
	o, err := v.Object()
	if err != nil {
		return fault.Wrap(err, fault.Internal, "a record is no JSON object")
	}
	if !r.settled {
		r.settled = true
		if s := r.shape.Only(func(name string) bool { return o.Get(name) != nil }); s != r.shape {
			r.take(s)
		}
	}
	r.next, r.err = 0, nil
	o.Visit(r.visit)
	return r.err
}

// member takes a member of a record. One that has no column is passed over: the
// worker may know a later catalog.
func (r *Reader) member(key []byte, v *fastjson.Value) {
	if r.err != nil {
		return
	}
	i := r.next
	if i >= len(r.columns) || r.shape.fields[i].name != string(key) {
		var ok bool
		if i, ok = r.shape.byName[string(key)]; !ok {
			return
		}
	}
	r.next = i + 1
	if r.columns[i].n > r.rows {
		return // a member that comes twice counts once
	}
	r.err = r.columns[i].add(v)
}

func (r *Reader) build() arrow.RecordBatch {
	columns := make([]arrow.Array, len(r.columns))
	for i, c := range r.columns {
		columns[i] = array.MakeFromData(c.array())
	}
	r.batch = array.NewRecordBatch(r.shape.arrow, columns, int64(r.rows))
	return r.batch
}

func (r *Reader) release() {
	if r.batch == nil {
		return
	}
	r.batch.Release()
	r.batch, r.rows, r.text = nil, 0, 0
	for _, c := range r.columns {
		c.reset()
	}
}
