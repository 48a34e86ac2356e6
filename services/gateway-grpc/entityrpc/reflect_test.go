package entityrpc_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/octomesh/octomesh/pkg/gateway/scripted"
)

// reflected asks one question of the reflection service.
func (h *house) reflected(ctx context.Context, in *reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
	h.t.Helper()
	s, err := reflectionv1.NewServerReflectionClient(h.cc).ServerReflectionInfo(ctx)
	check(h.t, err)
	check(h.t, s.Send(in))
	check(h.t, s.CloseSend())
	out, err := s.Recv()
	if err == nil {
		_, _ = s.Recv()
	}
	return out, err
}

var list = &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}

func symbol(name string) *reflectionv1.ServerReflectionRequest {
	return &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}}
}

func TestReflection(t *testing.T) {
	h := open(t)
	names := func(key string) string {
		out, err := h.reflected(as(t.Context(), key), list)
		check(t, err)
		var all []string
		for _, s := range out.GetListServicesResponse().Service {
			all = append(all, s.Name)
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	const own = "grpc.health.v1.Health grpc.reflection.v1.ServerReflection grpc.reflection.v1alpha.ServerReflection"
	const entities = " mostajs.EntityService mostajs.MakerService mostajs.ProductService"
	for key, want := range map[string]string{scripted.Key: own + entities, scripted.Reader: own + entities, "": own} {
		if got := names(key); got != want {
			t.Errorf("%s: %s", key, got)
		}
	}
	if _, err := h.reflected(as(t.Context(), "wrong"), list); status.Code(err) != codes.Unauthenticated {
		t.Error(err)
	}
	for _, c := range []struct {
		key, symbol string
		found       bool
	}{
		{scripted.Key, "mostajs.ProductService", true},
		{scripted.Key, "mostajs.ProductService.Create", true},
		{scripted.Key, "mostajs.Product", true},
		{scripted.Key, "mostajs.Product.title", true},
		{scripted.Key, "mostajs.Product.secret", false},
		{scripted.Key, "mostajs.Nothing", false},
		{scripted.Key, "grpc.health.v1.Health", true},
		{scripted.Reader, "mostajs.ProductService.FindAll", true},
		{scripted.Reader, "mostajs.ProductService.Create", false},
		{"", "mostajs.ProductService", false},
		{"", "mostajs", false},
	} {
		out, err := h.reflected(as(t.Context(), c.key), symbol(c.symbol))
		check(t, err)
		files := out.GetFileDescriptorResponse()
		if (files != nil) != c.found {
			t.Errorf("%s for %s: %v", c.symbol, c.key, out)
		}
		if files == nil || !strings.HasPrefix(c.symbol, "mostajs.") {
			continue
		}
		var d descriptorpb.FileDescriptorProto
		check(t, proto.Unmarshal(files.FileDescriptorProto[0], &d))
		if _, err := protodesc.NewFile(&d, nil); err != nil {
			t.Error(err)
		}
		if s := d.String(); c.key == scripted.Reader && strings.Contains(s, "Upsert") || strings.Contains(s, "secret") {
			t.Errorf("%s sees too much", c.key)
		}
	}
	// The older version of the protocol.
	s, err := reflectionv1alpha.NewServerReflectionClient(h.cc).ServerReflectionInfo(as(t.Context(), scripted.Key, "x-project", "shop"))
	check(t, err)
	//lint:ignore SA1019 many clients know this version alone
	check(t, s.Send(&reflectionv1alpha.ServerReflectionRequest{MessageRequest: &reflectionv1alpha.ServerReflectionRequest_FileByFilename{FileByFilename: "mostajs/shop.proto"}}))
	out, err := s.Recv()
	check(t, err)
	//lint:ignore SA1019 as above
	if len(out.GetFileDescriptorResponse().GetFileDescriptorProto()) != 1 {
		t.Errorf("%v", out)
	}
	check(t, s.CloseSend())
	_, _ = s.Recv()
}

func TestHealth(t *testing.T) {
	h := open(t)
	c := healthv1.NewHealthClient(h.cc)
	for _, q := range []struct {
		key, name string
		code      codes.Code
	}{
		{"", "", codes.OK},
		{"", "grpc.health.v1.Health", codes.OK},
		{"", "mostajs.ProductService", codes.NotFound},
		{scripted.Key, "mostajs.ProductService", codes.OK},
		{scripted.Key, "mostajs.ThingService", codes.NotFound},
		{"wrong", "mostajs.ProductService", codes.Unauthenticated},
	} {
		out, err := c.Check(as(t.Context(), q.key), &healthv1.HealthCheckRequest{Service: q.name})
		if status.Code(err) != q.code || err == nil && out.Status != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("%+v: %v %v", q, out, err)
		}
	}
	s, err := c.Watch(t.Context(), &healthv1.HealthCheckRequest{})
	check(t, err)
	unknown, err := c.Watch(t.Context(), &healthv1.HealthCheckRequest{Service: "mostajs.ThingService"})
	check(t, err)
	next := func(s healthv1.Health_WatchClient, want healthv1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if out, err := s.Recv(); err != nil || out.Status != want {
			t.Errorf("%v %v", out, err)
		}
	}
	next(s, healthv1.HealthCheckResponse_SERVING)
	next(unknown, healthv1.HealthCheckResponse_SERVICE_UNKNOWN)
	close(h.stop)
	next(s, healthv1.HealthCheckResponse_NOT_SERVING)
	out, err := c.Check(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil || out.Status != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Error(out, err)
	}
}

// TestHealthBeforeReady: who watches from the start is told when calls can come.
func TestHealthBeforeReady(t *testing.T) {
	h := open(t)
	ready := make(chan struct{})
	h.services.Ready = ready
	s, err := healthv1.NewHealthClient(h.cc).Watch(t.Context(), &healthv1.HealthCheckRequest{})
	check(t, err)
	for _, want := range []healthv1.HealthCheckResponse_ServingStatus{healthv1.HealthCheckResponse_NOT_SERVING, healthv1.HealthCheckResponse_SERVING} {
		if out, err := s.Recv(); err != nil || out.Status != want {
			t.Fatalf("%v %v, want %v", out, err, want)
		}
		if want == healthv1.HealthCheckResponse_NOT_SERVING {
			close(ready)
		}
	}
}

// TestGenericMethod: the methods of EntityService are described without a project,
// which the message names.
func TestGenericMethod(t *testing.T) {
	h := open(t)
	check(t, h.projects.Apply("default", nil, true))
	m, err := h.services.Method(t.Context(), "/mostajs.EntityService/Execute")
	if err != nil || m == nil || m.Input().Name() != "ExecuteRequest" {
		t.Error(m, err)
	}
	if m, err = h.services.Method(t.Context(), "/mostajs.EntityService/Fly"); m != nil || err != nil {
		t.Error(m, err)
	}
}

// TestReflectionGoesOn: an open stream tells of the newest schema, and ends with
// the caller's rights and with the server.
func TestReflectionGoesOn(t *testing.T) {
	for want, end := range map[string]func(*house){
		"UNAUTHORIZED": func(h *house) { h.hub.Revoke("k:AAAAAAAA") },
		"UNAVAILABLE":  func(h *house) { close(h.stop) },
	} {
		h := open(t)
		s, err := reflectionv1.NewServerReflectionClient(h.cc).ServerReflectionInfo(as(t.Context(), scripted.Key))
		check(t, err)
		knows := func(name string) bool {
			t.Helper()
			check(t, s.Send(symbol(name)))
			out, err := s.Recv()
			check(t, err)
			return out.GetFileDescriptorResponse() != nil
		}
		if !knows("mostajs.ProductService") || knows("mostajs.NoteService") {
			t.Error("another schema")
		}
		check(t, h.projects.Apply("default", []byte(`{"id":"id-default","slug":"default","version":"v2","schemas":[{"name":"Note","collection":"notes","fields":{"text":"string"}}]}`), false))
		if knows("mostajs.ProductService") || !knows("mostajs.NoteService") {
			t.Error("the schema of before")
		}
		end(h)
		if _, err := s.Recv(); reason(err) != want || h.hub.Len() > 0 {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
