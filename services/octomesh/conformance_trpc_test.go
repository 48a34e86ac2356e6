package octomesh

import "testing"

// TestConformanceTRPC: tRPC's own client over all of its HTTP links, with
// superjson, and TypeScript over the generated declarations.
func TestConformanceTRPC(t *testing.T) {
	s := serve(t, "")
	for _, script := range []string{"links", "subscription", "superjson", "types"} {
		t.Run(script, func(t *testing.T) { scenarios(t, s, "trpc/"+script+".mjs") })
	}
}
