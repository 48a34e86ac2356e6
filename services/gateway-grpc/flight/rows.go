package flight

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	af "github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// The bounds of one transaction of a DoPut: rows (as many as the op takes), and
// bytes of their JSON. A row that is larger goes alone.
const (
	maxRows = 500
	maxText = 1 << 20
)

// maxMemory bounds what a stream's batches take while they are decoded, in bytes:
// compressed ones may be much larger than the message that they came in.
const maxMemory = 128 << 20

// part is the rows of one transaction.
type part struct {
	args  []byte
	first int64 // the number of the first row in the stream
	rows  int
}

// rows makes transactions of record batches.
type rows struct {
	entity  *schema.Entity
	reader  *af.Reader
	members []schema.Member // of the columns; of those that are left out, the zero value
	id      int             // the column of the ids; -1 for none
	head    []byte          // of an operation on a row with an id, and without
	fresh   []byte
	next    int64       // the number of the next row
	spent   chan []byte // memory of transactions that have been stored
}

// open reads the schema. What comes back through spent is used again. Errors: INVALID_REQUEST.
func open(in af.DataStreamReader, e *schema.Entity, from int64, spent chan []byte) (r *rows, err error) {
	defer recovered(&err)
	reader, err := af.NewRecordReader(in, ipc.WithAllocator(&bounded{of: memory.DefaultAllocator}))
	if err != nil {
		return nil, unreadable(err)
	}
	r = &rows{entity: e, reader: reader, id: -1, next: from, spent: spent}
	r.head = append(schema.AppendString([]byte(`{"op":"upsert","entity":`), e.Name), `,"select":["id"],"filter":{"id":`...)
	r.fresh = append(schema.AppendString([]byte(`{"op":"create","entity":`), e.Name), `,"select":["id"],"data":{`...)
	if err := r.columns(reader.Schema()); err != nil {
		reader.Release()
		return nil, err
	}
	return r, nil
}

// columns finds each column's member.
func (r *rows) columns(s *arrow.Schema) error {
	var unknown, twice []string
	seen := map[string]bool{}
	r.members = make([]schema.Member, s.NumFields())
	for i, f := range s.Fields() {
		if seen[f.Name] {
			twice = append(twice, f.Name)
		}
		seen[f.Name] = true
		m := member(r.entity, f.Name)
		switch {
		case m.Name == "":
			unknown = append(unknown, f.Name)
		case m.Column == nil:
			r.members[i] = m
		case m.Column.Role == schema.RoleID:
			r.id = i
		case m.Column.Role != schema.RoleVersion && m.Column.Role != schema.RoleCreatedAt && m.Column.Role != schema.RoleUpdatedAt:
			r.members[i] = m // what is left out is the worker's to set
		}
	}
	switch {
	case unknown != nil:
		return fault.New(fault.InvalidRequest, "%s has no such columns: %.500q", r.entity.Name, unknown).With(map[string]any{"columns": unknown})
	case twice != nil:
		return fault.New(fault.InvalidRequest, "columns come twice: %.500q", twice).With(map[string]any{"columns": twice})
	}
	return nil
}

// member finds a member by its name; hidden fields are written by their names too.
func member(e *schema.Entity, name string) schema.Member {
	for _, m := range e.Members {
		if m.Name == name {
			return m
		}
	}
	if c := e.Column(name); c != nil {
		return schema.Member{Name: name, Column: c}
	}
	return schema.Member{}
}

// each gives the transactions of all batches in their order; it ends with the
// stream, or with the first error. Errors: INVALID_REQUEST, VALIDATION_ERROR, both
// with the row's number.
func (r *rows) each(give func(part) error) (err error) {
	defer recovered(&err)
	defer r.reader.Release()
	for r.reader.Next() {
		if err := r.batch(r.reader.RecordBatch(), give); err != nil {
			return err
		}
	}
	if err := r.reader.Err(); err != nil && !errors.Is(err, io.EOF) {
		return unreadable(err)
	}
	return nil
}

