package octomesh

import "testing"

// TestConformanceGraphQL: the audits of the GraphQL over HTTP draft, graphql-js,
// which reads the schema, and the clients of graphql-ws and graphql-sse.
func TestConformanceGraphQL(t *testing.T) {
	s := serve(t, "")
	for _, script := range []string{"audit", "schema", "ws", "sse"} {
		t.Run(script, func(t *testing.T) { scenarios(t, s, "graphql/"+script+".mjs") })
	}
}
