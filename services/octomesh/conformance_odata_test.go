package octomesh

import "testing"

// TestConformanceOData: two clients of other projects, and a generator of query
// options, each on the records of a server of its own.
func TestConformanceOData(t *testing.T) {
	nodejs(t)
	for _, script := range []string{"client", "o", "query"} {
		t.Run(script, func(t *testing.T) { scenarios(t, odataLibrary(t), "odata/"+script+".mjs") })
	}
}
