package auth_test

import (
	"testing"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// A key's rate goes along in its token, to gateways and to workers, and a new
// rate counts at once.
func TestRateTravelsWithTheToken(t *testing.T) {
	t.Parallel()
	h := open(t)
	k := h.create(`{"scopes":{"projects":"*","operations":"*","transports":"*"},"rateLimit":{"requests":5,"per":"second","burst":2}}`)
	rate := func() (mesh.Rate, mesh.Rate) {
		t.Helper()
		p, _, err := h.front.Principal(t.Context(), access.Credential{Key: k.APIKey})
		check(t, err)
		native, err := h.back.Native(t.Context(), "k:"+k.ID)
		check(t, err)
		return p.Rate, native.Rate
	}
	want := mesh.Rate{Calls: 5, Seconds: 1, Burst: 2}
	if front, back := rate(); front != want || back != want {
		t.Fatalf("%+v %+v", front, back)
	}
	check(t, h.admin(adminKey, "keys.update", `{"id":"`+k.ID+`","permissions":{"scopes":{"projects":"*","operations":"*","transports":"*"},"rateLimit":600}}`, nil))
	want = mesh.Rate{Calls: 600, Seconds: 60, Burst: 600}
	eventually(t, func() bool { front, back := rate(); return front == want && back == want })
}
