package store_test

import (
	"testing"

	"github.com/octomesh/octomesh/pkg/mesh"
)

// A reply that was given back leaves nothing of itself in the next one, whatever
// both were.
func TestReplyGivenBack(t *testing.T) {
	s := shopOf(t, 50)
	calls := []struct{ op, args string }{
		{"findAll", `{"filter":{"stock":{"$gte":10}},"sort":{"created":-1},"limit":20}`},
		{"findById", `{"id":"i5"}`},
		{"findById", `{"id":"nobody"}`},
		{"count", `{}`},
		{"findAll", `{"limit":3,"count":true,"relations":["maker"]}`},
		{"aggregate", `{"stages":[{"$group":{"_by":"maker","n":{"$count":true}}}]}`},
		{"findAll", `{"filter":{"id":"nobody"}}`},
	}
	want := make([]mesh.Reply, len(calls))
	for i, c := range calls {
		want[i] = *ask(t, s, "Item", c.op, c.args) // never given back
	}
	for i := range 3 * len(calls) * len(calls) {
		before, c := calls[i%len(calls)], calls[i/len(calls)%len(calls)]
		served(t, s, "Item", before.op, before.args)
		r, w := ask(t, s, "Item", c.op, c.args), want[i/len(calls)%len(calls)]
		if string(r.Body) != string(w.Body) || r.Version != w.Version || r.Position != w.Position {
			t.Fatalf("%s %s after %s %s: %s, before %s", c.op, c.args, before.op, before.args, r.Body, w.Body)
		}
		r.Release()
	}
}
