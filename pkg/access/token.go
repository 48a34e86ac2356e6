package access

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// MaxTTL is the longest life of a principal token: what a revocation that
// nobody hears of would cost at worst.
const MaxTTL = 5 * time.Minute

// MaxToken is the longest token, in bytes; it must fit the call header.
const MaxToken = 3000

// A token is o1.<claims>.<signature>, both base64url: the claims as short as
// JSON allows, since they travel with each call, and an Ed25519 signature over
// everything before the last dot by an account nkey of the auth service.
const tokenPrefix = "o1."

var encoding = base64.RawURLEncoding.Strict()

// claims are the content of a token. Times are microseconds since 1970: a
// narrowed key's next token must not look older than the narrowing.
type claims struct {
	ID      string      `json:"i"`
	Kind    mesh.Kind   `json:"k"`
	Scopes  mesh.Scopes `json:"s,omitempty"`
	Roles   []string    `json:"r,omitempty"`
	Rate    mesh.Rate   `json:"l,omitzero"`
	Parents []string    `json:"p,omitempty"`
	Issued  int64       `json:"t"`
	Expires int64       `json:"e"`
}

// Signer makes principal tokens. The auth service alone has one.
type Signer struct {
	private ed25519.PrivateKey
	public  string
	now     func() time.Time
}

// NewSigner returns the Signer of an account nkey's seed ("SA…").
func NewSigner(seed []byte) (*Signer, error) {
	prefix, raw, err := nkeys.DecodeSeed(seed)
	if err != nil || prefix != nkeys.PrefixByteAccount {
		return nil, fmt.Errorf("the signing seed is no account nkey (SA…): %w", err)
	}
	private := ed25519.NewKeyFromSeed(raw)
	public, err := nkeys.Encode(nkeys.PrefixByteAccount, private.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	return &Signer{private: private, public: string(public), now: time.Now}, nil
}

// Public returns the public nkey ("A…") that verifies this Signer's tokens.
func (s *Signer) Public() string { return s.public }

// Sign returns a token for p that lives for ttl, at most MaxTTL. A principal
// with an Expires of its own gets no longer life than that. Errors: FORBIDDEN
// when the principal's rights do not fit a token.
func (s *Signer) Sign(p *mesh.Principal, ttl time.Duration) (string, error) {
	return s.SignAsOf(p, s.now(), ttl)
}

// SignAsOf is Sign for rights that were looked up at a time: a revocation that
// comes between the look-up and the signature must hit the token.
func (s *Signer) SignAsOf(p *mesh.Principal, now time.Time, ttl time.Duration) (string, error) {
	end := now.Add(min(ttl, MaxTTL))
	if !p.Expires.IsZero() && p.Expires.Before(end) {
		end = p.Expires
	}
	body, err := json.Marshal(claims{
		ID: p.ID, Kind: p.Kind, Scopes: p.Scopes, Roles: p.Roles, Rate: p.Rate, Parents: p.Parents,
		Issued: now.UnixMicro(), Expires: end.UnixMicro(),
	})
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "the token could not be made")
	}
	out := make([]byte, 0, len(tokenPrefix)+encoding.EncodedLen(len(body))+1+encoding.EncodedLen(ed25519.SignatureSize))
	out = append(out, tokenPrefix...)
	out = encoding.AppendEncode(out, body)
	signature := ed25519.Sign(s.private, out)
	out = append(out, '.')
	out = encoding.AppendEncode(out, signature)
	if len(out) > MaxToken {
		return "", fault.New(fault.Forbidden, "the credential names too many scope values (limit: a token of %d bytes); use \"*\" or several credentials", MaxToken)
	}
	return string(out), nil
}

// verify checks a token's form and signature and reads it; time and
// revocations are the Verifier's business.
func verify(token string, trusted []ed25519.PublicKey) (*mesh.Principal, *claims, error) {
	dot := strings.LastIndexByte(token, '.')
	if len(token) > MaxToken || dot < len(tokenPrefix) || !strings.HasPrefix(token, tokenPrefix) ||
		strings.ContainsAny(token, "\r\n") { // which base64 would skip
		return nil, nil, badToken(nil)
	}
	signature, err := encoding.DecodeString(token[dot+1:])
	if err != nil || len(signature) != ed25519.SignatureSize {
		return nil, nil, badToken(err)
	}
	signed := []byte(token[:dot])
	ok := false
	for _, key := range trusted {
		if ok = ed25519.Verify(key, signed, signature); ok {
			break
		}
	}
	if !ok {
		return nil, nil, badToken(nil)
	}
	body, err := encoding.DecodeString(token[len(tokenPrefix):dot])
	if err != nil {
		return nil, nil, badToken(err)
	}
	var c claims
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, nil, badToken(err)
	}
	if c.ID == "" || c.Kind == "" || c.Kind == mesh.Anonymous || c.Expires-c.Issued > MaxTTL.Microseconds() {
		return nil, nil, badToken(nil)
	}
	return &mesh.Principal{
		ID: c.ID, Kind: c.Kind, Scopes: c.Scopes, Roles: c.Roles, Rate: c.Rate, Parents: c.Parents,
		Expires: time.UnixMicro(c.Expires),
	}, &c, nil
}

func badToken(cause error) error {
	return fault.Wrap(cause, fault.Unauthorized, "the principal token is not valid; authenticate again")
}
