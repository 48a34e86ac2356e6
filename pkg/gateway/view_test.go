package gateway_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// TestArtefacts: each description is made once, and one that is being made holds
// nobody up who wants another.
func TestArtefacts(t *testing.T) {
	var kept gateway.Artefacts
	one, two := &gateway.Project{ID: "1", Slug: "one", Version: "v1"}, &gateway.Project{ID: "2", Slug: "two", Version: "v1"}
	all, made := mesh.View{Read: true}, 0
	var readers sync.WaitGroup
	begun, others := make(chan struct{}), make(chan struct{})
	for i := range 4 {
		readers.Go(func() {
			if i > 0 {
				<-begun
			}
			body, tag := kept.Of("list", one, all, func() []byte {
				made++
				close(begun)
				<-others
				return []byte("of one")
			})
			if string(body) != "of one" || tag != gateway.Tag(body) {
				t.Errorf("%s %s", body, tag)
			}
		})
	}
	<-begun
	for _, p := range []*gateway.Project{two, {ID: "1", Slug: "one", Version: "v2"}, {ID: "3", Slug: "one", Version: "v1"}, {ID: "1", Slug: "one", Version: "v1"}} {
		want := p.ID + p.Slug + p.Version
		for _, v := range []mesh.View{all, {}} {
			if body, tag := kept.Of("list", p, v, func() []byte { return []byte(want) }); string(body) != want || !strings.HasPrefix(tag, `"`) {
				t.Errorf("%s %s, want %s", body, tag, want)
			}
		}
	}
	close(others)
	if readers.Wait(); made != 1 {
		t.Errorf("made %d times", made)
	}
	// A failure is not kept.
	for _, want := range []string{"", "made"} {
		if body, _ := kept.Of("other", one, all, func() []byte { return append([]byte(nil), want...) }); string(body) != want {
			t.Errorf("%q, want %q", body, want)
		}
	}
}
