package arrowhttp

import (
	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// Transport is this protocol's name in scopes, logs and metrics.
const Transport = "arrow"

// Arrow serves /arrow.
type Arrow struct {
	door      *door.Door
	artefacts gateway.Artefacts
}

// New returns the protocol over a Door.
func New(d *door.Door) *Arrow {
	return &Arrow{door: d}
}

// Mount adds the routes.
func (t *Arrow) Mount(m *httpserver.Mux) { m.Scoped("arrow", t.serve) }

const (
	allowRead = "GET, HEAD, OPTIONS"
	allowAsk  = "GET, HEAD, POST, OPTIONS"
)

func (t *Arrow) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "none"
	project, err := t.project(x)
	if err != nil {
		x.Fail(err)
		return
	}
	x.LogProject = project.Slug
	x.Ctx.Response.Header.Add("Vary", "Accept")
	switch rest := x.Segments[1:]; {
	case len(rest) == 0 || len(rest) == 1 && rest[0] == "flights":
		t.describe(x, project, "")
	case len(rest) == 2 && rest[0] == "schema":
		t.describe(x, project, rest[1])
	case len(rest) == 2 && (rest[0] == "stream" || rest[0] == "query"):
		t.records(x, project, rest[1])
	default:
		x.NotFound()
	}
}

// project is the one that the path, X-Project or ?project= names, else the
// default one.
func (t *Arrow) project(x *httpserver.Exchange) (*gateway.Project, error) {
	named, err := x.NamedProject()
	if err != nil {
		return nil, err
	}
	if named == "" {
		named = gateway.DefaultProject
	}
	return t.door.Projects.Find(named)
}

// read lets through who may read the project over this transport.
func (t *Arrow) read(x *httpserver.Exchange, p *gateway.Project) error {
	who, _, _, err := t.door.Identify(x, false)
	if err != nil {
		return err
	}
	return access.Check(who, access.Ask{ProjectID: p.ID, Project: p.Slug, Class: mesh.Read, Transport: Transport})
}

func refuse(x *httpserver.Exchange, method, allow string) {
	if method == "OPTIONS" {
		x.Options(allow)
		return
	}
	x.NotAllowed(allow)
}

// binary reports whether the client prefers an Arrow IPC stream by name; */* is
// what every client sends, and gets JSON.
func binary(x *httpserver.Exchange) bool {
	return httpserver.Preferred(x.Header("Accept"), "application/json", columnar.ContentType) == 1
}
