package arrowhttp

import (
	"context"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// records serves /arrow/stream/<entity> and /arrow/query/<entity>.
func (t *Arrow) records(x *httpserver.Exchange, p *gateway.Project, entity string) {
	if m := x.Method(); m != "GET" && m != "POST" {
		refuse(x, m, allowAsk)
		return
	}
	if _, ok := x.JSONBody(); !ok {
		return
	}
	x.Op = "stream"
	name, err := p.EntityName(entity)
	if err != nil {
		x.Fail(err)
		return
	}
	e := p.Catalog.Entity(name)
	if e != nil {
		x.LogEntity = e.Name
	}
	a := ask{binary: binary(x)}
	args, err := a.arguments(x, e)
	if err != nil {
		x.Fail(err)
		return
	}
	x.Buf = args
	header, err := t.door.Header(x, p.Version)
	if err != nil {
		x.Fail(err)
		return
	}
	ctx, cancel := x.Context(), func() {}
	if a.binary {
		ctx, cancel = x.LongContext()
	}
	r := &mesh.Request{Project: p.Slug, Entity: name, Op: "stream", Args: args, Header: header}
	reply, err := t.door.Caller.Call(ctx, r)
	if err != nil {
		cancel()
		x.Fail(err)
		return
	}
	chunks := reply.Parts()
	if a.binary { // the worker's bytes as they are
		if err := x.Stream(ctx, cancel, columnar.ContentType, nil, chunks, nil); err != nil {
			x.Fail(err)
		}
		return
	}
	defer func() { _ = chunks.Close() }()
	var shape *columnar.Shape
	if e != nil {
		shape, err = columnar.Asked(e, args, a.scale)
	}
	if shape == nil {
		x.Fail(fault.Wrap(err, fault.Unavailable, "the entity has just been changed: ask again"))
		return
	}
	out, err := columns(ctx, name, shape, chunks, func(ctx context.Context, s *columnar.Shape) (*columnar.Shape, error) {
		return t.door.Readable(ctx, r, s)
	})
	if err != nil {
		x.Fail(err)
		return
	}
	x.JSON(200, out)
}
