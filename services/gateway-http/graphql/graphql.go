package graphql

import (
	"strings"
	"sync"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/editor"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// Transport is this protocol's name in scopes, logs and metrics.
const Transport = "graphql"

// What is kept at most, by each of a cache's two generations.
const (
	viewBytes    = 64 << 20 // of schemas and the plans that go with them
	planBytes    = 4 << 20  // of plans on one schema
	persistBytes = 4 << 20  // of documents that are known by their hash
)

// maxBatched bounds the requests in one body.
const maxBatched = 10

// GraphQL serves /graphql.
type GraphQL struct {
	door *door.Door
	hub  *live.Hub
	// Limits bound one document, Sockets one WebSocket.
	Limits  plan.Limits
	Sockets Sockets

	editor    *editor.Editor
	making    sync.Mutex // orders those who miss a view
	views     *cache[viewKey, *view]
	persisted *cache[string, string]
	upgrader  websocket.FastHTTPUpgrader
	singles   singles
}

// viewKey is what a schema depends on.
type viewKey struct {
	id, version string
	read, write bool
	hidden      string // names the columns that policies hide
}

// view is a schema, made when it is first asked for, and plans on it.
type view struct {
	key    viewKey
	once   sync.Once
	schema *sdl.Schema
	err    error
	plans  *cache[planKey, *plan.Plan]
}

type planKey struct{ name, query string }

// New returns the protocol.
func New(d *door.Door, h *live.Hub) *GraphQL {
	return &GraphQL{
		door: d, editor: editor.New(), hub: h, Limits: plan.DefaultLimits, Sockets: DefaultSockets, upgrader: upgrader(),
		views: newCache[viewKey, *view](viewBytes), persisted: newCache[string, string](persistBytes),
	}
}

// Mount adds the routes.
func (t *GraphQL) Mount(m *httpserver.Mux) { m.Scoped("graphql", t.serve) }

// allow has what graphql-sse's single connection takes, beside GET and POST.
const allow = "GET, HEAD, POST, PUT, DELETE, OPTIONS"

func (t *GraphQL) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "none"
	part := ""
	if len(x.Segments) == 2 {
		part = x.Segments[1]
	}
	text, file := part == "schema.graphql", t.editor.Has(part)
	switch {
	case len(x.Segments) != 1 && !text && !file:
		x.NotFound()
	case x.Ctx.IsOptions():
		x.Options(allow)
	case (text || file) && x.Method() != fasthttp.MethodGet:
		x.NotAllowed("GET, HEAD, OPTIONS")
	case text:
		t.text(x)
	case file:
		t.editor.File(x, part)
	case websocket.FastHTTPIsWebSocketUpgrade(x.Ctx):
		t.socket(x)
	case x.Ctx.IsPut():
		t.reserve(x)
	case x.Ctx.IsDelete():
		t.giveUp(x)
	case x.Method() == fasthttp.MethodGet && opensSingle(x):
		t.attach(x)
	case x.Method() == fasthttp.MethodGet && !x.Ctx.QueryArgs().Has("query") && !x.Ctx.QueryArgs().Has("extensions") && strings.Contains(x.Header("Accept"), "text/html"):
		t.editor.Page(x)
	default:
		r := &request{t: t, x: x}
		r.serve()
	}
}

// caller is who asks, on which project, with which schema.
type caller struct {
	project *gateway.Project
	who     *mesh.Principal
	header  mesh.Header
	view    *view
}

// project is the one that a request names.
func (t *GraphQL) project(x *httpserver.Exchange) (*gateway.Project, error) {
	slug, err := x.NamedProject()
	if err != nil {
		return nil, err
	}
	if slug == "" {
		slug = gateway.DefaultProject
	}
	p, err := t.door.Projects.Find(slug)
	if err == nil {
		x.LogProject = p.Slug
	}
	return p, err
}

