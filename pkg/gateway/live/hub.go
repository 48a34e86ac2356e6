package live

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

const (
	// ticketLife is how long a connection that came with a ticket may stay: a
	// ticket is good once and cannot be shown again.
	ticketLife = time.Hour
	// grace is how long a connection outlives its principal token while the
	// auth service is out of reach.
	grace      = 30 * time.Second
	renewTries = 5 * time.Second
)

// Identifier turns a credential into a principal and the token that says so; it
// is access.Exchanger.
type Identifier interface {
	Principal(ctx context.Context, c access.Credential) (*mesh.Principal, string, error)
}

// Hub knows the open connections, so that a revocation ends them at once. Its
// lock is held for map accesses only.
type Hub struct {
	Identity Identifier
	Feed     Feed
	// Verify tells whether a token is still good, as access.Verifier does; nil =
	// nobody is asked.
	Verify func(token string) (*mesh.Principal, error)

	mu    sync.Mutex
	conns map[*Conn]struct{}
	open  atomic.Int64 // how many
}

// NewHub returns an empty Hub.
func NewHub(identity Identifier, feed Feed) *Hub {
	return &Hub{Identity: identity, Feed: feed, conns: map[*Conn]struct{}{}}
}

// Conn is one open connection of a principal.
type Conn struct {
	hub        *Hub
	credential access.Credential
	ended      chan Ending

	mu        sync.Mutex
	principal *mesh.Principal
	token     string
	renew     time.Time
	last      time.Time // when the connection must end unless renewed
}

// Add registers a connection; Remove it. It is to be called before anything is
// opened for the connection: from then on a revocation is received from Ended,
// and one that came since the caller was identified is, too.
func (h *Hub) Add(c access.Credential, p *mesh.Principal, token string) *Conn {
	n := &Conn{hub: h, credential: c, principal: p, token: token, ended: make(chan Ending, 1)}
	now := time.Now()
	n.schedule(p, now)
	h.put(n)
	if h.Verify != nil && p != nil && now.Before(p.Expires) { // whose expiry is Check's to see
		if _, err := h.Verify(token); fault.CodeOf(err) == fault.Unauthorized {
			n.end(revoked)
		}
	}
	return n
}

func (h *Hub) put(n *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns[n] = struct{}{}
	h.open.Store(int64(len(h.conns)))
}

var revoked = Ending{Reason: "revoked", Code: fault.Unauthorized}

// Remove forgets the connection.
func (c *Conn) Remove() {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	delete(c.hub.conns, c)
	c.hub.open.Store(int64(len(c.hub.conns)))
}

// Len is how many connections are open.
func (h *Hub) Len() int { return int(h.open.Load()) }

// Revoke ends the connections of a principal, or of those that have it as a
// parent. It does not block.
func (h *Hub) Revoke(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		if access.Covers(id, c.Principal()) {
			c.end(revoked)
		}
	}
}

// Ended receives why the connection must end, when the reason lies outside of
// it.
func (c *Conn) Ended() <-chan Ending { return c.ended }

func (c *Conn) end(e Ending) {
	select {
	case c.ended <- e:
	default:
	}
}

// Principal is who the connection belongs to.
func (c *Conn) Principal() *mesh.Principal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.principal
}

// Token returns a token for a call. A credential that can be shown again is
// shown again, which costs a look-up in a cache; a ticket's token is used until
// it expires. Errors: UNAUTHORIZED, UNAVAILABLE.
func (c *Conn) Token(ctx context.Context) (string, error) {
	if c.credential.Ticket != "" || c.credential.IsZero() {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.token, nil
	}
	_, token, err := c.hub.Identity.Principal(ctx, c.credential)
	return token, err
}

func (c *Conn) schedule(p *mesh.Principal, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.principal = p
	if c.credential.Ticket != "" || c.credential.IsZero() || p == nil || p.Expires.IsZero() {
		c.renew, c.last = now.Add(ticketLife), now.Add(ticketLife)
		return
	}
	c.renew, c.last = p.Expires, p.Expires.Add(grace)
}

// Check renews the rights of a long connection when their token expires, and
// returns false with the reason when it must end. It is called now and then.
func (c *Conn) Check(ctx context.Context, now time.Time) (Ending, bool) {
	c.mu.Lock()
	due, last := !now.Before(c.renew), !now.Before(c.last)
	c.mu.Unlock()
	if !due {
		return Ending{}, true
	}
	if c.credential.Ticket != "" || c.credential.IsZero() {
		return Ending{Reason: "renew", Code: fault.Unauthorized}, false
	}
	ctx, cancel := context.WithTimeout(ctx, renewTries)
	defer cancel()
	p, _, err := c.hub.Identity.Principal(ctx, c.credential)
	switch fault.CodeOf(err) {
	case "":
		c.schedule(p, now)
		if c.hub.Feed != nil {
			c.hub.Feed.Renew(p)
		}
		return Ending{}, true
	case fault.Unauthorized, fault.AuthError, fault.Forbidden:
		return revoked, false
	}
	if last {
		return Ending{Reason: "shutdown", Code: fault.Unavailable}, false
	}
	c.mu.Lock()
	c.renew = now.Add(renewTries)
	c.mu.Unlock()
	return Ending{}, true
}
