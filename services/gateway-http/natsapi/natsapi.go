// Package natsapi is the twin over HTTP that Octonet gives native NATS: GET
// /api/nats/subjects and /api/nats/info tell what can be asked on which subject,
// POST /api/nats/call asks it, {"entity","op","params"}, and passes on what the
// worker replies. A key needs the transport nats, as it does for NATS itself.
package natsapi

import (
	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/procedure"
)

// Transport is the name in scopes, logs and metrics.
const Transport = "nats"

// API serves /api/nats.
type API struct {
	door      *door.Door
	artefacts gateway.Artefacts
}

// New returns the routes.
func New(d *door.Door) *API { return &API{door: d} }

// Mount adds them.
func (a *API) Mount(m *httpserver.Mux) { m.ScopedBelow("api", "nats", a.serve) }

const (
	allowRead = "GET, HEAD, OPTIONS"
	allowCall = "POST, OPTIONS"
)

func (a *API) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "none"
	if len(x.Segments) != 3 {
		x.NotFound()
		return
	}
	word, allow := x.Segments[2], allowRead
	switch word {
	case "call":
		allow = allowCall
	case "subjects", "info":
	default:
		x.NotFound()
		return
	}
	switch {
	case x.Ctx.IsOptions():
		x.Options(allow)
	case word == "call" && x.Ctx.IsPost():
		a.call(x)
	case word != "call" && x.Method() == fasthttp.MethodGet:
		a.describe(x, word)
	default:
		x.NotAllowed(allow)
	}
}

func (a *API) describe(x *httpserver.Exchange, what string) {
	x.Op = "list"
	var desk procedure.Desk
	if err := desk.Open(a.door, x, false); err != nil {
		x.Fail(err)
		return
	}
	p, v := desk.Project, desk.View()
	kind := "subjects"
	if what == "info" {
		kind = "info"
	}
	body, tag := a.artefacts.Of(kind, p, v, func() []byte { return describe(kind, p, v) })
	door.Describe(x, "application/json", body, tag)
}

// describe makes {"subjects":[…]}, before which info has the project and its
// entities as mostajs.discover lists them.
func describe(what string, p *gateway.Project, v mesh.View) []byte {
	b := []byte(`{`)
	if what == "info" {
		b = schema.AppendString(append(b, `"enabled":true,"project":`...), p.Slug)
		b = append(b, `,"discover":"mostajs.discover","live":`...)
		b = schema.AppendString(b, subject.Lives(p.Slug))
		b = append(b, `,"entities":[`...)
		for i, e := range p.Catalog.Entities {
			if v.Any() {
				b = entity(b, i, e, v)
			}
		}
		b = append(b, "],"...)
	}
	b = append(b, `"subjects":[`...)
	procedure.Procedures(p, v, func(e *schema.Entity, op *mesh.Op) {
		name, address := mesh.ProjectEntity, subject.Call
		if e != nil {
			name = e.Name
		}
		if op.Chunked { // in one message its reply is refused
			address = subject.Stream
		}
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = schema.AppendString(b, address(p.Slug, name, op.Name))
	})
	return append(b, "]}"...)
}

func entity(b []byte, i int, e *schema.Entity, v mesh.View) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	b = schema.AppendString(append(b, `{"name":`...), e.Name)
	b = schema.AppendString(append(b, `,"collection":`...), e.Collection)
	b = append(b, `,"fields":[`...)
	for _, f := range e.Fields {
		if f.Hidden {
			continue
		}
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = schema.AppendString(b, f.Name)
	}
	b = append(b, `],"operations":[`...)
	for _, op := range mesh.Ops {
		if op.Project || !v.Allows(op.Class) {
			continue
		}
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = schema.AppendString(b, op.Name)
	}
	return append(b, "]}"...)
}

// call carries one out. Errors have REST's form and status.
func (a *API) call(x *httpserver.Exchange) {
	body, ok := x.JSONBody()
	if !ok {
		return
	}
	desk := procedure.Desk{Lenient: true}
	name, params, err := read(body)
	if err == nil {
		err = desk.Open(a.door, x, false)
	}
	var r mesh.Request
	if err == nil {
		err = desk.Request(&r, 0, name, params, x.Buf)
	}
	if err == nil {
		x.Op, x.LogEntity = r.Op, r.Entity
		err = desk.One(&r, nil, nil, false)
	}
	if err != nil {
		x.Fail(err)
	}
}

// read takes {"entity","op","params"} apart. Errors: PARSE_ERROR,
// INVALID_REQUEST, MISSING_PARAMS.
func read(body []byte) (name string, params []byte, err error) {
	if err := strictjson.Check(body, strictjson.DefaultDepth+1); err != nil {
		return "", nil, err
	}
	var entity, op []byte
	object := strictjson.Members(body, func(k, v []byte) bool {
		switch string(k) {
		case "entity":
			entity, _ = strictjson.Text(v)
		case "op":
			op, _ = strictjson.Text(v)
		case "params":
			if params = v; string(v) == "null" {
				params = nil
			}
		default:
			err = fault.New(fault.InvalidRequest, "a call has entity, op and params")
		}
		return err == nil
	})
	switch {
	case !object:
		err = fault.New(fault.InvalidRequest, "the body must be a JSON object")
	case err == nil && (len(entity) == 0 || len(op) == 0):
		err = fault.New(fault.MissingParams, "a call needs entity and op, which are texts")
	}
	return string(entity) + "." + string(op), params, err
}
