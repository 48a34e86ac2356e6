package sql

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// stream is a reply of op stream that is an Arrow IPC stream.
type stream struct {
	chunks mesh.Chunks
	text   columnar.Text // theirs
	reader *ipc.Reader
}

// stream asks for the records that a level scans.
func (o *opening) stream(ctx context.Context, a *asked, decimalScale int) (*stream, error) {
	form := []byte(`,"format":"arrow"`)
	if decimalScale != columnar.AsText {
		form = strconv.AppendInt(append(form, `,"decimal":`...), int64(decimalScale), 10)
	}
	s := a.level.scan
	reply, err := o.ask(ctx, "stream", s.tables[s.root].entity.Name, a.stream(form))
	if err != nil {
		return nil, err
	}
	chunks := reply.Parts()
	return &stream{chunks: chunks, text: columnar.Text{Chunks: chunks}}, nil
}

func (s *stream) close() {
	if s.reader != nil {
		s.reader.Release()
		s.reader = nil
	}
	_ = s.chunks.Close()
}

// read returns the next batch, valid until the next read; io.EOF after the last.
// Errors: those that the chunks end with; INTERNAL for what is no IPC stream.
func (s *stream) read(ctx context.Context) (arrow.RecordBatch, error) {
	s.text.Ctx = ctx
	var err error
	if s.reader == nil {
		if s.reader, err = ipc.NewReader(&s.text); err != nil {
			s.reader = nil
			return nil, s.failed(err)
		}
	}
	if s.reader.Next() {
		return s.reader.RecordBatch(), nil
	}
	if err := s.reader.Err(); err != nil && !errors.Is(err, io.EOF) {
		return nil, s.failed(err)
	}
	return nil, s.ended()
}

// ended reads on to the end of the chunks: a stream that broke off behind its last
// whole batch is not a whole one.
func (s *stream) ended() error {
	if _, err := io.Copy(io.Discard, &s.text); err != nil {
		return fault.From(err)
	}
	return io.EOF
}

func (s *stream) failed(err error) error {
	if s.text.Err != nil {
		return fault.From(s.text.Err)
	}
	return fault.Wrap(err, fault.Internal, "the rows could not be read")
}

// cells are the rows of a stream.
type cells struct {
	*stream
	asked  *asked
	batch  arrow.RecordBatch
	at     int64
	places []int // where the scan's columns are in the batch; -1 = nowhere
	row    []schema.Value
}

func (c *cells) next(ctx context.Context) ([]schema.Value, error) {
	for c.batch == nil || c.at == c.batch.NumRows() {
		batch, err := c.read(ctx)
		if err != nil {
			return nil, err
		}
		c.batch, c.at = batch, 0
		if c.places == nil {
			if err := c.place(); err != nil {
				return nil, err
			}
		}
	}
	for i, at := range c.places {
		if at < 0 {
			continue
		}
		var err error
		if c.row[i], err = cell(c.batch.Column(at), int(c.at), c.asked.level.scan.columns[i].of.Type); err != nil {
			return nil, err
		}
	}
	c.at++
	return c.row, nil
}

// place finds the columns. Errors: UNAVAILABLE for one of another type.
func (c *cells) place() error {
	columns := c.asked.level.scan.columns
	c.places = make([]int, len(columns))
	for i, of := range columns {
		c.places[i] = -1
		if at := c.batch.Schema().FieldIndices(of.of.Name); len(at) > 0 && c.asked.used[i] {
			e := c.asked.level.scan.tables[of.table].entity
			if !arrow.TypeEqual(c.batch.Column(at[0]).DataType(), field(e, of.of, columnar.AsText).Type) {
				return changed()
			}
			c.places[i] = at[0]
		}
	}
	return nil
}

// cell is a value of a column. Texts are copies: what is kept of a batch would
// keep all of it.
func cell(a arrow.Array, i int, t schema.Type) (schema.Value, error) {
	if a.IsNull(i) {
		return schema.Null, nil
	}
	switch a := a.(type) {
	case *array.String:
		text := strings.Clone(a.Value(i))
		switch t.Kind() {
		case schema.KindDecimal:
			if d, ok := schema.CanonicalDecimal(text); ok {
				return schema.DecimalOf(d), nil
			}
		case schema.KindJSON:
			return schema.JSONOf(text), nil
		case schema.KindText:
			return schema.TextOf(text), nil
		}
	case *array.Int64:
		return schema.IntOf(a.Value(i)), nil
	case *array.Float64:
		return schema.FloatOf(a.Value(i)), nil
	case *array.Boolean:
		return schema.BoolOf(a.Value(i)), nil
	case *array.Timestamp:
		return schema.TimeOf(int64(a.Value(i))), nil
	case *array.Binary:
		return schema.TextOf(base64.StdEncoding.EncodeToString(a.Value(i))), nil
	case *array.List:
		if text, err := json.Marshal(a.GetOneForMarshal(i)); err == nil {
			return schema.JSONOf(string(text)), nil
		}
	}
	return schema.Null, fault.New(fault.Internal, "a record has a value that is not of its field's type")
}
