package entityrpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// reflector serves each stream with what its caller may see. The protocol itself
// is the library's.
type reflector struct {
	services *Services
	server   *grpc.Server
}

// ServerReflectionInfo implements grpc.reflection.v1.
func (r *reflector) ServerReflectionInfo(stream reflectionv1.ServerReflection_ServerReflectionInfoServer) error {
	return r.serve(stream.Context(), func(s *sight, o reflection.ServerOptions) error {
		return reflection.NewServerV1(o).ServerReflectionInfo(asked{stream, s})
	})
}

// alpha is the reflector for clients of grpc.reflection.v1alpha.
type alpha struct{ *reflector }

// ServerReflectionInfo implements grpc.reflection.v1alpha.
func (r alpha) ServerReflectionInfo(stream reflectionv1alpha.ServerReflection_ServerReflectionInfoServer) error {
	return r.serve(stream.Context(), func(s *sight, o reflection.ServerOptions) error {
		return reflection.NewServer(o).ServerReflectionInfo(askedAlpha{stream, s})
	})
}

// serve has f serve a stream as long as its caller and the server are there.
func (r *reflector) serve(ctx context.Context, f func(*sight, reflection.ServerOptions) error) error {
	c, err := r.services.Enter(ctx, Transport, "")
	if err != nil {
		return err
	}
	s := &sight{reflector: r, caller: c, client: r.services.Hub.Add(c.Credential, c.Principal, c.Header.Token)}
	defer s.client.Remove()
	return f(s, reflection.ServerOptions{Services: s, DescriptorResolver: s})
}

// sight is what the caller of a stream sees, looked at again for each question.
type sight struct {
	*reflector
	caller *rpc.Caller
	client *live.Conn
	seen   *described
}

// look takes the newest schema and rights. Errors: UNAUTHORIZED, UNAVAILABLE,
// UNKNOWN_PROJECT.
func (s *sight) look(ctx context.Context) error {
	select {
	case e := <-s.client.Ended():
		return over(e)
	default:
	}
	if e, ok := s.client.Check(ctx, time.Now()); !ok {
		return over(e)
	}
	p, err := s.services.Projects.Find(s.caller.Project.Slug)
	if err != nil {
		return err
	}
	s.seen, err = s.services.project(p).describe(gateway.ViewOf(s.client.Principal(), p, Transport))
	return err
}

// over is the end of a stream that has no position.
func over(e live.Ending) error {
	if e.Reason == "shutdown" {
		return fault.New(e.Code, "the server stops: ask again")
	}
	return fault.New(e.Code, "%s", endings[e.Reason])
}

// question receives the next one, until the stream is to end. What it leaves
// behind ends with the handler.
func question[Q any](ctx context.Context, s *sight, receive func() (Q, error)) (q Q, err error) {
	came := make(chan struct{})
	var in Q
	var failed error
	go func() {
		defer close(came)
		in, failed = receive()
	}()
	select {
	case <-came:
		if failed != nil {
			return q, failed
		}
		return in, s.look(ctx)
	case e := <-s.client.Ended():
		return q, over(e)
	case <-s.services.Stopping:
		return q, over(live.Ending{Reason: "shutdown", Code: fault.Unavailable})
	}
}

// asked is a stream whose questions come by way of its sight.
type asked struct {
	reflectionv1.ServerReflection_ServerReflectionInfoServer
	sight *sight
}

// Recv implements reflectionv1.ServerReflection_ServerReflectionInfoServer.
func (a asked) Recv() (*reflectionv1.ServerReflectionRequest, error) {
	return question(a.Context(), a.sight, a.ServerReflection_ServerReflectionInfoServer.Recv)
}

// askedAlpha is asked for the older version.
type askedAlpha struct {
	reflectionv1alpha.ServerReflection_ServerReflectionInfoServer
	sight *sight
}

// Recv implements reflectionv1alpha.ServerReflection_ServerReflectionInfoServer.
//
//lint:ignore SA1019 many clients know this version alone
func (a askedAlpha) Recv() (*reflectionv1alpha.ServerReflectionRequest, error) {
	return question(a.Context(), a.sight, a.ServerReflection_ServerReflectionInfoServer.Recv)
}

// GetServiceInfo implements reflection.ServiceInfoProvider: the names of all
// services.
func (s *sight) GetServiceInfo() map[string]grpc.ServiceInfo {
	all := s.server.GetServiceInfo()
	for _, name := range s.seen.services {
		all[name] = grpc.ServiceInfo{}
	}
	return all
}

// FindFileByPath implements protodesc.Resolver: the caller's file, and those of
// generated services.
func (s *sight) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	if s.seen.file != nil && s.seen.file.Path() == path {
		return s.seen.file, nil
	}
	return protoregistry.GlobalFiles.FindFileByPath(path)
}

// FindDescriptorByName implements protodesc.Resolver.
func (s *sight) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if d := find(s.seen.file, name); d != nil {
		return d, nil
	}
	return protoregistry.GlobalFiles.FindDescriptorByName(name)
}

var _ protodesc.Resolver = (*sight)(nil)
