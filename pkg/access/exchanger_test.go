package access

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testKey = "sk_live_abcdefgh_" + strings.Repeat("x", SecretLen)

type issuer struct {
	asked atomic.Int64
	fn    atomic.Pointer[ExchangeFunc]
}

func (i *issuer) ask(ctx context.Context, c Credential) (string, error) {
	i.asked.Add(1)
	return (*i.fn.Load())(ctx, c)
}

func (i *issuer) answer(f ExchangeFunc) { i.fn.Store(&f) }

func setUp(t testing.TB) (*issuer, *Exchanger, *Signer, *Verifier) {
	s := newSigner(t)
	v := newVerifier(t, s)
	i := &issuer{}
	i.answer(func(context.Context, Credential) (string, error) { return s.Sign(reader("k:abcdefgh"), MaxTTL) })
	x := NewExchanger(i.ask, v)
	t.Cleanup(x.Close)
	return i, x, s, v
}

func TestExchangeOnce(t *testing.T) {
	i, x, s, _ := setUp(t)
	release := make(chan struct{})
	i.answer(func(context.Context, Credential) (string, error) {
		<-release
		return s.Sign(reader("k:abcdefgh"), MaxTTL)
	})
	var wg sync.WaitGroup
	gone, cancel := context.WithCancel(t.Context())
	wg.Go(func() { // the first one leaves; the others still get their answer
		cancel()
		_, _, err := x.Principal(gone, Credential{Key: testKey})
		if fault.CodeOf(err) != fault.Cancelled {
			t.Errorf("%v", err)
		}
	})
	wg.Wait()
	for range 50 {
		wg.Go(func() {
			p, token, err := x.Principal(t.Context(), Credential{Key: testKey})
			if err != nil || p.ID != "k:abcdefgh" || token == "" {
				t.Errorf("%v, %v", p, err)
			}
		})
	}
	close(release)
	wg.Wait()
	// The same key in its other forms is the same credential.
	for _, c := range []Credential{{Bearer: testKey}, {User: testKey}, {User: "me", Password: testKey}} {
		if _, _, err := x.Principal(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Fatalf("asked %d times", n)
	}
}

func TestAnonymousAndMalformed(t *testing.T) {
	i, x, _, _ := setUp(t)
	p, token, err := x.Principal(t.Context(), Credential{RemoteAddr: "1.2.3.4"})
	if err != nil || token != "" || p.Kind != "anonymous" {
		t.Fatalf("%v %v", p, err)
	}
	for _, key := range []string{"x", "sk_live_", "sk_prod" + testKey[7:], testKey + "1", testKey[:20] + "*" + testKey[21:], strings.Repeat("a", 1<<20)} {
		_, _, err := x.Principal(t.Context(), Credential{Key: key})
		wantCode(t, err, fault.AuthError)
	}
	if i.asked.Load() != 0 {
		t.Fatal("the auth service was asked about nonsense")
	}
}

func TestRefusalIsRememberedShortly(t *testing.T) {
	i, x, s, _ := setUp(t)
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	x.now = func() time.Time { return time.Unix(0, now.Load()) }
	i.answer(func(context.Context, Credential) (string, error) { return "", fault.New(fault.Unauthorized, "no") })
	var told []string
	x.Count(func(result string) { told = append(told, result) })
	for range 5 {
		_, _, err := x.Principal(t.Context(), Credential{Key: testKey})
		wantCode(t, err, fault.Unauthorized)
	}
	if n := i.asked.Load(); n != 1 {
		t.Fatalf("asked %d times", n)
	}
	i.answer(func(context.Context, Credential) (string, error) { return s.Sign(reader("k:abcdefgh"), MaxTTL) })
	now.Add(int64(2 * time.Second))
	for range 2 {
		if _, _, err := x.Principal(t.Context(), Credential{Key: testKey}); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(told, " "); got != "miss refused refused refused refused miss hit" {
		t.Errorf("counted: %s", got)
	}
}

func TestThrottledAddressHitsNobodyElse(t *testing.T) {
	i, x, s, _ := setUp(t)
	i.answer(func(_ context.Context, c Credential) (string, error) {
		if c.RemoteAddr == "6.6.6.6" {
			return "", fault.New(fault.RateLimited, "slow down")
		}
		return s.Sign(reader("k:abcdefgh"), MaxTTL)
	})
	_, _, err := x.Principal(t.Context(), Credential{Key: testKey, RemoteAddr: "6.6.6.6"})
	wantCode(t, err, fault.RateLimited)
	if _, _, err := x.Principal(t.Context(), Credential{Key: testKey, RemoteAddr: "1.1.1.1"}); err != nil {
		t.Fatal(err)
	}
}

func TestRevokedCredentialIsAskedForAnew(t *testing.T) {
	i, x, _, v := setUp(t)
	if _, _, err := x.Principal(t.Context(), Credential{Native: "k:abcdefgh"}); err != nil {
		t.Fatal(err)
	}
	v.Revoke("k:abcdefgh", time.Now())
	i.answer(func(context.Context, Credential) (string, error) { return "", fault.New(fault.Unauthorized, "revoked") })
	_, _, err := x.Principal(t.Context(), Credential{Native: "k:abcdefgh"})
	wantCode(t, err, fault.Unauthorized)
}

func TestRenewedAhead(t *testing.T) {
	i, x, s, v := setUp(t)
	var offset atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	x.now, v.now, s.now = clock, clock, clock
	v.Heard(time.Now().Add(2 * MaxTTL))
	c := Credential{Key: testKey}
	_, first, err := x.Principal(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	offset.Store(int64(MaxTTL * 3 / 4))
	failed := make(chan struct{})
	i.answer(func(context.Context, Credential) (string, error) {
		close(failed)
		return "", fault.New(fault.Unavailable, "away")
	})
	if _, token, err := x.Principal(t.Context(), c); err != nil || token != first {
		t.Fatalf("the old token must do meanwhile: %v", err)
	}
	<-failed
	x.wg.Wait() // the failed renewal changes nothing, and is not repeated at once
	for range 3 {
		if _, token, err := x.Principal(t.Context(), c); err != nil || token != first {
			t.Fatal(err)
		}
	}
	offset.Add(int64(2 * renewalPause))
	i.answer(func(context.Context, Credential) (string, error) { return s.Sign(reader("k:abcdefgh"), MaxTTL) })
	if _, _, err := x.Principal(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	x.wg.Wait()
	if _, token, err := x.Principal(t.Context(), c); err != nil || token == first {
		t.Fatalf("not renewed: %v", err)
	}
	if n := i.asked.Load(); n != 3 {
		t.Fatalf("asked %d times", n)
	}
}

func TestTicketsAreNotRemembered(t *testing.T) {
	i, x, _, _ := setUp(t)
	for range 2 {
		if _, _, err := x.Principal(t.Context(), Credential{Ticket: "t"}); err != nil {
			t.Fatal(err)
		}
	}
	if i.asked.Load() != 2 {
		t.Fatal("a ticket is good for one use: each must be asked for")
	}
}

func TestExchangerStops(t *testing.T) {
	i, x, _, _ := setUp(t)
	asked := make(chan struct{})
	i.answer(func(ctx context.Context, _ Credential) (string, error) {
		close(asked)
		<-ctx.Done()
		return "", ctx.Err()
	})
	done := make(chan error)
	go func() {
		_, _, err := x.Principal(context.Background(), Credential{Key: testKey})
		done <- err
	}()
	<-asked
	x.Close()
	if err := <-done; err == nil {
		t.Fatal("no error")
	}
	_, _, err := x.Principal(t.Context(), Credential{Native: "k:other"})
	wantCode(t, err, fault.Unavailable)
}

func TestDigestKeepsKindsApart(t *testing.T) {
	seen := map[digest]string{}
	for _, c := range []Credential{{Key: "ab"}, {Bearer: "ab"}, {Native: "ab"}, {User: "a", Password: "b"}, {User: "ab"}, {Password: "ab"}} {
		d := digestOf(&c)
		if old, ok := seen[d]; ok {
			t.Fatalf("%+v and %s are one", c, old)
		}
		seen[d] = fmt.Sprintf("%+v", c)
	}
}

func BenchmarkExchanger(b *testing.B) {
	_, x, _, _ := setUp(b)
	c := Credential{Key: testKey, RemoteAddr: "1.2.3.4"}
	if _, _, err := x.Principal(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := x.Principal(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
