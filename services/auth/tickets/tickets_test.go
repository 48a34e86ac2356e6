package tickets

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
)

type memory struct {
	mu   sync.Mutex
	seen map[string]bool
	err  error
}

func (m *memory) Once(_ context.Context, name string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return false, m.err
	}
	first := !m.seen[name]
	m.seen[name] = true
	return first, nil
}

func TestTickets(t *testing.T) {
	used := &memory{seen: map[string]bool{}}
	o, peer := New([]byte("seed"), used), New([]byte("seed"), used)
	ticket := o.Issue("k:abc")
	if strings.ContainsAny(ticket, "+/=&?#% ") || len(ticket) > 120 {
		t.Fatalf("%s does not fit a URL", ticket)
	}
	if id, err := peer.Redeem(t.Context(), ticket); err != nil || id != "k:abc" {
		t.Fatalf("%q, %v", id, err)
	}
	late := o.Issue("k:abc")
	gone := New([]byte("seed"), used)
	gone.now = func() time.Time { return time.Now().Add(Life + time.Second) }
	for name, c := range map[string]struct {
		office *Office
		ticket string
	}{
		"again":     {o, ticket},
		"too late":  {gone, late},
		"other key": {New([]byte("seed2"), used), late},
		"other id":  {o, strings.Replace(late, "."+encoding.EncodeToString([]byte("k:abc")), "."+encoding.EncodeToString([]byte("k:xyz")), 1)},
		"empty":     {o, ""},
		"dots":      {o, "tk1...."},
		"break":     {o, late + "\n"},
		"long":      {o, "tk1." + strings.Repeat("a.", 1000)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := c.office.Redeem(t.Context(), c.ticket); fault.CodeOf(err) != fault.Unauthorized {
				t.Fatalf("got %v", err)
			}
		})
	}
	if _, err := o.Redeem(t.Context(), late); err != nil {
		t.Fatalf("failed attempts must not use a ticket up: %v", err)
	}
	used.err = errors.New("away")
	if _, err := o.Redeem(t.Context(), o.Issue("k:abc")); fault.CodeOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
}
