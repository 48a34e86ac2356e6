package entityrpc

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/protofile"
)

// described is a project's file in one view, resolved.
type described struct {
	file     protoreflect.FileDescriptor
	services []string // full names
	err      error
}

// describe returns the project's file in a view, made once.
func (p *project) describe(view mesh.View) (*described, error) {
	view.Admin = false // nothing hangs on it
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.views[view]
	if d == nil {
		d = &described{}
		f := protofile.New(p.of.Catalog, p.of.Numbers, view)
		if d.file, d.err = f.Compile(protofile.Name(p.of.Slug)); d.err != nil {
			d.err = fault.Wrap(fmt.Errorf("project %s: %w", p.of.Slug, d.err), fault.Internal, "the proto file could not be made")
		}
		for _, s := range f.Services {
			d.services = append(d.services, protofile.Package+"."+s.Name)
		}
		p.views[view] = d
	}
	return d, d.err
}

// view returns the file that the caller of ctx may see of its project.
// Errors: those of Enter.
func (s *Services) view(ctx context.Context) (*described, error) {
	c, err := s.Enter(ctx, Transport, "")
	if err != nil {
		return nil, err
	}
	return s.project(c.Project).describe(c.View())
}

// Method describes a method for who speaks protobuf's JSON form, as the caller of
// ctx may use it; nil if there is none. Errors: those of Enter.
func (s *Services) Method(ctx context.Context, path string) (protoreflect.MethodDescriptor, error) {
	name := protoreflect.FullName(strings.Replace(strings.TrimPrefix(path, "/"), "/", ".", 1))
	var file protoreflect.FileDescriptor
	if name.Parent() == protofile.Package+"."+protofile.EntityService { // whose message may name the project
		var err error
		if file, err = anyFile(); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "the proto file could not be made")
		}
	} else {
		d, err := s.view(ctx)
		if err != nil {
			return nil, err
		}
		file = d.file
	}
	m, _ := find(file, name).(protoreflect.MethodDescriptor)
	return m, nil
}

// Streams reports whether methods of that name reply with a stream.
func (*Services) Streams(path string) bool {
	switch path[strings.LastIndexByte(path, '/')+1:] {
	case "Stream", "Watch", "ExecuteStream":
		return true
	}
	return false
}

// Register adds reflection and health to a server. What reflection shows is, of
// the caller's project, what the caller may use, and the generated services.
func (s *Services) Register(server *grpc.Server) {
	r := &reflector{services: s, server: server}
	reflectionv1.RegisterServerReflectionServer(server, r)
	reflectionv1alpha.RegisterServerReflectionServer(server, alpha{r})
	registerHealth(server, s)
}

// find looks for a message, a service, or a member of one.
func find(file protoreflect.FileDescriptor, name protoreflect.FullName) protoreflect.Descriptor {
	parent, last := name.Parent(), name.Name()
	switch {
	case file == nil:
	case parent == file.Package():
		if m := file.Messages().ByName(last); m != nil {
			return m
		}
		if s := file.Services().ByName(last); s != nil {
			return s
		}
	case parent.Parent() == file.Package():
		if m := file.Messages().ByName(parent.Name()); m != nil {
			if f := m.Fields().ByName(last); f != nil {
				return f
			}
		}
		if s := file.Services().ByName(parent.Name()); s != nil {
			if f := s.Methods().ByName(last); f != nil {
				return f
			}
		}
	}
	return nil
}
