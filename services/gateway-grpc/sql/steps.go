package sql

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/octomesh/octomesh/pkg/schema"
)

// filtered leaves the rows for which a condition is true.
type filtered struct {
	rows
	where condition
}

func (f *filtered) next(ctx context.Context) ([]schema.Value, error) {
	for {
		row, err := f.rows.next(ctx)
		if err != nil || f.where.eval(row) == yes {
			return row, err
		}
		if err := ctx.Err(); err != nil { // rows in memory do not look, and conditions take their time
			return nil, err
		}
	}
}

// chosen is the SELECT list.
type chosen struct {
	rows
	out []output
	row []schema.Value
}

func (c *chosen) next(ctx context.Context) ([]schema.Value, error) {
	row, err := c.rows.next(ctx)
	if err != nil {
		return nil, err
	}
	for i := range c.out {
		c.row[i] = c.out[i].of.of(row)
	}
	return c.row, nil
}

// page is OFFSET and LIMIT; left -1 = all.
type page struct {
	rows
	skip, left int64
}

func (p *page) next(ctx context.Context) ([]schema.Value, error) {
	for ; p.skip > 0; p.skip-- {
		if _, err := p.rows.next(ctx); err != nil {
			return nil, err
		}
	}
	if p.left == 0 {
		p.close()
		return nil, io.EOF
	}
	if p.left > 0 {
		p.left--
	}
	return p.rows.next(ctx)
}

// distinct leaves the first of equal rows.
type distinct struct {
	rows
	memory *kept
	seen   map[string]struct{}
	key    []byte
}

func (d *distinct) next(ctx context.Context) ([]schema.Value, error) {
	for {
		row, err := d.rows.next(ctx)
		if err != nil {
			return nil, err
		}
		d.key = appendKey(d.key[:0], row)
		if _, have := d.seen[string(d.key)]; have {
			continue
		}
		if err := d.memory.row(row); err != nil {
			return nil, err
		}
		d.seen[string(d.key)] = struct{}{}
		return row, nil
	}
}

// appendKey appends what tells rows of equal types apart; null is equal to null.
func appendKey(dst []byte, row []schema.Value) []byte {
	for _, v := range row {
		dst = append(dst, byte(v.Kind()))
		switch v.Kind() {
		case schema.KindNull:
		case schema.KindBool:
			dst = strconv.AppendBool(dst, v.Bool())
		case schema.KindInt, schema.KindTime:
			dst = binary.LittleEndian.AppendUint64(dst, uint64(v.Int()))
		case schema.KindFloat:
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Float()))
		default:
			dst = binary.AppendUvarint(dst, uint64(len(v.Text())))
			dst = append(dst, v.Text()...)
		}
	}
	return dst
}

// held is rows in memory.
type held struct {
	list [][]schema.Value
	at   int
}

func (h *held) next(context.Context) ([]schema.Value, error) {
	if h.at == len(h.list) {
		return nil, io.EOF
	}
	h.at++
	return h.list[h.at-1], nil
}

func (h *held) close() {}

// each calls f with every row and closes the rows.
func each(ctx context.Context, from rows, f func(row []schema.Value) error) error {
	defer from.close()
	for {
		row, err := from.next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = f(row)
		}
		if err != nil {
			return err
		}
	}
}

// sort orders rows in memory, the first most of them if that is not -1: equal
// ones stay in the order in which they came.
func (o *opening) sort(ctx context.Context, from rows, keys []orderKey, most int64) (rows, error) {
	h := &held{}
	steps := 0
	var ended error
	order := func(a, b []schema.Value) int {
		if steps++; steps%4096 == 0 && ended == nil {
			ended = ctx.Err()
		}
		if ended != nil {
			return 0 // and so to the end of the sort at once
		}
		for i := range keys {
			d := compare(keys[i].of.of(a), keys[i].of.of(b))
			if d == 0 {
				continue
			}
			if keys[i].desc {
				return cmp.Compare(0, d)
			}
			return d
		}
		return 0
	}
	var own int64 // what h takes: what from keeps is counted beside it
	keep := func(row []schema.Value) error {
		n := sizeOf(row)
		own += n
		return o.memory.take(n)
	}
	err := each(ctx, from, func(row []schema.Value) error {
		if err := keep(row); err != nil {
			return err
		}
		h.list = append(h.list, slices.Clone(row))
		if most >= 0 && (int64(len(h.list))-1024)/2 > most { // most may be any number
			slices.SortStableFunc(h.list, order)
			clear(h.list[most:])
			h.list = h.list[:most]
			o.memory.back(own)
			own = 0
			for _, row := range h.list {
				if err := keep(row); err != nil {
					return err
				}
			}
		}
		return ended
	})
	if err == nil {
		slices.SortStableFunc(h.list, order)
		err = ended
	}
	return h, err
}
