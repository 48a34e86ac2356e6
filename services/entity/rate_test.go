package entity

import (
	"context"
	"testing"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

type rated struct{}

func (rated) Caller(context.Context, *mesh.Header) (*mesh.Principal, error) {
	return &mesh.Principal{ID: "k:a", Kind: mesh.Key, Rate: mesh.Rate{Calls: 2, Seconds: 3600, Burst: 2}}, nil
}

// A worker counts the calls of native clients, which no gateway has counted, and
// those alone.
func TestRateOfNativeClients(t *testing.T) {
	s := &Service{identity: rated{}, rates: access.NewLimiter()}
	call := func(h mesh.Header) error {
		_, err := s.identified(mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
			return &mesh.Reply{}, nil
		})).Call(t.Context(), &mesh.Request{Header: h})
		return err
	}
	for range 5 {
		if err := call(mesh.Header{Transport: "rest", Token: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := call(mesh.Header{Native: "k:a"}); err != nil {
			t.Fatal(err)
		}
	}
	err := call(mesh.Header{Native: "k:a"})
	if f := fault.From(err); f == nil || f.Code != fault.RateLimited || f.RetryAfter.Minutes() < 29 {
		t.Fatalf("%v", err)
	}
	if _, err := s.discover(t.Context(), mesh.Header{Native: "k:a"}); fault.CodeOf(err) != fault.RateLimited {
		t.Fatalf("discover: %v", err)
	}
	if err := call(mesh.Header{Transport: "rest", Token: "x"}); err != nil {
		t.Fatal("it counted what a gateway had counted:", err)
	}
}
