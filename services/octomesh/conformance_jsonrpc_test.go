package octomesh

import "testing"

// TestConformanceJSONRPC: two clients of other projects, and OpenRPC's own meta
// schema.
func TestConformanceJSONRPC(t *testing.T) {
	s := serve(t, "")
	for _, script := range []string{"json-rpc-2.0", "jayson", "openrpc"} {
		t.Run(script, func(t *testing.T) { scenarios(t, s, "jsonrpc/"+script+".mjs") })
	}
}
