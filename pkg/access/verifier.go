package access

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

const (
	// skew is how far two machines' clocks may differ.
	skew = 5 * time.Second
	// grace is how long a Verifier believes what it knows while it can't hear
	// of revocations.
	grace = 30 * time.Second
	// remembered tokens; a cache holds up to twice as many.
	rememberedTokens = 8192
	// revocationLife is how long a revocation matters: no token lives longer.
	revocationLife = MaxTTL + 2*skew
)

// Verifier reads principal tokens. It verifies a signature once and then knows
// the token by its bytes, until it expires or is revoked. It is safe for
// concurrent use.
//
// A new Verifier trusts nobody: it needs the issuer's keys (Trust) and a watch
// on revocations (Heard).
type Verifier struct {
	trusted atomic.Pointer[[]ed25519.PublicKey]
	heard   atomic.Int64 // unix ns of the last contact with the revocations; 0 = never
	now     func() time.Time

	tokens *generations[string, *verified]

	mu       sync.Mutex
	revoked  map[string]int64 // id -> unix µs; tokens issued up to then are refused
	listener map[int]func(id string)
	next     int
}

type verified struct {
	principal *mesh.Principal
	issued    int64 // unix µs
	expires   int64 // unix ns, skew included
}

// NewVerifier returns a Verifier that trusts the tokens of these public account
// nkeys ("A…").
func NewVerifier(keys ...string) (*Verifier, error) {
	v := &Verifier{
		now:      time.Now,
		tokens:   newGenerations[string, *verified](rememberedTokens),
		revoked:  map[string]int64{},
		listener: map[int]func(string){},
	}
	return v, v.Trust(keys...)
}

// Trust replaces the issuer keys. Tokens of keys that are gone are refused from
// now on.
func (v *Verifier) Trust(keys ...string) error {
	list := make([]ed25519.PublicKey, 0, len(keys))
	for _, k := range keys {
		raw, err := nkeys.Decode(nkeys.PrefixByteAccount, []byte(k))
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return fmt.Errorf("%q is no public account nkey: %w", k, err)
		}
		list = append(list, raw)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.trusted.Swap(&list)
	same := old != nil && slices.EqualFunc(*old, list, func(a, b ed25519.PublicKey) bool { return a.Equal(b) })
	if !same {
		v.tokens.clear()
	}
	return nil
}

// Heard tells when the watch on revocations last was in contact, once all that
// exist have been loaded. Somebody has to go on telling: a Verifier that has not
// heard for 30 s trusts nobody.
func (v *Verifier) Heard(at time.Time) {
	ns := at.UnixNano()
	for old := v.heard.Load(); ns > old; old = v.heard.Load() {
		if v.heard.CompareAndSwap(old, ns) {
			return
		}
	}
}

// Trusted reports whether tokens can be believed: revocations have been loaded,
// and the watch has not been cut off for more than 30 s.
func (v *Verifier) Trusted() bool { return v.believes(v.now().UnixNano()) }

func (v *Verifier) believes(now int64) bool { return now-v.heard.Load() <= int64(grace) }

// Verify returns the principal of a token, which nobody may change. Errors:
// UNAUTHORIZED for a token that is forged, expired or revoked, UNAVAILABLE when
// Trusted is false.
func (v *Verifier) Verify(token string) (*mesh.Principal, error) {
	now := v.now().UnixNano()
	if !v.believes(now) {
		return nil, fault.New(fault.Unavailable, "revocations cannot be followed, so no credential is trusted; try again later")
	}
	if e, ok := v.tokens.get(token); ok {
		if now < e.expires {
			return e.principal, nil
		}
		return nil, expired()
	}
	return v.learn(strings.Clone(token), now)
}

func (v *Verifier) learn(token string, now int64) (*mesh.Principal, error) {
	keys := v.trusted.Load()
	p, c, err := verify(token, *keys)
	if err != nil {
		return nil, err
	}
	e := &verified{principal: p, issued: c.Issued, expires: c.Expires*1000 + int64(skew)}
	if now >= e.expires {
		return nil, expired()
	}
	if c.Issued*1000 > now+int64(skew) {
		return nil, badToken(nil)
	}
	// Under the lock that Revoke and Trust take: a token that was being verified
	// while its revocation arrived must not be remembered.
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.isRevoked(e) {
		return nil, badToken(nil)
	}
	if v.trusted.Load() == keys {
		v.tokens.put(token, e)
	}
	return p, nil
}

func expired() error {
	return fault.New(fault.Unauthorized, "the principal token has expired; authenticate again")
}

// isRevoked is called with mu held.
func (v *Verifier) isRevoked(e *verified) bool {
	if at, ok := v.revoked[e.principal.ID]; ok && e.issued <= at {
		return true
	}
	return slices.ContainsFunc(e.principal.Parents, func(id string) bool {
		at, ok := v.revoked[id]
		return ok && e.issued <= at
	})
}

// Revoke refuses, at once, all tokens of that id, or with that parent, that
// were issued up to at, and tells the listeners. A repeated revocation, as a
// watch brings it after a reconnect, tells nobody.
func (v *Verifier) Revoke(id string, at time.Time) {
	when, now := at.UnixMicro(), v.now()
	v.mu.Lock()
	if old, ok := v.revoked[id]; ok && old >= when {
		v.mu.Unlock()
		return
	}
	if now.Sub(at) > revocationLife { // every token from before has expired
		v.mu.Unlock()
		return
	}
	v.revoked[id] = when
	for k, t := range v.revoked {
		if now.UnixMicro()-t > revocationLife.Microseconds() {
			delete(v.revoked, k)
		}
	}
	v.tokens.drop(v.isRevoked)
	tell := make([]func(string), 0, len(v.listener))
	for _, f := range v.listener {
		tell = append(tell, f)
	}
	v.mu.Unlock()
	for _, f := range tell {
		f(id)
	}
}

// OnRevoke calls f with each id that is revoked from now on, so that open
// streams can end (see Covers). f must not block. stop ends it.
func (v *Verifier) OnRevoke(f func(id string)) (stop func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.next
	v.next++
	v.listener[n] = f
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.listener, n)
	}
}

// Covers reports whether the revocation of id ends p: it is p's own, or that of
// one of its parents.
func Covers(id string, p *mesh.Principal) bool {
	return p != nil && (p.ID == id || slices.Contains(p.Parents, id))
}
