package columnar

import (
	"encoding/base64"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// Cells is a row of a database that puts its values straight into columns; see
// driver.Cells, of which it is the part that is needed here.
type Cells interface {
	// AppendText appends the bytes of a text, a decimal or a JSON value; false for
	// null, with dst as it was.
	AppendText(dst []byte, i int) ([]byte, bool)
	// Word returns an integer, the bits of a float, the milliseconds of an instant,
	// or a boolean as 0 or 1; false for null.
	Word(i int) (uint64, bool)
}

// Add takes a row in; places says for each column which cell it is, -1 for none.
// The batch is then what AddJSON would have made of the row's record. Errors and
// what follows: as AddJSON, but a text that is no UTF-8 may show when the batch is
// written.
func (b *Builder) Add(row Cells, places []int) error {
	b.rows++
	b.raw = true
	for i, c := range b.columns {
		place := places[i]
		if place < 0 || c.hollow {
			c.null()
			continue
		}
		switch c.kind {
		case floats, integers, instants:
			if w, ok := row.Word(place); ok {
				c.word(w)
			} else {
				c.null()
			}
		case texts, documents, ids, loose: // as they are, which may be no UTF-8
			if data, ok := row.AppendText(c.data, place); ok {
				c.data = data
				c.endText()
			} else {
				c.null()
			}
		case truths:
			if w, ok := row.Word(place); ok {
				c.data = appendBit(c.data, c.n, w != 0)
				c.done()
			} else {
				c.null()
			}
		default:
			if err := b.cell(c, row, place); err != nil {
				return err
			}
		}
	}
	return nil
}

// cell takes in what is read before it is kept.
func (b *Builder) cell(c *column, row Cells, i int) error {
	raw, ok := row.AppendText(b.scratch[:0], i)
	b.scratch = raw
	if !ok {
		c.null()
		return nil
	}
	switch c.kind {
	case decimals:
		return c.decimal(view(raw))
	case binaries:
		data, err := base64.StdEncoding.AppendDecode(c.data, raw)
		if err != nil {
			return c.wrong("text that is no base64")
		}
		c.data = data
		c.done()
		return nil
	}
	if !utf8.Valid(raw) {
		return errText
	}
	raw = strictjson.Trim(raw)
	if n := c.quick(raw); n == len(raw) && n > 0 {
		return nil
	} else if n > 0 { // it has been taken in, but there is more
		return c.wrong("text that is no JSON")
	}
	v, err := b.parser.ParseBytes(raw)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "a list is no JSON")
	}
	return c.add(v)
}
