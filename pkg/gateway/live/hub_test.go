package live_test

import (
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
)

func principal(id string, parents ...string) *mesh.Principal {
	return &mesh.Principal{ID: id, Kind: mesh.Key, Parents: parents, Expires: time.Now().Add(time.Minute)}
}

// ended is why a connection must end; "" if it need not.
func ended(c *live.Conn) string {
	select {
	case e := <-c.Ended():
		return e.Reason + " " + string(e.Code)
	default:
		return ""
	}
}

func TestRevoke(t *testing.T) {
	h := live.NewHub(nil, nil)
	add := func(p *mesh.Principal) *live.Conn { return h.Add(access.Credential{Key: "k"}, p, "token") }
	own, child, other, nobody, gone := add(principal("k:1")), add(principal("t:9", "k:1")), add(principal("k:2")), add(nil), add(principal("k:1"))
	gone.Remove()
	if h.Len() != 4 {
		t.Errorf("%d connections", h.Len())
	}
	h.Revoke("k:1")
	h.Revoke("k:1") // nobody has read the first yet
	for c, want := range map[*live.Conn]string{own: "revoked UNAUTHORIZED", child: "revoked UNAUTHORIZED", other: "", nobody: "", gone: ""} {
		if got := ended(c); got != want {
			t.Errorf("%+v: %q, want %q", c.Principal(), got, want)
		}
		if got := ended(c); got != "" {
			t.Errorf("%+v ends twice", c.Principal())
		}
		c.Remove()
		c.Remove()
	}
	if h.Len() != 0 {
		t.Errorf("%d connections", h.Len())
	}
}

// TestRevokedBeforeAdd: a revocation that came after the caller was identified
// and before there was a connection to end.
func TestRevokedBeforeAdd(t *testing.T) {
	h := live.NewHub(nil, nil)
	verdict := map[string]error{"revoked": fault.New(fault.Unauthorized, "revoked"), "unsure": fault.New(fault.Unavailable, "later"), "good": nil}
	h.Verify = func(token string) (*mesh.Principal, error) { return nil, verdict[token] }
	expired := principal("k:1")
	expired.Expires = time.Now().Add(-time.Second)
	for _, c := range []struct {
		token, want string
		who         *mesh.Principal
	}{
		{"revoked", "revoked UNAUTHORIZED", principal("k:1")},
		{"unsure", "", principal("k:1")},
		{"good", "", principal("k:1")},
		{"revoked", "", expired},
		{"", "", nil},
	} {
		conn := h.Add(access.Credential{Key: "k"}, c.who, c.token)
		if got := ended(conn); got != c.want {
			t.Errorf("%q of %+v: %q, want %q", c.token, c.who, got, c.want)
		}
		conn.Remove()
	}
}
