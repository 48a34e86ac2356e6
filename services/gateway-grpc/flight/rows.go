package flight

import (
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	af "github.com/apache/arrow-go/v18/arrow/flight"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// The bounds of one transaction of a DoPut: rows (as many as the op takes), and
// bytes of their JSON, from which on it is sent. No row may make it larger than
// the mesh carries; one that does so only with those before it goes alone.
const (
	maxRows    = 500
	maxText    = 1 << 20
	maxRequest = rpc.MaxMessage
)

// part is the rows of one transaction.
type part struct {
	args  []byte
	first int64 // the number of the first row in the stream
	rows  int
}

// rows makes transactions of record batches.
type rows struct {
	entity  *schema.Entity
	reader  *Reader
	members []schema.Member // of the columns; of those that are left out, the zero value
	id      int             // the column of the ids; -1 for none
	head    []byte          // of an operation on a row with an id, and without
	fresh   []byte
	next    int64       // the number of the next row
	spent   chan []byte // memory of transactions that have been stored
}

// open reads the schema. What comes back through spent is used again. Errors:
// INVALID_REQUEST.
func open(in af.DataStreamReader, e *schema.Entity, from int64, spent chan []byte) (*rows, error) {
	reader, err := NewReader(in)
	if err != nil {
		return nil, err
	}
	r := &rows{entity: e, reader: reader, id: -1, next: from, spent: spent}
	r.head = append(schema.AppendString([]byte(`{"op":"upsert","entity":`), e.Name), `,"select":["id"],"filter":{"id":`...)
	r.fresh = append(schema.AppendString([]byte(`{"op":"create","entity":`), e.Name), `,"select":["id"],"data":{`...)
	if err := r.columns(reader.of.Schema()); err != nil {
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
	for {
		b, err := r.reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = r.batch(b, give)
		}
		if err != nil {
			return err
		}
	}
}

// batch gives the transactions of a batch; none has rows of two batches, so that a
// client that sends the same batches again makes the same transactions.
func (r *rows) batch(b arrow.RecordBatch, give func(part) error) error {
	columns := make([]cell, b.NumCols())
	for i, a := range b.Columns() {
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
		at := len(p.args)
		var err error
		if p.args, err = r.row(p.args, b, columns, row); err != nil {
			return numbered(r.next, err, nil)
		}
		if len(p.args) > maxRequest && p.rows > 0 { // it goes alone
			alone := append(append(r.room(), `{"operations":[`...), p.args[at:]...)
			p.args = append(p.args[:at-1], "]}"...)
			if err := give(p); err != nil {
				return err
			}
			p = part{args: alone, first: r.next}
		}
		if len(p.args) > maxRequest {
			return numbered(r.next, errLarge, nil)
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
		if dst, err = c(dst, row); err == nil {
			err = fits(dst, 0)
		}
		if err != nil {
			return dst, fault.Wrap(err, fault.From(err).Code, "column %.100q: %s", m.Name, fault.From(err).Message)
		}
	}
	return append(dst, "}}"...), nil
}
