package rest

import (
	"context"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/download"
)

// list serves GET /c: a page as JSON, or all that the query finds as a file.
func (t *REST) list(r *request) {
	r.x.Ctx.Response.Header.Add("Vary", "Accept")
	ask, err := download.Asked(r.x)
	switch {
	case err != nil:
		r.x.Op = "findAll"
		r.x.Fail(err)
	case ask.Format == download.JSON:
		t.perform(r, "findAll", takesList|takesFormat, "", nil)
	default:
		t.file(r, &ask)
	}
}

// file serves the op stream as a file, and what is refused before its first byte
// as REST does.
func (t *REST) file(r *request, ask *download.Ask) {
	r.mesh.Op, r.x.Op = "stream", "stream"
	r.version = r.x.Header("If-Match")
	err := r.guarded()
	if err == nil {
		r.mesh.Args, err = ListArgs(r.x, r.entity, r.x.Buf, ask.Option)
	}
	if err == nil {
		r.mesh.Args = ask.Form(r.mesh.Args)
		r.x.Buf = r.mesh.Args
		r.mesh.Header, err = t.door.Header(r.x, r.mesh.CatalogVersion)
	}
	if err != nil {
		r.x.Fail(err)
		return
	}
	ctx, cancel := r.x.LongContext()
	reply, err := t.door.Caller.Call(ctx, &r.mesh)
	if err != nil {
		cancel()
		r.x.Fail(err)
		return
	}
	if err := t.write(r, ask, reply, ctx, cancel); err != nil {
		r.x.Fail(err)
	}
}

// write starts the reply.
func (t *REST) write(r *request, ask *download.Ask, reply *mesh.Reply, ctx context.Context, cancel context.CancelFunc) error {
	lines := reply.Parts()
	if r.entity == nil { // the worker knows it, so that its catalog is another
		_ = lines.Close()
		cancel()
		return fault.New(fault.Unavailable, "the entity has just been made: ask again")
	}
	file, err := t.files.File(*ask, r.entity, r.mesh.Args, lines, func(ctx context.Context, s *columnar.Shape) (*columnar.Shape, error) {
		return t.door.Readable(ctx, &r.mesh, s)
	})
	if err != nil {
		_ = lines.Close()
		cancel()
		return err
	}
	const disposition = "Content-Disposition"
	r.x.SetHeader(disposition, ask.Disposition(r.entity)) // before, since a stream may take the head as it is
	err = r.x.Stream(ctx, cancel, ask.ContentType(), nil, file, nil)
	if err != nil { // a refusal is no file
		r.x.Ctx.Response.Header.Del(disposition)
	}
	return err
}
