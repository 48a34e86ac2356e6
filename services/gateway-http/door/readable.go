package door

import (
	"context"
	"slices"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// Readable is shape as far as the caller of r, a request of the op stream for
// JSON, may read it. Records say so by what they have; where there are none, it is
// asked here. Errors: those of the op stream.
func (d *Door) Readable(ctx context.Context, r *mesh.Request, shape *columnar.Shape) (*columnar.Shape, error) {
	q := *r
	q.Args = []byte(`{"format":"arrow"`)
	if rest := r.Args[1:]; rest[0] == '}' {
		q.Args = append(q.Args, '}')
	} else {
		q.Args = append(append(q.Args, ','), rest...)
	}
	reply, err := d.Caller.Call(ctx, &q)
	if err != nil {
		return nil, err
	}
	chunks := reply.Parts()
	defer func() { _ = chunks.Close() }()
	names, err := columnar.Names(ctx, chunks)
	return shape.Only(func(name string) bool { return slices.Contains(names, name) }), err
}
