package bus_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// breaking dials connections that break at the PING behind what is armed.
type breaking struct{ armed atomic.Pointer[string] }

func (b *breaking) Dial(network, address string) (net.Conn, error) {
	c, err := net.Dial(network, address)
	return &breakingConn{Conn: c, b: b}, err
}

type breakingConn struct {
	net.Conn
	b      *breaking
	behind bool
}

// Write is called under the lock of a nats.Conn.
func (c *breakingConn) Write(p []byte) (int, error) {
	if text := c.b.armed.Load(); text != nil {
		c.behind = c.behind || bytes.Contains(p, []byte(*text))
		if c.behind && bytes.Contains(p, []byte("PING\r\n")) {
			c.b.armed.Store(nil)
			_ = c.Close()
		}
	}
	return c.Conn.Write(p)
}

// A project whose announcement fails is not served, whatever nats.go subscribes
// again, and the host can serve it later and be drained.
func TestAFailedServeServesNothing(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Seeds: seeds(t)})
	var b breaking
	d := s.RemoteDialer(bus.RoleEntity).(bus.URL)
	d.Options = append(d.Options, nats.SetCustomDialer(&b))
	h := mustHost(t, d, bus.HostOptions{}, shop, echo("1"))
	subscriptions := s.Server().NumSubscriptions
	before := subscriptions()
	if err := h.Serve(bus.Project{Slug: "third"}, echo("3")); err != nil {
		t.Fatal(err)
	}
	want := 2*subscriptions() - before // with one more project
	subject := "mostajs.other."
	b.armed.Store(&subject)
	other := bus.Project{Slug: "other"}
	if err := h.Serve(other, echo("failed")); fault.CodeOf(err) != fault.Unavailable {
		t.Fatalf("with a broken connection: %v", err)
	}
	if err := h.Serve(other, echo("2")); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of what was not announced", func() bool { return subscriptions() == want })
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	for range 20 {
		r, err := c.Call(context.Background(), call("other", "User", "create", "{}"))
		if err != nil || string(r.Body) != "2" {
			t.Fatalf("got %v %v", r, err)
		}
	}
	if err := h.Drain(within(t, patience)); err != nil {
		t.Error(err)
	}
}

// Close wakes the calls that wait for a connection, and later ones do not wait.
func TestCloseWakesThoseWhoWaitForAConnection(t *testing.T) {
	t.Parallel()
	o := embedded.Options{Seeds: seeds(t)}
	s := mustStart(t, o)
	c := mustClient(t, s.RemoteDialer(bus.RoleGateway), bus.ClientOptions{Timeout: time.Minute})
	s.Shutdown()
	until(t, "the end of the connection", func() bool { return !c.Conn().IsConnected() })
	ended := make(chan error, 2)
	read := func() {
		_, err := c.Call(context.Background(), call("shop", "User", "findAll", "{}"))
		ended <- err
	}
	go read()
	c.Close()
	go read()
	for range cap(ended) {
		if err := wait(t, ended, "the end of a call"); fault.CodeOf(err) != fault.Unavailable {
			t.Error(err)
		}
	}
}

// stalling dials streams when it is let.
type stalling struct {
	bus.Dialer
	dials chan struct{} // one is under way
	let   chan error
}

func (d stalling) Dial(purpose string, o ...nats.Option) (*nats.Conn, error) {
	if purpose == "streams" {
		d.dials <- struct{}{}
		if err := <-d.let; err != nil {
			return nil, err
		}
	}
	return d.Dialer.Dial(purpose, o...)
}

func streamed(ctx context.Context, c *bus.Client) error {
	r, err := c.Call(ctx, call("shop", "User", "stream", "{}"))
	if err == nil && r.Chunks != nil {
		r.Chunks.Close()
	}
	return err
}

// Calls that need the second connection wait for one dial, each no longer than
// its own context; and a failure is not for ever.
func TestTheSecondConnectionKeepsNobodyLonger(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{}, shop, streaming(newSource(3, 10, io.EOF)))
	d := stalling{s.Dialer(bus.RoleGateway), make(chan struct{}, 2), make(chan error, 1)}
	c := mustClient(t, d, bus.ClientOptions{})
	d.let <- errors.New("refused")
	if err := streamed(context.Background(), c); fault.CodeOf(err) != fault.Unavailable {
		t.Error(err)
	}
	wait(t, d.dials, "a dial")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- streamed(ctx, c) }()
	wait(t, d.dials, "another dial")
	c.Waiting()
	cancel()
	if err := wait(t, ended, "the end of a cancelled call"); fault.CodeOf(err) != fault.Cancelled {
		t.Error(err)
	}
	if err := streamed(within(t, time.Millisecond), c); fault.CodeOf(err) != fault.Timeout {
		t.Error(err)
	}
	d.let <- nil
	if err := streamed(context.Background(), c); err != nil {
		t.Error(err)
	}
	if len(d.dials) != 0 {
		t.Error("somebody dialled beside")
	}
}

// Close ends the calls that wait for the second connection.
func TestCloseEndsADial(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	d := stalling{s.Dialer(bus.RoleGateway), make(chan struct{}, 1), make(chan error)}
	c := mustClient(t, d, bus.ClientOptions{})
	ended := make(chan error, 1)
	go func() { ended <- streamed(context.Background(), c) }()
	wait(t, d.dials, "a dial")
	c.Close()
	if err := wait(t, ended, "the end of the call"); fault.CodeOf(err) != fault.Unavailable {
		t.Error(err)
	}
	d.let <- nil
	c.Close()
}

// A host's only project has all places, though discover is answered, too.
func TestAProjectAloneHasAllPlaces(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	const places = 8
	begun, release := make(chan struct{}, places), make(chan struct{})
	mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{
		Concurrency: places,
		Discover:    func(context.Context, mesh.Header) ([]byte, error) { return []byte("{}"), nil },
	}, shop, mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		begun <- struct{}{}
		<-release
		return &mesh.Reply{Body: []byte(record)}, nil
	}))
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	var all sync.WaitGroup
	for range places {
		all.Go(func() {
			if _, err := c.Call(context.Background(), call("shop", "User", "findAll", "{}")); err != nil {
				t.Error(err)
			}
		})
	}
	for range places {
		wait(t, begun, "a call on each place")
	}
	close(release)
	all.Wait()
}
