package auth_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/services/auth"
)

// TestExpiryOnAClockSetBack: a timer runs on another clock than the one that says
// what time it is. A key that is alive when its timer fires ends later, not never.
func TestExpiryOnAClockSetBack(t *testing.T) {
	t.Parallel()
	var back atomic.Int64
	h := open(t, func(_ *auth.Config, d *auth.Deps) {
		d.Now = func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }
	})
	told := make(chan string, 10)
	defer h.back.OnRevoke(func(id string) { told <- id })()
	var k shown
	for life := 500 * time.Millisecond; ; life *= 2 { // a key that ended before it was made proves nothing
		end := time.Now().Add(life).UTC()
		err := h.admin(adminKey, "keys.create", `{"permissions":{"operations":["read"]},"expiresAt":"`+end.Format(time.RFC3339Nano)+`"}`, &k)
		if err == nil {
			break
		}
		if time.Now().Before(end) {
			t.Fatal(err)
		}
	}
	back.Store(int64(200 * time.Millisecond))
	for id := range told {
		if id == access.KeyID(k.ID) {
			return
		}
	}
}
