package auth

import (
	"context"
	"strings"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// proof is a principal and when its rights were looked up.
type proof struct {
	*mesh.Principal
	lookup string
	asOf   time.Time
}

// prove checks a credential. Errors: UNAUTHORIZED, AUTH_ERROR, and RATE_LIMITED
// after too many wrong ones from one address, before anything is looked at.
func (s *Service) prove(ctx context.Context, c access.Credential) (proof, error) {
	if wait := s.throttle.Wait(c.RemoteAddr); wait > 0 {
		return proof{}, fault.New(fault.RateLimited, "too many wrong credentials came from this address").After(wait)
	}
	p, err := s.proveUnthrottled(ctx, c)
	if code := fault.CodeOf(err); code == fault.Unauthorized || code == fault.AuthError {
		s.throttle.Failed(c.RemoteAddr)
	}
	return p, err
}

func (s *Service) proveUnthrottled(ctx context.Context, c access.Credential) (proof, error) {
	c.FindKey()
	asOf := s.Now() // before the look-up: see access.Signer.SignAsOf
	switch {
	case c.Key != "":
		k, err := s.keys.Prove(ctx, c.Key)
		if err != nil {
			return proof{}, err
		}
		s.keys.Touch(k.ID, host(c.RemoteAddr))
		p, err := k.Principal()
		return proof{p, k.ID, asOf}, err
	case c.Ticket != "":
		id, err := s.office.Redeem(ctx, c.Ticket)
		if err != nil {
			return proof{}, err
		}
		return s.known(ctx, id)
	case c.IsZero():
		return proof{}, fault.New(fault.Unauthorized, "send an API key in X-API-Key or as a bearer token")
	}
	return proof{}, fault.New(fault.AuthError, "the credential is no API key: it has the form sk_live_<8 characters>_<43 characters>")
}

// known returns the principal of an id that somebody vouches for: the NATS
// server, or a ticket. Errors: UNAUTHORIZED.
func (s *Service) known(ctx context.Context, id string) (proof, error) {
	asOf := s.Now()
	lookup, ok := strings.CutPrefix(id, "k:")
	if !ok || len(lookup) != access.LookupLen {
		return proof{}, fault.New(fault.Unauthorized, "the identity is not known")
	}
	k, err := s.keys.Find(ctx, lookup)
	if err != nil {
		return proof{}, err
	}
	p, err := k.Principal()
	return proof{p, lookup, asOf}, err
}

// Authenticate implements callout.Authenticator.
func (s *Service) Authenticate(ctx context.Context, c access.Credential) (*mesh.Principal, string, error) {
	p, err := s.prove(ctx, c)
	return p.Principal, p.lookup, err
}

// sign makes the principal token of a proof.
func (s *Service) sign(p proof) (string, error) {
	return s.signer.SignAsOf(p.Principal, p.asOf, access.MaxTTL)
}

// host cuts the port off an address and bounds it.
func host(addr string) string {
	if i := strings.LastIndexByte(addr, ':'); i > 0 && (strings.Count(addr, ":") == 1 || addr[i-1] == ']') {
		addr = strings.Trim(addr[:i], "[]")
	}
	return addr[:min(len(addr), 64)]
}
