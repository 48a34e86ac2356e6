package openapi

import (
	"encoding/json"
	"sync"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// Version is the version of the specification that descriptions follow.
const Version = "3.1.0"

type key struct {
	slug, id, version string
	view              mesh.View
}

// maxKept bounds the descriptions in memory.
const maxKept = 64

// OpenAPI serves /openapi.json.
type OpenAPI struct {
	door *door.Door
	mu   sync.Mutex
	made map[key][]byte
}

// New returns the route.
func New(d *door.Door) *OpenAPI { return &OpenAPI{door: d, made: map[key][]byte{}} }

// Mount adds it.
func (o *OpenAPI) Mount(m *httpserver.Mux) { m.Scoped("openapi.json", o.serve) }

func (o *OpenAPI) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = "rest", "openapi"
	switch {
	case len(x.Segments) != 1:
		x.NotFound()
		return
	case x.Ctx.IsOptions():
		x.Options("GET, HEAD, OPTIONS")
		return
	case x.Method() != fasthttp.MethodGet:
		x.NotAllowed("GET, HEAD, OPTIONS")
		return
	}
	slug, err := x.NamedProject()
	if err != nil {
		x.Fail(err)
		return
	}
	if slug == "" {
		slug = gateway.DefaultProject
	}
	p, err := o.door.Projects.Find(slug)
	if err != nil {
		x.Fail(err)
		return
	}
	who, _, _, err := o.door.Identify(x, false)
	if err != nil {
		x.Fail(err)
		return
	}
	b, err := o.of(p, viewOf(who, p))
	if err != nil {
		x.Fail(fault.Wrap(err, fault.Internal, "the description could not be made"))
		return
	}
	x.SetHeader("Cache-Control", "private, no-cache")
	x.JSON(fasthttp.StatusOK, b)
}

func viewOf(who *mesh.Principal, p *gateway.Project) mesh.View {
	may := func(id, slug string, class mesh.Class) bool {
		return access.Check(who, access.Ask{ProjectID: id, Project: slug, Class: class, Transport: "rest"}) == nil
	}
	return mesh.View{
		Read: may(p.ID, p.Slug, mesh.Read), Write: may(p.ID, p.Slug, mesh.Write), Admin: may("_system", "_system", mesh.Admin),
	}
}

func (o *OpenAPI) of(p *gateway.Project, v mesh.View) ([]byte, error) {
	k := key{p.Slug, p.ID, p.Version, v}
	o.mu.Lock()
	defer o.mu.Unlock()
	if b, ok := o.made[k]; ok {
		return b, nil
	}
	b, err := json.Marshal(Describe(p, v))
	if err != nil {
		return nil, err
	}
	if len(o.made) >= maxKept {
		clear(o.made)
	}
	o.made[k] = b
	return b, nil
}

// object is a JSON object; encoding/json sorts its members, so a description is
// the same bytes each time.
type object = map[string]any

// Describe makes the description of a project in a view.
func Describe(p *gateway.Project, v mesh.View) object {
	d := &description{project: p, view: v, paths: object{}, schemas: object{}}
	if p.Slug != gateway.DefaultProject {
		d.prefix = "/" + p.Slug
	}
	d.general()
	if v.Read || v.Write {
		for _, e := range p.Catalog.Entities {
			d.entity(e)
		}
		d.wholeProject()
	}
	if v.Admin {
		d.admin()
	}
	tags := []object{{"name": "server", "description": "Health, live events, tickets."}}
	if v.Read || v.Write {
		for _, e := range p.Catalog.Entities {
			tags = append(tags, object{"name": e.Name, "description": e.Description})
		}
	}
	return object{
		"openapi": Version,
		"info": object{
			"title": "Octomesh: " + p.Slug, "version": p.Version,
			"description": "Entities over REST. Every reply is {status, data, metadata}; every error is {status, error: {code, message, details}}.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers":  []object{{"url": "/"}},
		"security": []object{{"apiKey": []string{}}, {"bearer": []string{}}},
		"tags":     tags,
		"paths":    d.paths,
		"components": object{
			"securitySchemes": object{
				"apiKey": object{"type": "apiKey", "in": "header", "name": "X-API-Key"},
				"bearer": object{"type": "http", "scheme": "bearer", "description": "An API key or a user's token."},
			},
			"schemas":    d.common(),
			"parameters": parameters(),
			"responses":  failures(),
			"headers":    headers(),
		},
	}
}
