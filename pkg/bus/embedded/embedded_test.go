package embedded_test

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
)

func start(t testing.TB, o embedded.Options) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func dial(t testing.TB, d bus.Dialer, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := d.Dial("test", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestInProcessAndRemote(t *testing.T) {
	t.Parallel()
	s := start(t, embedded.Options{})
	worker := dial(t, s.Dialer(bus.RoleEntity))
	if _, err := worker.Subscribe("mostajs.*.*", func(m *nats.Msg) { m.Respond([]byte("hello")) }); err != nil {
		t.Fatal(err)
	}
	if err := worker.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, d := range []bus.Dialer{s.Dialer(bus.RoleGateway), s.RemoteDialer(bus.RoleGateway)} {
		m, err := dial(t, d).Request("mostajs.User.findAll", nil, 5*time.Second)
		if err != nil || string(m.Data) != "hello" {
			t.Fatalf("got %v %v", m, err)
		}
		if !strings.HasPrefix(m.Subject, "_INBOX_gateway.") {
			t.Errorf("the reply came to %s", m.Subject)
		}
	}
}

func TestNoListenOpensNoPort(t *testing.T) {
	t.Parallel()
	s := start(t, embedded.Options{Port: embedded.NoListen})
	if s.ClientURL() != "" {
		t.Errorf("the server listens on %s", s.ClientURL())
	}
	dial(t, s.Dialer(bus.RoleAuth))
}

func TestTakenPortIsReported(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	n, _ := strconv.Atoi(port)
	if _, err := embedded.Start(embedded.Options{Port: n}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("got %v", err)
	}
}

func TestOldServersAreNotTrustedWithNativeClients(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]bool{
		"2.12.6": true, "v2.12.6": true, "2.15.2": true, "3.0.0": true,
		"2.12.5": false, "2.11.99": false, "2.12.6-RC.1": false, "": false, "2.13": false, "x.y.z": false, "1.99.99": false,
	} {
		if bus.NativeSafe(v) != want {
			t.Errorf("%q: want %v", v, want)
		}
	}
}
