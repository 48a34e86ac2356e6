package access

import (
	"context"
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// Credential is what a caller shows. At most one of Key, Bearer, Ticket,
// Native, and User with Password, is set; the zero Credential is nobody.
type Credential struct {
	Key      string // an API key
	Bearer   string // what stood after "Authorization: Bearer": a key as well, or a user's token
	Ticket   string // one use, for browsers
	User     string // basic authentication
	Password string
	Native   string // k:<key id>, …: what the NATS server vouches for
	// RemoteAddr is the client's address, by which guessing is slowed down. It
	// is no part of the credential.
	RemoteAddr string
}

// IsZero reports whether nothing was shown.
func (c *Credential) IsZero() bool {
	return c.Key == "" && c.Bearer == "" && c.Ticket == "" && c.User == "" && c.Password == "" && c.Native == ""
}

// FindKey recognises an API key shown as a bearer token, as curl -u KEY: or as a
// password, and puts it where it belongs.
func (c *Credential) FindKey() {
	switch {
	case strings.HasPrefix(c.Bearer, keyPrefix):
		c.Key, c.Bearer = c.Bearer, ""
	case strings.HasPrefix(c.User, keyPrefix) && c.Password == "":
		c.Key, c.User = c.User, ""
	case strings.HasPrefix(c.Password, keyPrefix):
		c.Key, c.User, c.Password = c.Password, "", ""
	}
}

const (
	rememberedCredentials = 8192
	rememberedRefusals    = 4096
	refusalLife           = 1500 * time.Millisecond
	renewalPause          = time.Second
	exchangeTimeout       = 5 * time.Second
	maxCredential         = 8 << 10
	maxExchanges          = 1024 // at the same time
)

// ExchangeFunc asks the auth service for a principal token. Errors: UNAUTHORIZED,
// AUTH_ERROR, RATE_LIMITED, UNAVAILABLE, TIMEOUT.
type ExchangeFunc func(ctx context.Context, c Credential) (token string, err error)

// Exchanger turns credentials into principals. It asks once for each credential
// (callers that come meanwhile wait for the same answer), renews ahead of the
// expiry, remembers a refusal for a second and a half, and keeps none of the
// credentials, only their SHA-256. It is safe for concurrent use.
type Exchanger struct {
	ask      ExchangeFunc
	verifier *Verifier
	known    *generations[digest, held]
	refused  *generations[digest, refusal]
	now      func() time.Time
	count    func(result string)

	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex
	flying map[digest]*flight
}

type digest [sha256.Size]byte

type held struct {
	token string
	renew time.Time // from here on, ask anew in the background
}

type refusal struct {
	err   error
	until time.Time
}

type flight struct {
	done  chan struct{}
	token string
	err   error
}

// NewExchanger returns an Exchanger; Close it.
func NewExchanger(ask ExchangeFunc, v *Verifier) *Exchanger {
	ctx, stop := context.WithCancel(context.Background())
	return &Exchanger{
		ask: ask, verifier: v, now: time.Now, count: func(string) {}, ctx: ctx, stop: stop,
		known:   newGenerations[digest, held](rememberedCredentials),
		refused: newGenerations[digest, refusal](rememberedRefusals),
		flying:  map[digest]*flight{},
	}
}

// Count has each look-up of a credential told: hit, miss, or refused for one
// whose refusal is remembered. It is to be called before the first Principal.
func (x *Exchanger) Count(result func(string)) { x.count = result }

// Close ends what is under way and waits for it.
func (x *Exchanger) Close() {
	x.mu.Lock()
	x.stop()
	x.mu.Unlock()
	x.wg.Wait()
}

// anonymous is the principal of callers without a credential.
var anonymous = &mesh.Principal{Kind: mesh.Anonymous}

// Principal returns who shows the credential, and the token that says so. For
// the zero Credential that is an anonymous principal and no token. Errors:
// AUTH_ERROR for what is no credential at all, UNAUTHORIZED for an unknown,
// expired or revoked one, RATE_LIMITED after many wrong ones, UNAVAILABLE.
func (x *Exchanger) Principal(ctx context.Context, c Credential) (*mesh.Principal, string, error) {
	if c.IsZero() {
		return anonymous, "", nil
	}
	if len(c.Key)+len(c.Bearer)+len(c.Ticket)+len(c.User)+len(c.Password)+len(c.Native) > maxCredential {
		return nil, "", fault.New(fault.AuthError, "the credential is too long")
	}
	c.FindKey()
	if c.Key != "" {
		if _, err := ParseKey(c.Key); err != nil {
			return nil, "", err
		}
	}
	if c.Ticket != "" { // good for one use: nothing to remember
		token, err := x.ask(ctx, c)
		return x.read(token, err)
	}
	d := digestOf(&c)
	if h, ok := x.known.get(d); ok {
		p, err := x.verifier.Verify(h.token)
		if err == nil {
			x.count("hit")
			if x.now().After(h.renew) {
				_, _ = x.fly(d, c, true) // too many at once: the next call tries again
			}
			return p, h.token, nil
		}
		if fault.CodeOf(err) != fault.Unauthorized {
			return nil, "", err
		}
		x.known.remove(d) // expired, revoked or narrowed: ask anew
	}
	if r, ok := x.refused.get(d); ok && x.now().Before(r.until) {
		x.count("refused")
		return nil, "", r.err
	}
	x.count("miss")
	f, err := x.fly(d, c, false)
	if err != nil {
		return nil, "", err
	}
	select {
	case <-f.done:
		return x.read(f.token, f.err)
	case <-ctx.Done():
		return nil, "", fault.From(ctx.Err())
	}
}

func (x *Exchanger) read(token string, err error) (*mesh.Principal, string, error) {
	if err != nil {
		return nil, "", err
	}
	p, err := x.verifier.Verify(token)
	if err != nil {
		return nil, "", err
	}
	return p, token, nil
}

// fly asks for a credential's token, or joins who is asking already. It does
// not depend on the caller's context: others wait for the answer too. anew asks
// although a token is known.
func (x *Exchanger) fly(d digest, c Credential, anew bool) (*flight, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if f := x.flying[d]; f != nil {
		return f, nil
	}
	if h, ok := x.known.get(d); ok && !anew { // the answer has come since the caller looked
		f := &flight{done: make(chan struct{}), token: h.token}
		close(f.done)
		return f, nil
	}
	if x.ctx.Err() != nil {
		return nil, fault.New(fault.Unavailable, "the service is stopping")
	}
	if len(x.flying) >= maxExchanges {
		return nil, fault.New(fault.Overloaded, "too many credentials are being checked").After(time.Second)
	}
	f := &flight{done: make(chan struct{})}
	x.flying[d] = f
	x.wg.Go(func() {
		ctx, cancel := context.WithTimeout(x.ctx, exchangeTimeout)
		defer cancel()
		f.token, f.err = x.ask(ctx, c)
		x.settle(d, f)
		close(f.done)
	})
	return f, nil
}

func (x *Exchanger) settle(d digest, f *flight) {
	now := x.now()
	var p *mesh.Principal
	if f.err == nil {
		p, f.err = x.verifier.Verify(f.token)
	}
	switch fault.CodeOf(f.err) {
	case "":
		// With a third of its life left a token is renewed, so that a short
		// outage of the auth service goes unnoticed.
		x.known.put(d, held{token: f.token, renew: p.Expires.Add(-p.Expires.Sub(now) / 3)})
	case fault.Unauthorized, fault.AuthError:
		// A refusal by address (RATE_LIMITED) must not hit others who show the
		// same credential.
		x.known.remove(d)
		x.refused.put(d, refusal{err: f.err, until: now.Add(refusalLife)})
	default:
		if h, ok := x.known.get(d); ok { // a failed renewal: not again at once
			x.known.put(d, held{token: h.token, renew: now.Add(renewalPause)})
		}
	}
	x.mu.Lock()
	delete(x.flying, d)
	x.mu.Unlock()
}

// digestOf names a credential. The kinds are kept apart by a first byte, and
// user and password by a length.
func digestOf(c *Credential) digest {
	var room [128]byte
	b := room[:0]
	switch {
	case c.Native != "":
		b = append(append(b, 'n'), c.Native...)
	case c.Key != "":
		b = append(append(b, 'k'), c.Key...)
	case c.Bearer != "":
		b = append(append(b, 'b'), c.Bearer...)
	default:
		b = append(b, 'p', byte(len(c.User)), byte(len(c.User)>>8))
		b = append(append(b, c.User...), c.Password...)
	}
	return sha256.Sum256(b)
}
