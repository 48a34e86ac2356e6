package octomesh

import "testing"

// TestConformanceGRPC: the clients of gRPC and of Connect for Node.
func TestConformanceGRPC(t *testing.T) {
	s := serve(t, "")
	for _, script := range []string{"grpc/grpc-js.mjs", "grpc/connect.mjs"} {
		t.Run(script, func(t *testing.T) { scenarios(t, s, script, "OCTOMESH_GRPC="+s.GRPC) })
	}
}
