package entityrpc_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	"github.com/octomesh/octomesh/pkg/gateway/scripted"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// BenchmarkFindByID is a unary call over a connection of its own, the client in the
// same process included; the mesh answers at once.
func BenchmarkFindByID(b *testing.B) {
	h := open(b, grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
	body := []byte(`{"status":"ok","data":{"id":"p1","_version":3,"title":"Chair","price":12.5,"stock":42,"active":null,"added":"2026-01-02T03:04:05.000Z","tags":["a"],"meta":{"x":[1]},"maker":"m1","createdAt":"2026-01-02T03:04:05.000Z","updatedAt":"2026-01-02T03:04:05.000Z","deletedAt":null}}`)
	caller := h.services.Entrance
	caller.Caller = mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: body, Version: 3}, nil
	})
	ctx := as(b.Context(), scripted.Key)
	in := raw("\x0a\x02p1")
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var out raw
			if err := h.cc.Invoke(ctx, "/mostajs.ProductService/FindById", in, &out); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkStream is records of an endless stream, one message each.
func BenchmarkStream(b *testing.B) {
	h := open(b, grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
	h.mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: &endless{closed: make(chan struct{})}}, nil
	})
	ctx, cancel := context.WithCancel(as(b.Context(), scripted.Key))
	defer cancel()
	s, err := h.cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/mostajs.ProductService/Stream")
	check(b, err)
	check(b, s.SendMsg(raw("")))
	check(b, s.CloseSend())
	b.SetBytes(1024)
	b.ReportAllocs()
	for b.Loop() {
		var out raw
		check(b, s.RecvMsg(&out))
	}
}
