package rest

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// send calls the mesh and replies.
func (t *REST) send(r *request) {
	x := r.x
	var err error
	if r.mesh.Header, err = t.door.Header(x, r.mesh.CatalogVersion); err != nil {
		x.Fail(err)
		return
	}
	ctx, cancel := x.Context(), context.CancelFunc(nil)
	if r.mesh.Op == "stream" {
		ctx, cancel = x.LongContext()
	}
	reply, err := t.door.Caller.Call(ctx, &r.mesh)
	if err != nil {
		if cancel != nil {
			cancel()
		}
		x.Fail(err)
		return
	}
	t.reply(r, reply, ctx, cancel)
}

func (t *REST) reply(r *request, reply *mesh.Reply, ctx context.Context, cancel context.CancelFunc) {
	x := r.x
	if !reply.Position.IsZero() {
		var room [40]byte
		x.Ctx.Response.Header.SetBytesV("Octo-Position", reply.Position.Append(room[:0]))
	}
	if reply.Replayed {
		x.SetHeader("Idempotency-Replayed", "true")
	}
	if reply.Chunks != nil {
		r.stream(reply, ctx, cancel)
		return
	}
	if cancel != nil {
		cancel()
	}
	if r.version == "*" && missing(reply.Body) {
		x.Fail(fault.New(fault.Conflict, "If-Match: * asks for a record that is there, and there is none"))
		return
	}
	id, version := head(reply.Body)
	if reply.Version != 0 {
		version = reply.Version
	}
	status := fasthttp.StatusOK
	if version != 0 && single(r.mesh.Op) {
		if r.notModified(version) {
			return
		}
	}
	if r.mesh.Op == "create" {
		status = fasthttp.StatusCreated
		r.location(id)
	}
	if r.mesh.Op == "stream" {
		x.JSON(status, reply.Body)
		x.Ctx.Response.Header.SetContentType(ndjson)
		return
	}
	x.JSON(status, reply.Body)
}

const ndjson = "application/x-ndjson"

// single reports whether an op's reply is one record.
func single(op string) bool {
	switch op {
	case "findById", "findOne", "create", "update", "upsert", "addToSet", "pull", "increment":
		return true
	}
	return false
}

// notModified sets the ETag, and replies 304 to a reader who has this version.
func (r *request) notModified(version int64) bool {
	var room [24]byte
	tag := append(strconv.AppendInt(append(room[:0], '"'), version, 10), '"')
	r.x.Ctx.Response.Header.SetBytesV("ETag", tag)
	if r.mesh.Op != "findById" || r.params.relations != "" {
		return false
	}
	have := r.x.Header("If-None-Match")
	if have == "" || have != "*" && !strings.Contains(have, view(tag)) {
		return false
	}
	r.x.Empty(fasthttp.StatusNotModified)
	return true
}

// location names a new record's own address: the one that was posted to, and
// the id.
func (r *request) location(id []byte) {
	if len(id) == 0 {
		return
	}
	path := bytes.TrimRight(r.x.Ctx.URI().PathOriginal(), "/")
	at := append(append(make([]byte, 0, len(path)+1+len(id)), path...), '/')
	r.x.Ctx.Response.Header.SetBytesV("Location", append(at, id...))
}

var (
	recordStart  = []byte(`{"status":"ok","data":{"id":"`)
	versionStart = []byte(`,"_version":`)
	nullData     = []byte(`{"status":"ok","data":null`)
	falseData    = []byte(`{"status":"ok","data":false`)
)

// head reads id and version off the start of a one-record reply, where the
// record format puts them (docs/records.md: id, _version, then fields). The id's
// characters need no escape. It returns what it finds.
func head(body []byte) (id []byte, version int64) {
	rest, ok := bytes.CutPrefix(body, recordStart)
	if !ok {
		return nil, 0
	}
	end := bytes.IndexByte(rest, '"')
	if end < 0 || !schema.ValidID(view(rest[:end])) {
		return nil, 0
	}
	id = rest[:end]
	rest, ok = bytes.CutPrefix(rest[end+1:], versionStart)
	if !ok {
		return id, 0
	}
	for _, c := range rest {
		if c < '0' || c > '9' || version > 1<<53 {
			break
		}
		version = version*10 + int64(c-'0')
	}
	return id, version
}

func missing(body []byte) bool {
	return bytes.HasPrefix(body, nullData) || bytes.HasPrefix(body, falseData)
}

// stream passes a chunked reply on.
func (r *request) stream(reply *mesh.Reply, ctx context.Context, cancel context.CancelFunc) {
	kind := "application/json"
	if r.mesh.Op == "stream" {
		kind = ndjson
	}
	if err := r.x.Stream(ctx, cancel, kind, reply.Body, reply.Chunks, nil); err != nil {
		r.x.Fail(err)
	}
}

// describe serves GET /api/v1/{project}, Octonet's summary of a project. It is
// answered here, from the catalog, after the same check that a read of the
// project gets.
func (t *REST) describe(x *httpserver.Exchange, p *gateway.Project) {
	x.Op = "describe"
	if m := x.Method(); m != "GET" {
		(&request{x: x}).refuse(m, allowRead)
		return
	}
	who, _, _, err := t.door.Identify(x, false)
	if err == nil {
		err = access.Check(who, access.Ask{ProjectID: p.ID, Project: p.Slug, Class: mesh.Read, Transport: Transport})
	}
	if err != nil {
		x.Fail(err)
		return
	}
	b := append([]byte(`{"project":`), '"')
	b = append(append(b, p.Slug...), `","schemas":[`...)
	for i, e := range p.Catalog.Entities {
		if i > 0 {
			b = append(b, ',')
		}
		b = schema.AppendString(b, e.Name)
	}
	x.JSON(fasthttp.StatusOK, append(b, `],"status":"ok"}`...))
}
