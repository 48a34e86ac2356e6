package admin

import (
	"bytes"
	"context"
	"net/http"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// Transport is these routes' name in logs and metrics, and the transport that a
// key needs for them.
const Transport = "rest"

// Admin serves /health, /livez, /readyz, /metrics, /api/auth and /api/api-keys.
type Admin struct {
	door       *door.Door
	transports []string
	// Ready returns nil when calls can be answered, else what is missing.
	Ready func(ctx context.Context) error
}

// New returns the routes; transports are the names that /health lists.
func New(d *door.Door, transports []string, ready func(ctx context.Context) error) *Admin {
	return &Admin{door: d, transports: transports, Ready: ready}
}

// Mount adds the routes.
func (a *Admin) Mount(m *httpserver.Mux) {
	m.Scoped("health", a.only(a.Health))
	m.Mount("livez", a.only(a.live))
	m.Mount("readyz", a.only(a.ready))
	m.Mount("metrics", a.only(a.metrics))
	m.MountBelow("api", "auth", a.auth)
	m.MountBelow("api", "api-keys", a.keys)
}

// only takes GET on one path without segments below.
func (a *Admin) only(h httpserver.Handler) httpserver.Handler {
	return func(x *httpserver.Exchange) {
		x.Transport, x.Op = Transport, "health"
		switch {
		case len(x.Segments) != 1:
			x.NotFound()
		case x.Ctx.IsOptions():
			x.Options("GET, HEAD, OPTIONS")
		case x.Method() != fasthttp.MethodGet:
			x.NotAllowed("GET, HEAD, OPTIONS")
		default:
			h(x)
		}
	}
}

// Health serves Octonet's /health, which also tells that a reload is over:
// {"status","transports","entities"}, for a project also "project". The
// entities of a named project are shown only to who may read it.
func (a *Admin) Health(x *httpserver.Exchange) {
	slug := x.Project
	if slug == "" {
		slug = gateway.DefaultProject
	}
	p, err := a.door.Projects.Find(slug)
	if err != nil && x.Project != "" {
		x.Fail(err)
		return
	}
	b := []byte(`{"status":"ok","transports":[`)
	for i, name := range a.transports {
		if i > 0 {
			b = append(b, ',')
		}
		b = schema.AppendString(b, name)
	}
	b = append(b, `],"entities":[`...)
	if p != nil && (x.Project == "" || a.mayRead(x, p)) {
		for i, e := range p.Catalog.Entities {
			if i > 0 {
				b = append(b, ',')
			}
			b = schema.AppendString(b, e.Name)
		}
	}
	b = append(b, ']')
	if x.Project != "" {
		b = append(b, `,"project":`...)
		b = schema.AppendString(b, p.Slug)
	}
	x.JSON(fasthttp.StatusOK, append(b, '}'))
}

func (a *Admin) mayRead(x *httpserver.Exchange, p *gateway.Project) bool {
	who, _, _, err := a.door.Identify(x, false)
	return err == nil && access.Check(who, access.Ask{ProjectID: p.ID, Project: p.Slug, Class: mesh.Read, Transport: Transport}) == nil
}

func (a *Admin) live(x *httpserver.Exchange) { x.JSON(fasthttp.StatusOK, []byte(`{"status":"ok"}`)) }

func (a *Admin) ready(x *httpserver.Exchange) {
	if err := a.Ready(x.Context()); err != nil {
		x.Fail(err)
		return
	}
	x.JSON(fasthttp.StatusOK, []byte(`{"status":"ok"}`))
}

// system is the pseudo-project of whoever administers the house.
const system = "_system"

// metrics shows the figures to who may administer the house; a scraper uses the listener of OCTOMESH_METRICS_ADDR instead.
func (a *Admin) metrics(x *httpserver.Exchange) {
	x.Op = "metrics"
	who, _, _, err := a.door.Identify(x, false)
	if err == nil {
		err = access.Check(who, access.Ask{ProjectID: system, Project: system, Class: mesh.Admin, Transport: Transport})
	}
	if err != nil {
		x.Fail(err)
		return
	}
	req, err := http.NewRequestWithContext(x.Context(), http.MethodGet, "/metrics", nil)
	if err != nil {
		x.Fail(err)
		return
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	a.door.Metrics.Handler().ServeHTTP(w, req)
	x.Ctx.SetStatusCode(w.status)
	x.Ctx.Response.Header.SetContentType(w.header.Get("Content-Type"))
	x.Ctx.Response.SetBodyRaw(w.body.Bytes())
}

// recorder takes the reply of a net/http handler.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
