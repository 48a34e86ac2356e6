package store

import (
	"context"
	"strconv"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// counting is op count.
type counting struct{ q query.Select }

func (c *call) count() (reading, error) {
	where, err := c.where(mesh.Read)
	if err != nil {
		return nil, err
	}
	return &counting{query.Select{Entity: c.model.entity, Where: where}}, nil
}

func (t *counting) several() bool { return false }

func (t *counting) read(ctx context.Context, r driver.Reader, a *answer) error {
	n, err := r.Count(ctx, &t.q)
	if err != nil {
		return err
	}
	a.body = strconv.AppendInt(a.body, n, 10)
	a.total = n
	return nil
}

// aggregation is op aggregate.
type aggregation struct{ q *query.Aggregate }

func (c *call) aggregate() (reading, error) {
	q, err := query.ParseStages(c.scope(), c.args.stages)
	if err != nil {
		return nil, err
	}
	q.Where = query.Join(q.Where, c.allowed(c.model.entity, mesh.Read))
	return &aggregation{q}, nil
}

func (t *aggregation) several() bool { return false }

func (t *aggregation) read(ctx context.Context, r driver.Reader, a *answer) error {
	keys := make([][]byte, len(t.q.Output))
	for i, c := range t.q.Output {
		first := byte(',')
		if i == 0 {
			first = '{'
		}
		keys[i] = append(schema.AppendString([]byte{first}, c.Name), ':')
	}
	a.body = append(a.body, '[')
	n := 0
	err := r.Aggregate(ctx, t.q, func(row driver.Row) error {
		if n++; n > 1 {
			a.body = append(a.body, ',')
		}
		for i, key := range keys {
			a.body = row.AppendJSON(append(a.body, key...), i)
		}
		a.body = append(a.body, '}')
		return a.tooLarge()
	})
	a.body = append(a.body, ']')
	return err
}
