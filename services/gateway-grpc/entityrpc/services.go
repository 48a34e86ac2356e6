package entityrpc

import (
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/protofile"
	"github.com/octomesh/octomesh/pkg/protofile/codec"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// Transport is the name in scopes, logs and metrics.
const Transport = "grpc"

// Services serves the entities of all projects.
type Services struct {
	*rpc.Entrance
	// Pause is after how long an idle Watch is told its position, Taking how long a
	// client may take nothing of one.
	Pause, Taking time.Duration

	mu       sync.RWMutex
	compiled map[string]*project // by slug
}

// New returns the services behind an entrance.
func New(e *rpc.Entrance) *Services {
	return &Services{Entrance: e, Pause: 15 * time.Second, Taking: 10 * time.Second, compiled: map[string]*project{}}
}

// project is what was compiled for one version of a project.
type project struct {
	of    *gateway.Project
	codec *codec.Codec
	mu    sync.Mutex
	views map[mesh.View]*described
}

// project returns what is compiled for p, compiling it where it is new. Of a
// project only the newest version is kept.
func (s *Services) project(p *gateway.Project) *project {
	s.mu.RLock()
	c := s.compiled[p.Slug]
	s.mu.RUnlock()
	if c != nil && c.of == p {
		return c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c = s.compiled[p.Slug]; c != nil && c.of == p {
		return c
	}
	c = &project{
		of: p, codec: codec.New(protofile.New(p.Catalog, p.Numbers, mesh.View{Read: true, Write: true})),
		views: map[mesh.View]*described{},
	}
	for slug := range s.compiled {
		if s.Projects.Get(slug) == nil {
			delete(s.compiled, slug)
		}
	}
	s.compiled[p.Slug] = c
	return c
}

const prefix = "/" + protofile.Package + "."

// Handle serves every method that no generated service has; it is a
// grpc.StreamHandler. Nothing is received from nobody: a message may be large.
// Errors: UNKNOWN_OP, UNKNOWN_ENTITY, INVALID_REQUEST, those of Somebody
// and of Choose, of the codec and of the mesh.
func (s *Services) Handle(srv any, ss grpc.ServerStream) error {
	path, _ := grpc.MethodFromServerStream(ss)
	service, method, ok := strings.Cut(strings.TrimPrefix(path, prefix), "/")
	if !ok || !strings.HasPrefix(path, prefix) {
		return rpc.Unknown(srv, ss)
	}
	ctx := ss.Context()
	c, err := s.Somebody(ctx, Transport)
	if err != nil {
		return err
	}
	var in rpc.Message
	if err := ss.RecvMsg(&in); errors.Is(err, io.EOF) {
		return fault.New(fault.InvalidRequest, "the call ended without a message")
	} else if err != nil {
		return err
	}
	defer in.Free()
	if service == protofile.EntityService {
		return s.generic(ss, c, method, in.Bytes)
	}
	if err := s.Choose(ctx, c, ""); err != nil {
		return err
	}
	m := s.project(c.Project).codec.Method(path)
	if m == nil {
		return s.unknown(c, service)
	}
	x := rpc.ExchangeOf(ctx)
	x.Op, x.Entity = m.Op, m.Service.Entity
	switch m.Op {
	case protofile.OpWatch:
		return s.watch(ss, c, m, in.Bytes)
	case "stream":
		return s.stream(ss, c, m, in.Bytes)
	}
	return s.unary(ss, c, m, in.Bytes)
}

// unknown answers a call of a method that the project does not have. Who may not
// use the project is told that, and nothing of what it has.
func (s *Services) unknown(c *rpc.Caller, service string) error {
	if err := allowed(c); err != nil {
		return err
	}
	name := strings.TrimSuffix(service, "Service")
	if e := c.Project.Catalog.Entity(name); e == nil {
		return fault.New(fault.UnknownEntity, "the project has no such service; server reflection lists all")
	}
	return fault.New(fault.UnknownOp, "the service has no such method; server reflection lists all")
}

// allowed tells whether the caller may do anything with the project.
// Errors: those of access.Check.
func allowed(c *rpc.Caller) error {
	var err error
	for _, class := range []mesh.Class{mesh.Write, mesh.Read} {
		err = access.Check(c.Principal, access.Ask{ProjectID: c.Project.ID, Project: c.Project.Slug, Class: class, Transport: Transport})
		if err == nil {
			return nil
		}
	}
	return err
}
