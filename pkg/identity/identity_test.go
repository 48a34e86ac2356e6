package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/identity"
	"github.com/octomesh/octomesh/pkg/mesh"

	"github.com/nats-io/nkeys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// authService is an auth service of a few lines.
type authService struct{ signer *access.Signer }

func (a authService) Control(_ context.Context, verb string, in []byte, _ mesh.Header) ([]byte, error) {
	var ask identity.Ask
	if err := json.Unmarshal(in, &ask); err != nil {
		return nil, err
	}
	if verb == "auth.issuer" {
		return []byte(`{"keys":["` + a.signer.Public() + `"]}`), nil
	}
	switch {
	case verb == "auth.principal" && ask.ID == "k:native00", verb == "auth.exchange" && ask.Bearer == "good":
		token, err := a.signer.Sign(&mesh.Principal{ID: "k:native00", Kind: mesh.Key}, access.MaxTTL)
		return []byte(`{"token":"` + token + `"}`), err
	case ask.Bearer == "away":
		return nil, fault.New(fault.NoHandler, "nobody serves this")
	case ask.Bearer == "broken":
		return []byte(`{}`), nil
	}
	return nil, fault.New(fault.Unauthorized, "unknown")
}

func newAuth(t *testing.T) authService {
	t.Helper()
	kp, err := nkeys.CreateAccount()
	check(t, err)
	seed, err := kp.Seed()
	check(t, err)
	s, err := access.NewSigner(seed)
	check(t, err)
	return authService{s}
}

func TestIdentity(t *testing.T) {
	server, err := embedded.Start(embedded.Options{StoreDir: t.TempDir(), Port: embedded.NoListen})
	check(t, err)
	defer server.Shutdown()
	owner, err := server.Dialer(bus.RoleAuth).Dial("test")
	check(t, err)
	defer owner.Close()
	bucket, err := bus.OpenBucket(t.Context(), owner, bus.BucketRevocations, bus.BucketConfig{Create: true})
	check(t, err)
	old, value := identity.Revocation("k:earlier0", time.Now())
	check(t, bucket.Put(t.Context(), old, value))
	check(t, bucket.Put(t.Context(), "t.ticket", []byte("used")))

	nc, err := server.Dialer(bus.RoleEntity).Dial("test")
	check(t, err)
	defer nc.Close()
	a := newAuth(t)
	before, err := a.signer.SignAsOf(&mesh.Principal{ID: "k:earlier0", Kind: mesh.Key}, time.Now().Add(-time.Second), time.Minute)
	check(t, err)
	id, err := identity.Start(t.Context(), nc, a, nil)
	check(t, err)
	defer id.Close()

	if _, err := id.Caller(t.Context(), &mesh.Header{Token: before}); fault.CodeOf(err) != fault.Unauthorized {
		t.Fatalf("a revocation from before the start is not known: %v", err)
	}
	for name, c := range map[string]struct {
		cred access.Credential
		code fault.Code
	}{
		"native": {access.Credential{Native: "k:native00"}, ""},
		"bearer": {access.Credential{Bearer: "good"}, ""},
		"wrong":  {access.Credential{Bearer: "bad"}, fault.Unauthorized},
		"away":   {access.Credential{Bearer: "away"}, fault.Unavailable},
		"broken": {access.Credential{Bearer: "broken"}, fault.Unavailable},
	} {
		if _, _, err := id.Principal(t.Context(), c.cred); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err := id.Caller(t.Context(), &mesh.Header{Native: "k:native00", Token: "o1.forged.token"})
	if err != nil || p.ID != "k:native00" {
		t.Fatalf("a native client's token must be ignored: %v %v", p, err)
	}
	if p, err := id.Caller(t.Context(), &mesh.Header{}); err != nil || p.Kind != mesh.Anonymous {
		t.Fatalf("%v %v", p, err)
	}

	told := make(chan string, 1)
	defer id.OnRevoke(func(who string) { told <- who })()
	key, value := identity.Revocation("k:native00", time.Now())
	check(t, bucket.Put(t.Context(), key, value))
	if who := <-told; who != "k:native00" {
		t.Fatal(who)
	}
}

func TestStartWithoutAuthService(t *testing.T) {
	server, err := embedded.Start(embedded.Options{StoreDir: t.TempDir(), Port: embedded.NoListen})
	check(t, err)
	defer server.Shutdown()
	nc, err := server.Dialer(bus.RoleGateway).Dial("test")
	check(t, err)
	defer nc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := identity.Start(ctx, nc, newAuth(t), nil); fault.CodeOf(err) != fault.Unavailable {
		t.Fatalf("without the bucket: %v", err)
	}
	if _, err := identity.Start(ctx, nc, silent{}, nil); fault.CodeOf(err) != fault.Unavailable {
		t.Fatalf("without the service: %v", err)
	}
}

type silent struct{}

func (silent) Control(context.Context, string, []byte, mesh.Header) ([]byte, error) {
	return nil, errors.New("nobody")
}

func TestRevocationEntries(t *testing.T) {
	at := time.Now().Truncate(time.Microsecond)
	for _, id := range []string{"k:abcdefgh", "a:acme", "j:https://issuer.example:sub ject"} {
		_, value := identity.Revocation(id, at)
		if got, when, ok := identity.ParseRevocation(value); !ok || got != id || !when.Equal(at) {
			t.Errorf("%q became %q %v", id, got, when)
		}
	}
	for _, value := range []string{"", "used", "x k:a", "12", "12 ", " k:a"} {
		if id, _, ok := identity.ParseRevocation([]byte(value)); ok {
			t.Errorf("%q was read as %q", value, id)
		}
	}
}
