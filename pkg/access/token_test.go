package access

import (
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

func newSigner(t testing.TB) *Signer {
	t.Helper()
	kp, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := kp.Seed()
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(seed)
	if err != nil {
		t.Fatal(err)
	}
	if pub, _ := kp.PublicKey(); pub != s.Public() {
		t.Fatalf("public key %s, want %s", s.Public(), pub)
	}
	return s
}

func newVerifier(t testing.TB, s *Signer) *Verifier {
	t.Helper()
	v, err := NewVerifier(s.Public())
	if err != nil {
		t.Fatal(err)
	}
	v.Heard(time.Now())
	return v
}

func reader(id string) *mesh.Principal {
	return &mesh.Principal{ID: id, Kind: mesh.Key, Parents: []string{"a:acme"}, Scopes: mesh.Scopes{
		Projects: {"*"}, Operations: {"read"}, Transports: {"rest"},
	}}
}

func mustSign(t testing.TB, s *Signer, p *mesh.Principal) string {
	t.Helper()
	token, err := s.Sign(p, MaxTTL)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func wantCode(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != code {
		t.Fatalf("got %q (%v), want %q", got, err, code)
	}
}

func TestTokenRoundTrip(t *testing.T) {
	s := newSigner(t)
	v := newVerifier(t, s)
	who := reader("k:abc")
	who.Rate = mesh.Rate{Calls: 5, Seconds: 60, Burst: 2}
	token := mustSign(t, s, who)
	p, err := v.Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	if p.Rate != who.Rate {
		t.Fatalf("the rate is %+v", p.Rate)
	}
	if p.ID != "k:abc" || p.Kind != mesh.Key || !p.Scopes.Allows(Projects, "x") || p.Scopes.Allows(Operations, "write") || len(p.Parents) != 1 {
		t.Fatalf("%+v", p)
	}
	if left := time.Until(p.Expires); left <= 0 || left > MaxTTL {
		t.Fatalf("expires in %s", left)
	}
	if again, _ := v.Verify(token); again != p {
		t.Fatal("the second look must find the first one's result")
	}
	t.Logf("%d bytes", len(token))
}

func TestForgedTokens(t *testing.T) {
	s := newSigner(t)
	v := newVerifier(t, s)
	good := mustSign(t, s, reader("k:abc"))
	if _, err := v.Verify(good); err != nil {
		t.Fatal(err)
	}
	head, sig, _ := strings.Cut(good[len(tokenPrefix):], ".")
	body, _ := encoding.DecodeString(head)
	sign := func(c claims) string {
		b, _ := json.Marshal(c)
		out := tokenPrefix + encoding.EncodeToString(b)
		return out + "." + encoding.EncodeToString(ed25519.Sign(s.private, []byte(out)))
	}
	now := time.Now()
	for name, token := range map[string]string{
		"empty":         "",
		"dots":          "...",
		"prefix only":   tokenPrefix,
		"no signature":  tokenPrefix + head + ".",
		"other scopes":  tokenPrefix + encoding.EncodeToString([]byte(strings.Replace(string(body), "read", "admin", 1))) + "." + sig,
		"foreign key":   mustSign(t, newSigner(t), reader("k:abc")),
		"trailing byte": good + "A",
		"line break":    good[:len(good)-2] + "\n" + good[len(good)-2:],
		"other tail":    good[:len(good)-1] + "_",
		"too long":      good + strings.Repeat("A", MaxToken),
		"none":          "eyJhbGciOiJub25lIn0." + head + ".",
		"no id":         sign(claims{Kind: mesh.Key, Issued: now.UnixMicro(), Expires: now.Add(time.Minute).UnixMicro()}),
		"anonymous":     sign(claims{ID: "k:a", Kind: mesh.Anonymous, Issued: now.UnixMicro(), Expires: now.Add(time.Minute).UnixMicro()}),
		"eternal":       sign(claims{ID: "k:a", Kind: mesh.Key, Issued: now.UnixMicro(), Expires: now.Add(time.Hour).UnixMicro()}),
		"from tomorrow": sign(claims{ID: "k:a", Kind: mesh.Key, Issued: now.Add(24 * time.Hour).UnixMicro(), Expires: now.Add(24*time.Hour + time.Minute).UnixMicro()}),
		"expired":       sign(claims{ID: "k:a", Kind: mesh.Key, Issued: now.Add(-time.Hour).UnixMicro(), Expires: now.Add(-time.Hour + time.Minute).UnixMicro()}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Verify(token)
			wantCode(t, err, fault.Unauthorized)
		})
	}
}

func TestTokenOfTooManyScopes(t *testing.T) {
	p := reader("k:abc")
	for range 300 {
		p.Scopes[Projects] = append(p.Scopes[Projects], "a-project-name")
	}
	_, err := newSigner(t).Sign(p, MaxTTL)
	wantCode(t, err, fault.Forbidden)
}

func TestPrincipalEndsItsToken(t *testing.T) {
	s := newSigner(t)
	p := reader("k:abc")
	p.Expires = time.Now().Add(time.Minute)
	got, err := newVerifier(t, s).Verify(mustSign(t, s, p))
	if err != nil || got.Expires.After(p.Expires) {
		t.Fatalf("%v, %v", got, err)
	}
}

func TestExpiryAllowsSmallSkew(t *testing.T) {
	s := newSigner(t)
	v := newVerifier(t, s)
	clock := time.Now()
	v.now = func() time.Time { return clock }
	v.Heard(clock.Add(2 * MaxTTL))
	token := mustSign(t, s, reader("k:abc"))
	for _, cached := range []bool{false, true} {
		clock = time.Now().Add(MaxTTL + skew/2)
		if _, err := v.Verify(token); err != nil {
			t.Fatalf("cached %v: %v", cached, err)
		}
	}
	clock = time.Now().Add(MaxTTL + 2*skew)
	_, err := v.Verify(token)
	wantCode(t, err, fault.Unauthorized)
	_, err = newVerifier(t, s).Verify(token[:len(token)-4] + "AAAA")
	wantCode(t, err, fault.Unauthorized)
}

func TestRevoke(t *testing.T) {
	s := newSigner(t)
	v := newVerifier(t, s)
	var told []string
	stop := v.OnRevoke(func(id string) { told = append(told, id) })
	own, unseen, other := mustSign(t, s, reader("k:abc")), mustSign(t, s, reader("k:abc")), mustSign(t, s, &mesh.Principal{ID: "k:xyz", Kind: mesh.Key})
	for _, token := range []string{own, other} {
		if _, err := v.Verify(token); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Now()
	v.Revoke("k:abc", at)
	v.Revoke("k:abc", at) // as a watch repeats it
	for _, token := range []string{own, unseen} {
		_, err := v.Verify(token)
		wantCode(t, err, fault.Unauthorized)
	}
	if _, err := v.Verify(other); err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return at.Add(time.Microsecond) }
	if _, err := v.Verify(mustSign(t, s, reader("k:abc"))); err != nil {
		t.Fatalf("a token issued after the revocation: %v", err)
	}
	v.Revoke("a:acme", at.Add(time.Second))
	_, err := v.Verify(mustSign(t, s, reader("k:abc")))
	wantCode(t, err, fault.Unauthorized)
	stop()
	v.Revoke("k:xyz", at)
	if len(told) != 2 || told[0] != "k:abc" || told[1] != "a:acme" {
		t.Fatalf("told %v", told)
	}
}

func TestDeafVerifierTrustsNobody(t *testing.T) {
	s := newSigner(t)
	v, err := NewVerifier(s.Public())
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	v.now = func() time.Time { return clock }
	token := mustSign(t, s, reader("k:abc"))
	_, err = v.Verify(token)
	wantCode(t, err, fault.Unavailable)
	v.Heard(clock)
	if _, err = v.Verify(token); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(29 * time.Second)
	v.Heard(clock.Add(-time.Hour)) // older news changes nothing
	if _, err = v.Verify(token); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(2 * time.Second)
	_, err = v.Verify(token)
	wantCode(t, err, fault.Unavailable)
	if v.Trusted() {
		t.Fatal("still trusted")
	}
}

func TestTrustReplacesKeys(t *testing.T) {
	a, b := newSigner(t), newSigner(t)
	v := newVerifier(t, a)
	token := mustSign(t, a, reader("k:abc"))
	if _, err := v.Verify(token); err != nil {
		t.Fatal(err)
	}
	if err := v.Trust(b.Public()); err != nil {
		t.Fatal(err)
	}
	_, err := v.Verify(token)
	wantCode(t, err, fault.Unauthorized)
	if err := v.Trust("nonsense"); err == nil {
		t.Fatal("a key that is none must be refused")
	}
}

func TestGenerationsStayBounded(t *testing.T) {
	g := newGenerations[int, int](10)
	for i := range 1000 {
		g.put(i, i)
		if _, ok := g.get(0); !ok {
			t.Fatalf("0 was asked for each time and is gone after %d", i)
		}
	}
	if n := len(g.young) + len(g.old); n > 20 {
		t.Fatalf("%d entries", n)
	}
	if _, ok := g.get(500); ok {
		t.Fatal("500 should be gone")
	}
}

func FuzzVerify(f *testing.F) {
	s := newSigner(f)
	v := newVerifier(f, s)
	good := mustSign(f, s, reader("k:abc"))
	f.Add(good)
	f.Add("o1..")
	f.Add(good[:40])
	f.Fuzz(func(t *testing.T, token string) {
		if p, err := v.Verify(token); err == nil && token != good {
			t.Fatalf("%q was believed: %+v", token, p)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add("sk_live_abcdefgh_" + strings.Repeat("A", SecretLen))
	f.Add("sk_test_")
	f.Fuzz(func(t *testing.T, key string) {
		p, err := ParseKey(key)
		if err == nil && (len(key) != keyLen || !strings.HasPrefix(key, "sk_"+p.Env+"_"+p.Lookup+"_")) {
			t.Fatalf("%q gave %+v", key, p)
		}
		if err != nil && fault.CodeOf(err) != fault.AuthError {
			t.Fatal(err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := newSigner(b)
	v := newVerifier(b, s)
	token := mustSign(b, s, reader("k:abc"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyUnknown(b *testing.B) {
	s := newSigner(b)
	v := newVerifier(b, s)
	token := mustSign(b, s, reader("k:abc"))
	b.ReportAllocs()
	for b.Loop() {
		v.tokens.clear()
		if _, err := v.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}
