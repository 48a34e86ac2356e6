package odata

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
	"github.com/octomesh/octomesh/services/gateway-http/replies"
)

// Transport is this protocol's name in scopes, logs and metrics.
const Transport = "odata"

// OData serves /odata.
type OData struct {
	door *door.Door
	// Now is the clock of now(); for tests.
	Now func() time.Time

	mu        sync.Mutex
	models    map[string]modelOf
	documents map[document][]byte
}

type modelOf struct {
	catalog *schema.Catalog
	model   *metadata.Model
}

// maxKept bounds the models and the documents in memory.
const maxKept = 128

// New returns the protocol over a Door.
func New(d *door.Door) *OData {
	return &OData{door: d, Now: time.Now, models: map[string]modelOf{}, documents: map[document][]byte{}}
}

// Mount adds the routes.
func (t *OData) Mount(m *httpserver.Mux) { m.Scoped("odata", t.serve) }

// model returns the model of a project's catalog, made once for each.
func (t *OData) model(p *gateway.Project) *metadata.Model {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.models[p.Slug]; m.catalog == p.Catalog {
		return m.model
	}
	if len(t.models) >= maxKept {
		clear(t.models)
	}
	m := metadata.New(p.Catalog)
	t.models[p.Slug] = modelOf{p.Catalog, m}
	return m
}

// request is one OData request.
type request struct {
	t        *OData
	x        *httpserver.Exchange
	ctx      context.Context
	project  *gateway.Project
	model    *metadata.Model
	call     mesh.Header
	root     string // the service root's URL, with a slash at the end
	method   string
	segments []string
	query    string // as it stands in the URL
	header   func(name string) string
	body     []byte
	options  *parse.Options
	form     format
	res      response
	batch    *batch // that it is a part of, nil for a request of its own
	group    *group // the atomicity group, nil outside of one
	// addresses tells that a list shows addresses alone (/$ref).
	addresses bool
	expanded  expanded
	// room is what the replies of the mesh have together, in a batch those of all
	// its parts.
	room *replies.Room
}

// response is what a request is answered with.
type response struct {
	status  int
	headers [][2]string
	kind    string // Content-Type
	body    []byte
	err     error
	stream  *streamed
	entity  reference // that a create made
}

// streamed is a reply whose chunks go on after the handler.
type streamed struct {
	reply  *mesh.Reply
	first  []byte
	ended  bool
	ctx    context.Context
	cancel context.CancelFunc
}

func (r *response) set(name, value string) { r.headers = append(r.headers, [2]string{name, value}) }

func (t *OData) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "none"
	r := &request{t: t, x: x, method: x.Method(), segments: x.Segments[1:], query: string(x.Ctx.URI().QueryString()), header: x.Header, ctx: x.Context(), room: new(replies.Room)}
	r.room.Open(replies.Limit, nil)
	if err := r.begin(); err != nil {
		r.res.err = err
	} else {
		r.run()
	}
	r.reply()
}

// begin finds the project and who calls.
func (r *request) begin() error {
	r.form = defaultFormat
	named, err := r.x.NamedProject()
	if err != nil {
		return err
	}
	if named == "" {
		named = gateway.DefaultProject
	}
	if r.project, err = r.t.door.Projects.Find(named); err != nil {
		return err
	}
	r.x.LogProject = r.project.Slug
	r.root = root(r.x)
	if r.method == "OPTIONS" {
		return nil
	}
	if r.call, err = r.t.door.Header(r.x, r.project.Version); err != nil {
		return err
	}
	r.model = r.t.model(r.project)
	if e := r.header("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return &status{415, fault.New(fault.InvalidRequest, "send the body without Content-Encoding")}
	}
	r.body = r.x.Body()
	return nil
}

// status is an error with another HTTP status than its code's.
type status struct {
	http int
	err  error
}

func (s *status) Error() string { return s.err.Error() }
func (s *status) Unwrap() error { return s.err }

// run answers the request into r.res.
func (r *request) run() {
	if err := r.prepare(); err != nil {
		r.res.err = err
		return
	}
	if err := r.route(); err != nil {
		r.res.err = err
	}
}

// prepare reads the options and what form the reply is to have.
func (r *request) prepare() (err error) {
	if n := len(r.segments); n > 0 && r.segments[n-1] == "$query" && r.method == "POST" {
		if kind, _, _ := strings.Cut(r.header("Content-Type"), ";"); strings.TrimSpace(kind) != "text/plain" && kind != "" {
			return &status{415, fault.New(fault.InvalidRequest, "/$query takes the options as text/plain")}
		}
		if r.query != "" && len(r.body) > 0 {
			r.query += "&"
		}
		r.query += strings.Trim(string(r.body), "\r\n")
		r.method, r.segments, r.body = "GET", r.segments[:n-1], nil
	}
	if r.options, err = parse.Query(r.query, parse.DefaultLimits); err != nil {
		return err
	}
	return r.negotiate()
}

// custom returns a query option of our own.
func (r *request) custom(name string) string {
	for _, p := range r.options.Custom {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// root is the service root as the client named it: its own host and scheme, so
// that links work behind a proxy that keeps them.
func root(x *httpserver.Exchange) string {
	host := string(x.Ctx.Host())
	base := ""
	if host != "" && strings.Trim(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-:[]") == "" {
		scheme := "http"
		if x.Ctx.IsTLS() || x.Header("X-Forwarded-Proto") == "https" {
			scheme = "https"
		}
		base = scheme + "://" + host
	}
	if x.Project != "" {
		base += "/" + x.Project
	}
	return base + "/odata/"
}
