package octomesh

import "testing"

// TestConformanceGraphQL: the audits of the GraphQL over HTTP draft and
// graphql-js, which reads the schema.
func TestConformanceGraphQL(t *testing.T) {
	s := serve(t, "")
	for _, script := range []string{"audit", "schema"} {
		t.Run(script, func(t *testing.T) { scenarios(t, s, "graphql/"+script+".mjs") })
	}
}
