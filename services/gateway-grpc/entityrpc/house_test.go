package entityrpc_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/gateway/scripted"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/protofile"
	"github.com/octomesh/octomesh/services/gateway-grpc/entityrpc"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is the door with a scripted house around it, and a client whose messages
// are built from the descriptor.
type house struct {
	t        testing.TB
	mesh     *scripted.Mesh
	identity *scripted.Identity
	feed     *scripted.Feed
	hub      *live.Hub
	projects *gateway.Projects
	services *entityrpc.Services
	server   *grpc.Server
	ready    chan struct{}
	stop     chan struct{}
	addr     string
	cc       *grpc.ClientConn
	file     protoreflect.FileDescriptor
}

func open(t testing.TB, options ...grpc.DialOption) *house {
	t.Helper()
	projects, err := scripted.Projects("default", "shop", "shop-2")
	check(t, err)
	h := &house{t: t, mesh: &scripted.Mesh{}, identity: &scripted.Identity{}, feed: scripted.NewFeed(), projects: projects, ready: make(chan struct{}), stop: make(chan struct{})}
	close(h.ready)
	h.hub = live.NewHub(h.identity, h.feed)
	h.services = entityrpc.New(&rpc.Entrance{
		Caller: h.mesh, Identity: h.identity, Projects: projects, Hub: h.hub, Rates: access.NewLimiter(),
		Log: slog.New(slog.DiscardHandler), Timeout: 10 * time.Second, Ready: h.ready, Stopping: h.stop,
	})
	h.server = rpc.NewServer(h.services.Entrance, h.services.Handle)
	h.services.Register(h.server)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	h.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(ln) }()
	h.cc, err = grpc.NewClient(h.addr, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	check(t, err)
	t.Cleanup(func() {
		check(t, h.cc.Close())
		h.server.Stop()
		check(t, <-served)
	})
	h.describe(gateway.DefaultProject)
	return h
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// describe makes the client's messages those of a project.
func (h *house) describe(slug string) {
	h.t.Helper()
	p := h.projects.Get(slug)
	var err error
	h.file, err = protofile.New(p.Catalog, p.Numbers, mesh.View{Read: true, Write: true}).Compile("p.proto")
	check(h.t, err)
}

func (h *house) message(name protoreflect.Name, text string) *dynamicpb.Message {
	h.t.Helper()
	m := dynamicpb.NewMessage(h.file.Messages().ByName(name))
	check(h.t, prototext.Unmarshal([]byte(text), m))
	return m
}

func as(ctx context.Context, key string, pairs ...string) context.Context {
	if key != "" {
		pairs = append(pairs, "x-api-key", key)
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

func (h *house) method(service, name protoreflect.Name) protoreflect.MethodDescriptor {
	h.t.Helper()
	m := h.file.Services().ByName(service).Methods().ByName(name)
	if m == nil {
		h.t.Fatalf("there is no %s.%s", service, name)
	}
	return m
}

func path(m protoreflect.MethodDescriptor) string {
	return "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
}

// ask calls a method with a message written as text.
func (h *house) ask(ctx context.Context, service, name protoreflect.Name, text string, options ...grpc.CallOption) (*dynamicpb.Message, error) {
	h.t.Helper()
	m := h.method(service, name)
	out := dynamicpb.NewMessage(m.Output())
	return out, h.cc.Invoke(ctx, path(m), h.message(m.Input().Name(), text), out, options...)
}

// follow opens a stream.
func (h *house) follow(ctx context.Context, service, name protoreflect.Name, text string) *stream {
	h.t.Helper()
	m := h.method(service, name)
	cs, err := h.cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path(m))
	check(h.t, err)
	check(h.t, cs.SendMsg(h.message(m.Input().Name(), text)))
	check(h.t, cs.CloseSend())
	return &stream{cs, m.Output()}
}

type stream struct {
	grpc.ClientStream
	of protoreflect.MessageDescriptor
}

func (s *stream) next() (*dynamicpb.Message, error) {
	out := dynamicpb.NewMessage(s.of)
	return out, s.RecvMsg(out)
}

// reason is the fault's code in an error, "" for nil.
func reason(err error) string {
	if err == nil {
		return ""
	}
	if info := infoOf(err); info != nil {
		return info.Reason
	}
	return "no reason: " + err.Error()
}

func infoOf(err error) *errdetails.ErrorInfo {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info
		}
	}
	return nil
}
