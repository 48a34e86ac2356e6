package store

import (
	"context"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/populate"
)

// table is op stream as Arrow: an IPC stream whose columns are the members that
// the records would show, each batch a chunk, the first one with the schema before
// it: what is refused before it is full is refused with a code. Rows of an engine
// with the ability fill the columns themselves; of others, and where relations are
// filled in, the record is made as for lines and read into the columns.
type table struct {
	find    *find
	places  []int // where the columns' values are in a row
	shape   *columnar.Shape
	encoder *columnar.Encoder
	record  []byte // one on its way into the columns
	batch   *columnar.Builder
	press   *press
}

// table plans the stream; its encoder is to be closed. Errors: INVALID_REQUEST,
// OVERLOADED.
func (f *find) table() (*table, error) {
	form := &f.call.args.form
	members, places := f.plan.Shown()
	shape := columnar.NewShape(f.call.model.entity, members, columnar.Options{
		DecimalScale: form.decimals(), Filled: f.plan.Fills,
	})
	encoder, err := columnar.NewEncoder(shape, form.compression)
	if err != nil {
		return nil, err
	}
	return &table{find: f, places: places, shape: shape, encoder: encoder}, nil
}

// produce is the producer.
func (t *table) produce(ctx context.Context, r driver.Reader, to *chunks) (err error) {
	ctx, t.press = startPress(ctx, t.encoder, to)
	defer t.press.stop()
	rows := t.find.call.args.form.rows
	t.batch = columnar.NewBuilder(t.shape, rows)
	t.press.empty <- columnar.NewBuilder(t.shape, rows)
	if t.find.plan.Populates() {
		err = t.populated(ctx, r)
	} else {
		err = t.plain(ctx, r)
	}
	switch {
	case err == nil:
		return t.press.finish(t.batch)
	case ctx.Err() != nil:
		return context.Cause(ctx) // what ended it says more than that reading was interrupted
	}
	return err
}

// plain streams records of which no relation is filled in.
func (t *table) plain(ctx context.Context, r driver.Reader) error {
	q := t.find.q
	return r.Select(ctx, &q, func(row driver.Row) error {
		if cells, ok := row.(columnar.Cells); ok {
			if err := t.batch.Add(cells, t.places); err != nil {
				return err
			}
			return t.full()
		}
		t.record = t.find.plan.Append(t.record[:0], row)
		return t.add()
	})
}

// populated streams records with their relations, a page of them at a time.
func (t *table) populated(ctx context.Context, r driver.Reader) error {
	q, page := t.find.q, populate.NewPage(t.find.plan)
	fill := func() error {
		if err := page.Fill(ctx, t.find.call.source(r)); err != nil {
			return err
		}
		for i := range page.Len() {
			t.record = page.Append(t.record[:0], i, maxReply)
			if len(t.record) > maxReply {
				return errLargeRecord
			}
			if err := t.add(); err != nil {
				return err
			}
		}
		page.Reset()
		return nil
	}
	err := r.Select(ctx, &q, func(row driver.Row) error {
		page.Add(row)
		if page.Len() == pageSize || page.Size() > chunkSize {
			return fill()
		}
		return nil
	})
	if err == nil && page.Len() > 0 {
		err = fill()
	}
	return err
}

var errLargeRecord = fault.New(fault.PayloadTooLarge, "one record is larger than %d MB: ask for fewer relations", maxReply>>20)

// add takes the record in.
func (t *table) add() error {
	if err := t.batch.AddJSON(t.record); err != nil {
		return err
	}
	return t.full()
}

// full hands the batch on if it is full.
func (t *table) full() (err error) {
	if t.batch.Full() {
		t.batch, err = t.press.next(t.batch)
	}
	return err
}
