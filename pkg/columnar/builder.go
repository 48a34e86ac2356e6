package columnar

import (
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// DefaultRows and batchSize bound a batch, whichever is reached first: rows, and
// bytes of its columns. One that is full makes a message of about the size in
// which replies travel.
const (
	DefaultRows = 64 << 10
	batchSize   = 384 << 10
)

// Builder makes batches of records. It is one goroutine's.
type Builder struct {
	shape   *Shape
	maxRows int
	columns []*column
	keys    [][]byte // what stands before each column's value in a record
	scratch []byte   // a value on its way
	parser  fastjson.Parser
	visit   func(key []byte, v *fastjson.Value)
	width   int       // bytes that each row takes in the other columns
	varying []*column // those of which a row may have any length, lists' elements too
	rows    int
	raw     bool // there are texts of rows at which nobody has looked
	next    int  // where the next member of the record is expected
	err     error
}

// NewBuilder returns a Builder of an empty batch, which is full with so many
// rows; 0 means DefaultRows.
func NewBuilder(s *Shape, rows int) *Builder {
	if rows <= 0 {
		rows = DefaultRows
	}
	b := &Builder{shape: s, maxRows: rows, columns: make([]*column, len(s.fields)), keys: make([][]byte, len(s.fields))}
	b.visit = b.member
	for i := range s.fields {
		c := newColumn(&s.fields[i])
		b.columns[i] = c
		switch fixed := c.width; {
		case c.elem != nil:
			b.width += 4
			b.varying = append(b.varying, c.elem)
		case fixed > 0:
			b.width += fixed
		case c.kind != truths:
			b.varying = append(b.varying, c)
		}
		b.keys[i] = append(schema.AppendString([]byte{','}, s.fields[i].name), ':')
		if i == 0 {
			b.keys[0][0] = '{'
		}
	}
	return b
}

// Rows is how many records the batch has.
func (b *Builder) Rows() int { return b.rows }

// Full reports whether the batch is large enough to be handed on.
func (b *Builder) Full() bool { return b.rows >= b.maxRows || b.size() >= batchSize }

// size is the bytes of the columns; bitmaps that have a bit for a row are left out.
func (b *Builder) size() int {
	n := b.rows * b.width
	for _, c := range b.varying {
		n += len(c.valid) + len(c.offsets) + len(c.data)
	}
	return n
}

// Reset empties the batch and keeps its buffers.
func (b *Builder) Reset() {
	b.rows, b.raw = 0, false
	for _, c := range b.columns {
		c.reset()
	}
}

// AddJSON takes a record in as JSON. A member that has no column is passed over,
// one that comes twice counts once, and one that is missing is null. Errors:
// INTERNAL for what is no record; INVALID_REQUEST, see Options.DecimalScale. After
// an error the batch is of no use.
func (b *Builder) AddJSON(record []byte) error {
	if !utf8.Valid(record) {
		return errText
	}
	if !b.quick(record) {
		if err := b.parse(record); err != nil {
			return err
		}
	}
	b.rows++
	for _, c := range b.columns {
		if c.n < b.rows {
			c.null()
		}
	}
	return nil
}

var errText = fault.New(fault.Internal, "a record is no UTF-8")

// parse reads a record in any form.
func (b *Builder) parse(record []byte) error {
	v, err := b.parser.ParseBytes(record)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "a record is no JSON")
	}
	o, err := v.Object()
	if err != nil {
		return fault.Wrap(err, fault.Internal, "a record is no JSON object")
	}
	b.next, b.err = 0, nil
	o.Visit(b.visit)
	return b.err
}

// member takes a member of a record in.
func (b *Builder) member(key []byte, v *fastjson.Value) {
	if b.err != nil {
		return
	}
	i := b.next
	if i >= len(b.columns) || b.shape.fields[i].name != string(key) {
		var ok bool
		if i, ok = b.shape.byName[string(key)]; !ok {
			return
		}
	}
	b.next = i + 1
	if b.columns[i].n > b.rows {
		return
	}
	b.err = b.columns[i].add(v)
}

// batch views the columns as Arrow. It is valid until the Builder changes. Errors:
// INTERNAL for a text that is no UTF-8.
func (b *Builder) batch() (arrow.RecordBatch, error) {
	columns := make([]arrow.Array, len(b.columns))
	for i, c := range b.columns {
		switch c.kind {
		case texts, documents, ids, loose:
			if b.raw && !c.sound() {
				return nil, errText
			}
		}
		columns[i] = array.MakeFromData(c.array())
	}
	return array.NewRecordBatch(b.shape.arrow, columns, int64(b.rows)), nil
}
