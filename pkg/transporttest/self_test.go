package transporttest_test

import (
	"context"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/transporttest"
)

// TestNoTransportAtAll runs the suite over the plainest transport, a function
// call, so that a case which cannot pass anywhere is found here.
func TestNoTransportAtAll(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{Name: "call", Lacks: map[string]string{"retryAfter": "a body has no place for it, headers carry it"}, Serve: func(_ *testing.T, behind mesh.Caller) mesh.Caller {
		return mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
			reply, err := behind.Call(ctx, r)
			if err != nil {
				return nil, fault.ParseReply(fault.From(err).AppendReply(nil))
			}
			return reply, nil
		})
	}})
}