// enter identifies the caller. Errors: UNKNOWN_PROJECT, those of door.Enter,
// UNAUTHORIZED and FORBIDDEN for who may do nothing here.
func (t *GraphQL) enter(x *httpserver.Exchange) (c caller, err error) {
	if c.project, err = t.project(x); err != nil {
		return c, err
	}
	if c.header, c.who, err = t.door.Enter(x, c.project.Version); err != nil {
		return c, err
	}
	c.view, err = t.viewOf(c.project, c.who)
	return c, err
}

// viewOf is what a principal sees of a project.
func (t *GraphQL) viewOf(p *gateway.Project, who *mesh.Principal) (*view, error) {
	may := gateway.ViewOf(who, p, Transport)
	if !may.Read && !may.Write {
		return nil, access.Check(who, access.Ask{ProjectID: p.ID, Project: p.Slug, Class: mesh.Read, Transport: Transport})
	}
	guard, err := access.GuardFor(p.Catalog, who)
	if err != nil {
		return nil, err
	}
	k := viewKey{id: p.ID, version: p.Version, read: may.Read, write: may.Write}
	v := sdl.View{View: may}
	if guard != nil {
		v.Readable = guard.Readable
		var names strings.Builder
		for _, e := range p.Catalog.Entities {
			names.WriteString(guard.View(e) + ";")
		}
		k.hidden = names.String()
	}
	made, ok := t.views.get(k)
	if !ok {
		t.making.Lock()
		if made, ok = t.views.get(k); !ok {
			made = &view{key: k, plans: newCache[planKey, *plan.Plan](planBytes)}
			t.views.put(k, made, 0)
		}
		t.making.Unlock()
	}
	made.once.Do(func() {
		made.schema, made.err = build(p.Catalog, v)
		t.keep(made)
	})
	return made, made.err
}

// keep weighs a view anew, with the plans that it has now. One that weighs more
// than a generation has one to itself.
func (t *GraphQL) keep(v *view) {
	n := v.plans.held()
	if v.schema != nil {
		n += schemaFactor * len(v.schema.Text)
	}
	t.views.put(v.key, v, min(n, viewBytes))
}

// schemaFactor is how many bytes of memory a byte of a schema's text comes to.
const schemaFactor = 25

func build(c *schema.Catalog, v sdl.View) (*sdl.Schema, error) {
	s, err := sdl.Build(c, v)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the GraphQL schema could not be made")
	}
	return s, nil
}

// compile returns the plan of a document, which may alias a buffer.
func (t *GraphQL) compile(c *caller, query, name string) (*plan.Plan, []plan.Problem) {
	if p, ok := c.view.plans.get(planKey{name, query}); ok {
		return p, nil
	}
	query, name = strings.Clone(query), strings.Clone(name)
	p, problems := plan.Compile(c.view.schema, query, name, t.Limits, c.who != nil && c.who.Kind != mesh.Anonymous)
	if problems == nil {
		c.view.plans.put(planKey{name, query}, p, p.Weight)
		t.keep(c.view)
	}
	return p, problems
}

// bind coerces an operation's variables and holds it to the limit of its cost.
// Errors: INVALID_REQUEST.
func (t *GraphQL) bind(p *plan.Plan, variables *fastjson.Value) (*plan.Vars, error) {
	vars, err := p.Bind(variables)
	if err != nil {
		return nil, err
	}
	if n := p.Cost(vars); n > t.Limits.Cost {
		return nil, fault.New(fault.InvalidRequest, "the reply could have about %d values; %d is the limit: ask for fewer fields, or give relations and lists a limit", n, t.Limits.Cost)
	}
	return vars, nil
}

// text serves /graphql/schema.graphql.
func (t *GraphQL) text(x *httpserver.Exchange) {
	x.Op = "schema"
	c, err := t.enter(x)
	if err != nil {
		x.Fail(err)
		return
	}
	door.Describe(x, "text/plain; charset=utf-8", []byte(c.view.schema.Text), `"`+c.view.schema.Tag+`"`)
}
