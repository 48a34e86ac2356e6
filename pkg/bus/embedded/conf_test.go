package embedded_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
)

var update = flag.Bool("update", false, "write nats.conf at the root of the repository")

const confFile = "../../../nats.conf"

func committedConf(t *testing.T) []byte {
	t.Helper()
	b := bytes.NewBufferString("# NATS for Octomesh as separate services. Generated from the table of roles in\n" +
		"# pkg/bus/roles.go by: go test ./pkg/bus/embedded -run TestNatsConf -update\n" +
		"# The variables hold public keys: OCTOMESH_NKEY_<ROLE> (user nkeys), OCTOMESH_CALLOUT_ISSUER\n" +
		"# (account nkey of the auth service) and OCTOMESH_NATS_STORE (JetStream's folder).\n")
	if err := embedded.WriteConf(b, embedded.Conf{
		Listen: "0.0.0.0:4222", StoreDir: "$OCTOMESH_NATS_STORE", Issuer: "$OCTOMESH_CALLOUT_ISSUER",
	}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestNatsConfIsWhatTheTableGives(t *testing.T) {
	want := committedConf(t)
	if *update {
		if err := os.WriteFile(confFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(confFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("nats.conf differs from the table of roles: go test ./pkg/bus/embedded -run TestNatsConf -update")
	}
}

func TestNatsConfStartsAServer(t *testing.T) {
	seeds := map[string]string{}
	for _, role := range bus.Roles() {
		seed, pub := key(t, nkeys.CreateUser)
		seeds[role] = seed
		t.Setenv("OCTOMESH_NKEY_"+strings.ToUpper(role), pub)
	}
	_, issuer := key(t, nkeys.CreateAccount)
	t.Setenv("OCTOMESH_CALLOUT_ISSUER", issuer)
	t.Setenv("OCTOMESH_NATS_STORE", t.TempDir())
	o, err := server.ProcessConfigFile(confFile)
	if err != nil {
		t.Fatal(err)
	}
	if o.AuthCallout == nil || o.AuthCallout.Account != "MESH" || len(o.AuthCallout.AuthUsers) != len(bus.Roles()) {
		t.Fatalf("the auth callout is %+v", o.AuthCallout)
	}
	o.Host, o.Port, o.NoLog, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	ns, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	defer func() { ns.Shutdown(); ns.WaitForShutdown() }()
	if !ns.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server did not become ready")
	}
	for _, role := range bus.Roles() {
		nc, err := bus.URL{Addr: ns.ClientURL(), Service: role, Role: role, Seed: seeds[role]}.Dial("test")
		if err != nil {
			t.Fatalf("%s cannot connect: %v", role, err)
		}
		nc.Close()
	}
	if nc, err := nats.Connect(ns.ClientURL(), nats.Timeout(500*time.Millisecond)); err == nil {
		nc.Close()
		t.Fatal("somebody without a key came in")
	}
}

func key(t *testing.T, create func() (nkeys.KeyPair, error)) (seed, pub string) {
	t.Helper()
	kp, err := create()
	if err != nil {
		t.Fatal(err)
	}
	s, err := kp.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if pub, err = kp.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return string(s), pub
}
