package flight

import (
	"slices"
	"testing"

	af "github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/gateway/scripted"
)

// TestFlightsReadable: a flight has the columns that policies leave, and no others.
func TestFlightsReadable(t *testing.T) {
	projects, err := scripted.Projects("default")
	if err != nil {
		t.Fatal(err)
	}
	p := projects.Get("default")
	guard, err := access.Compile(p.Catalog, []access.Policy{{Entity: "Product", Hidden: []string{"price"}}})
	if err != nil {
		t.Fatal(err)
	}
	list := flights(p, guard.Readable)
	for _, e := range p.Catalog.Entities {
		one, n := protowire.ConsumeBytes(list)
		if n < 0 {
			t.Fatal("there are too few flights")
		}
		list = list[n:]
		var info af.FlightInfo
		if err := proto.Unmarshal(one, &info); err != nil {
			t.Fatal(err)
		}
		s, err := af.DeserializeSchema(info.Schema, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, m := range e.Members {
			if e.Name != "Product" || m.Name != "price" {
				want = append(want, m.Name)
			}
		}
		for _, f := range s.Fields() {
			got = append(got, f.Name)
		}
		if !slices.Equal(got, want) || e.Name == "Product" && len(got) != len(e.Members)-1 {
			t.Errorf("%s: %v, want %v", e.Name, got, want)
		}
	}
}
