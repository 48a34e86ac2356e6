package graphql

import (
	"strings"
	"sync"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/live"
)

// Transport is this protocol's name in scopes, logs and metrics.
const Transport = "graphql"

// What is kept at most.
const (
	maxViews     = 64
	planBytes    = 4 << 20 // of documents whose plans are kept
	persistBytes = 4 << 20 // of documents that are known by their hash
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

	mu        sync.Mutex
	views     map[viewKey]*view
	plans     *cache[planKey, *plan.Plan]
	persisted *cache[string, string]
	upgrader  websocket.FastHTTPUpgrader
}

// viewKey is what a schema depends on.
type viewKey struct {
	id, version string
	read, write bool
	hidden      string // names the columns that policies hide
}

// view is a schema, made when it is first asked for.
type view struct {
	once   sync.Once
	schema *sdl.Schema
	err    error
}

type planKey struct {
	schema      *sdl.Schema
	name, query string
}

// New returns the protocol.
func New(d *door.Door, h *live.Hub) *GraphQL {
	return &GraphQL{
		door: d, hub: h, Limits: plan.DefaultLimits, Sockets: DefaultSockets, upgrader: upgrader(),
		views: map[viewKey]*view{}, plans: newCache[planKey, *plan.Plan](planBytes), persisted: newCache[string, string](persistBytes),
	}
}

// Mount adds the routes.
func (t *GraphQL) Mount(m *httpserver.Mux) { m.Scoped("graphql", t.serve) }

const allow = "GET, HEAD, POST, OPTIONS"

func (t *GraphQL) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "none"
	text := len(x.Segments) == 2 && x.Segments[1] == "schema.graphql"
	switch {
	case len(x.Segments) != 1 && !text:
		x.NotFound()
	case x.Ctx.IsOptions():
		x.Options(allow)
	case text && x.Method() != fasthttp.MethodGet:
		x.NotAllowed("GET, HEAD, OPTIONS")
	case text:
		t.text(x)
	case websocket.FastHTTPIsWebSocketUpgrade(x.Ctx):
		t.socket(x)
	case x.Method() == fasthttp.MethodGet && !x.Ctx.QueryArgs().Has("query") && !x.Ctx.QueryArgs().Has("extensions") && strings.Contains(x.Header("Accept"), "text/html"):
		t.page(x)
	default:
		r := &request{t: t, x: x}
		r.serve()
	}
}

// caller is who asks, on which project, with which schema.
type caller struct {
	project *door.Project
	who     *mesh.Principal
	header  mesh.Header
	schema  *sdl.Schema
}

// project is the one that a request names.
func (t *GraphQL) project(x *httpserver.Exchange) (*door.Project, error) {
	slug, err := x.NamedProject()
	if err != nil {
		return nil, err
	}
	if slug == "" {
		slug = door.DefaultProject
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
	c.schema, err = t.schemaOf(c.project, c.who)
	return c, err
}

// schemaOf is the schema that a principal sees of a project.
func (t *GraphQL) schemaOf(p *door.Project, who *mesh.Principal) (*sdl.Schema, error) {
	may := door.ViewOf(who, p, Transport)
	if !may.Read && !may.Write {
		return nil, access.Check(who, access.Ask{ProjectID: p.ID, Project: p.Slug, Class: mesh.Read, Transport: Transport})
	}
	guard, err := access.GuardFor(p.Catalog, who)
	if err != nil {
		return nil, err
	}
	k := viewKey{id: p.ID, version: p.Version, read: may.Read, write: may.Write}
	v := sdl.View{Read: may.Read, Write: may.Write}
	if guard != nil {
		v.Readable = guard.Readable
		var names strings.Builder
		for _, e := range p.Catalog.Entities {
			names.WriteString(guard.View(e) + ";")
		}
		k.hidden = names.String()
	}
	t.mu.Lock()
	made := t.views[k]
	if made == nil {
		if len(t.views) >= maxViews {
			clear(t.views)
		}
		made = &view{}
		t.views[k] = made
	}
	t.mu.Unlock()
	made.once.Do(func() { made.schema, made.err = build(p.Catalog, v) })
	return made.schema, made.err
}

func build(c *schema.Catalog, v sdl.View) (*sdl.Schema, error) {
	s, err := sdl.Build(c, v)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the GraphQL schema could not be made")
	}
	return s, nil
}

// compile returns the plan of a document, which may alias a buffer.
func (t *GraphQL) compile(c *caller, query, name string) (*plan.Plan, []plan.Problem) {
	if p, ok := t.plans.get(planKey{c.schema, name, query}); ok {
		return p, nil
	}
	query, name = strings.Clone(query), strings.Clone(name)
	p, problems := plan.Compile(c.schema, query, name, t.Limits, c.who != nil && c.who.Kind != mesh.Anonymous)
	if problems == nil {
		t.plans.put(planKey{c.schema, name, query}, p, len(query)+len(name)+256)
	}
	return p, problems
}

// text serves /graphql/schema.graphql.
func (t *GraphQL) text(x *httpserver.Exchange) {
	x.Op = "schema"
	c, err := t.enter(x)
	if err != nil {
		x.Fail(err)
		return
	}
	door.Describe(x, "text/plain; charset=utf-8", []byte(c.schema.Text), `"`+c.schema.Tag+`"`)
}