// batch gives the transactions of a batch; none has rows of two batches, so that a
// client that sends the same batches again makes the same transactions.
func (r *rows) batch(b arrow.RecordBatch, give func(part) error) error {
	columns := make([]cell, b.NumCols())
	for i, a := range b.Columns() {
		if v, ok := a.(interface{ ValidateFull() error }); ok {
			if err := v.ValidateFull(); err != nil {
				return unreadable(err)
			}
		}
		if r.members[i].Name == "" && i != r.id {
			continue
		}
		var w wanted
		if i != r.id {
			w = wants(r.members[i])
		}
		var err error
		if columns[i], err = cells(a, w); err != nil {
			return fault.Wrap(err, fault.InvalidRequest, "column %.100q: %s", b.ColumnName(i), fault.From(err).Message)
		}
	}
	p := part{first: r.next}
	for row := range int(b.NumRows()) {
		if p.rows == 0 {
			p.args = append(r.room(), `{"operations":[`...)
		} else {
			p.args = append(p.args, ',')
		}
		var err error
		if p.args, err = r.row(p.args, b, columns, row); err != nil {
			return numbered(r.next, err, nil)
		}
		p.rows++
		r.next++
		if p.rows == maxRows || len(p.args) >= maxText || row == int(b.NumRows())-1 {
			p.args = append(p.args, "]}"...)
			if err := give(p); err != nil {
				return err
			}
			p = part{first: r.next}
		}
	}
	return nil
}

// room is memory for a transaction.
func (r *rows) room() []byte {
	select {
	case b := <-r.spent:
		return b[:0]
	default:
		return make([]byte, 0, 64<<10)
	}
}

// row appends the operation of a row.
func (r *rows) row(dst []byte, b arrow.RecordBatch, columns []cell, row int) (_ []byte, err error) {
	if r.id >= 0 && !b.Column(r.id).IsNull(row) {
		if dst, err = columns[r.id](append(dst, r.head...), row); err != nil {
			return dst, err
		}
		dst = append(dst, `},"data":{`...)
	} else {
		dst = append(dst, r.fresh...)
	}
	first := true
	for i, c := range columns {
		m := &r.members[i]
		if m.Name == "" || m.Column == nil && b.Column(i).IsNull(row) { // relations that are not named stay
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(schema.AppendString(dst, m.Name), ':')
		if dst, err = c(dst, row); err != nil {
			return dst, fault.Wrap(err, fault.From(err).Code, "column %.100q: %s", m.Name, fault.From(err).Message)
		}
	}
	return append(dst, "}}"...), nil
}

// unreadable is INVALID_REQUEST for what is no Arrow; a status of the transport
// passes as it is.
func unreadable(err error) error {
	if f := transport(err); f != nil {
		return f
	}
	return fault.Wrap(err, fault.InvalidRequest, "the stream is no valid Arrow: %.300s", err)
}

// recovered makes an error of a panic: arrow-go trusts what it reads.
func recovered(err *error) {
	switch v := recover().(type) {
	case nil:
	case error:
		*err = unreadable(v)
	default:
		*err = unreadable(fmt.Errorf("%v", v))
	}
}

// bounded is an allocator that gives a stream so much and no more.
type bounded struct {
	of   memory.Allocator
	used atomic.Int64
}

// Allocate implements memory.Allocator.
func (b *bounded) Allocate(n int) []byte {
	b.take(n)
	return b.of.Allocate(n)
}

// Reallocate implements memory.Allocator.
func (b *bounded) Reallocate(n int, old []byte) []byte {
	b.take(n - len(old))
	return b.of.Reallocate(n, old)
}

// Free implements memory.Allocator.
func (b *bounded) Free(p []byte) {
	b.used.Add(-int64(len(p)))
	b.of.Free(p)
}

func (b *bounded) take(n int) {
	if b.used.Add(int64(n)) > maxMemory {
		panic(fault.New(fault.PayloadTooLarge, "a batch takes more than %d MB: send smaller ones", maxMemory>>20))
	}
}
