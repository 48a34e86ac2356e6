package rest

import (
	"sync"
	"unsafe"

	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/download"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// Transport is this protocol's name in scopes, logs and metrics.
const Transport = "rest"

// REST serves /api/v1.
type REST struct {
	door  *door.Door
	files *download.Desk
	// Health answers /api/v1/health, which Octonet's clients ask.
	Health httpserver.Handler
}

// New returns the protocol over a Door.
func New(d *door.Door) *REST { return &REST{door: d, files: download.NewDesk()} }

// Mount adds the routes.
func (t *REST) Mount(m *httpserver.Mux) { m.ScopedBelow("api", "v1", t.serve) }

// request is one call while it is translated.
type request struct {
	x       *httpserver.Exchange
	project *gateway.Project
	entity  *schema.Entity // nil if the gateway's catalog lacks it
	mesh    mesh.Request
	params  params
	args    object // the request object, while it is written
	version string // If-Match as written, "" if absent
}

// requests are pooled: a Caller keeps nothing of a request after Call.
var requests = sync.Pool{New: func() any { return new(request) }}

func (r *request) release() {
	*r = request{}
	requests.Put(r)
}

func (t *REST) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "none"
	project, segments, err := t.resolve(x)
	if err != nil {
		x.Fail(err)
		return
	}
	x.LogProject = project.Slug
	if len(segments) == 0 {
		t.describe(x, project)
		return
	}
	r := requests.Get().(*request)
	defer r.release()
	r.x, r.project = x, project
	r.mesh.Project = project.Slug
	r.mesh.CatalogVersion = project.Version
	if segments[0][0] == '_' {
		t.projectOp(r, segments)
		return
	}
	if segments[0] == "health" && len(segments) == 1 && project.Catalog.Entity("health") == nil && t.Health != nil {
		x.Project = ""
		if project.Slug != gateway.DefaultProject {
			x.Project = project.Slug
		}
		t.Health(x)
		return
	}
	if r.mesh.Entity, err = project.EntityName(segments[0]); err != nil {
		x.Fail(err)
		return
	}
	if r.entity = project.Catalog.Entity(segments[0]); r.entity != nil {
		x.LogEntity = r.entity.Name
	}
	t.route(r, segments[1:])
}

// resolve finds the project and takes its name off the path. A project is named
// by the path's first segment before /api (x.Project), by X-Project or ?project=,
// or by the first segment after /api/v1 if the default project has no entity or
// collection of that name. Two that disagree are refused.
func (t *REST) resolve(x *httpserver.Exchange) (*gateway.Project, []string, error) {
	segments := x.Segments[2:]
	named, err := x.NamedProject()
	if err != nil {
		return nil, nil, err
	}
	if named != "" {
		p, err := t.door.Projects.Find(named)
		if err == nil && x.Project == "" && len(segments) > 0 && segments[0] == named && p.Catalog.Entity(named) == nil {
			segments = segments[1:]
		}
		return p, segments, err
	}
	p := t.door.Projects.Get(gateway.DefaultProject)
	if len(segments) > 0 && (p == nil || p.Catalog.Entity(segments[0]) == nil) {
		if other := t.door.Projects.Get(segments[0]); other != nil {
			return other, segments[1:], nil
		}
	}
	if p == nil {
		_, err := t.door.Projects.Find(gateway.DefaultProject)
		return nil, nil, err
	}
	return p, segments, nil
}

const (
	allowCollection = "GET, HEAD, POST, OPTIONS"
	allowRecord     = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"
	allowRead       = "GET, HEAD, OPTIONS"
	allowSearch     = "GET, HEAD, POST, OPTIONS"
	allowPost       = "POST, OPTIONS"
	allowBulk       = "PUT, DELETE, OPTIONS"
)

// route chooses the op. rest is the path behind the entity.
func (t *REST) route(r *request, rest []string) {
	method := r.x.Method()
	switch len(rest) {
	case 0:
		t.collection(r, method)
	case 1:
		t.second(r, method, rest[0])
	case 2:
		t.array(r, method, rest[0], rest[1])
	default:
		r.x.NotFound()
	}
}

func (t *REST) collection(r *request, method string) {
	switch method {
	case "GET":
		t.list(r)
	case "POST":
		t.perform(r, "create", takesRelations, "", asData)
	default:
		r.refuse(method, allowCollection)
	}
}

// second serves /c/<word> and /c/<id>; the words are no ids (schema.ValidID).
func (t *REST) second(r *request, method, word string) {
	switch word {
	case "count":
		t.only(r, method, "count", takesSum)
	case "one":
		t.only(r, method, "findOne", takesOne)
	case "stream":
		t.only(r, method, "stream", takesList)
	case "search":
		t.search(r, method)
	case "upsert":
		t.posted(r, method, "upsert", takesRelations, "")
	case "aggregate":
		t.posted(r, method, "aggregate", takesDeleted|takesPosition, "")
	case "bulk":
		t.bulk(r, method)
	case "updateMany", "deleteMany":
		if method == "POST" {
			t.posted(r, method, opName(word), 0, "")
			return
		}
		t.record(r, method, word)
	default:
		t.record(r, method, word)
	}
}

func (t *REST) only(r *request, method, op string, takes accept) {
	if method != "GET" {
		r.refuse(method, allowRead)
		return
	}
	t.perform(r, op, takes, "", nil)
}

func (t *REST) record(r *request, method, id string) {
	switch method {
	case "GET":
		t.perform(r, "findById", takesByID, id, nil)
	case "PUT", "PATCH":
		t.perform(r, "update", takesRelations, id, asData)
	case "DELETE":
		t.perform(r, "delete", 0, id, nil)
	default:
		r.refuse(method, allowRecord)
	}
}

func (t *REST) array(r *request, method, id, op string) {
	op = opName(op)
	if op != "addToSet" && op != "pull" && op != "increment" {
		r.x.NotFound()
		return
	}
	t.posted(r, method, op, takesRelations, id)
}

func (r *request) refuse(method, allow string) {
	if method == "OPTIONS" {
		r.x.Options(allow)
		return
	}
	r.x.NotAllowed(allow)
}

// opName returns the op table's own string for a word of a path, which must not
// be kept; "" if there is no such op.
func opName(word string) string {
	if op := mesh.LookupOp("", word); op != nil {
		return op.Name
	}
	return ""
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
