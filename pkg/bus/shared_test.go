package bus_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

func mustDial(t testing.TB, d bus.Dialer, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := d.Dial("test", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestControl(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	nc := mustDial(t, s.Dialer(bus.RoleAuth))
	entered, leave := make(chan struct{}), make(chan struct{})
	stop, err := bus.ServeControl(nc, "admin", map[string]bus.ControlFunc{
		"keys.list": func(_ context.Context, r *bus.ControlRequest) ([]byte, error) {
			return append([]byte(r.Header.RequestID+" "), r.Body...), nil
		},
		"refuse": func(context.Context, *bus.ControlRequest) ([]byte, error) {
			return nil, fault.New(fault.Forbidden, "no")
		},
		"panic": func(context.Context, *bus.ControlRequest) ([]byte, error) { panic("secret") },
		"slow": func(context.Context, *bus.ControlRequest) ([]byte, error) {
			close(entered)
			<-leave
			return []byte("done"), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	for _, verb := range []string{"admin.keys.list", "octo.admin.keys.list"} {
		b, err := c.Control(within(t, patience), verb, []byte(`{"a":1}`), mesh.Header{RequestID: "r9"})
		if err != nil || string(b) != `r9 {"a":1}` {
			t.Errorf("%s: got %s %v", verb, b, err)
		}
	}
	for verb, code := range map[string]fault.Code{
		"admin.refuse": fault.Forbidden, "admin.panic": fault.Internal, "admin.missing": fault.UnknownOp,
		"admin": fault.UnknownOp, "admin.>": fault.UnknownOp, "admin.a b": fault.UnknownOp,
	} {
		if _, err := c.Control(within(t, patience), verb, nil, mesh.Header{}); fault.CodeOf(err) != code {
			t.Errorf("%s: got %v, want %s", verb, err, code)
		}
	}
	// Stopping waits for what has arrived, and nothing new is taken.
	got := make(chan error, 1)
	go func() {
		_, err := c.Control(context.Background(), "admin.slow", nil, mesh.Header{})
		got <- err
	}()
	wait(t, entered, "the slow request")
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(leave)
	if err := wait(t, got, "the slow reply"); err != nil {
		t.Error(err)
	}
	wait(t, stopped, "the stop")
	err = settled(t, func(ctx context.Context) error {
		_, err := c.Control(ctx, "admin.keys.list", nil, mesh.Header{})
		return err
	})
	if fault.CodeOf(err) != fault.NoHandler {
		t.Errorf("after the stop: got %v", err)
	}
}

// told collects what a watch tells.
type told struct {
	seen map[string]string
	ch   chan string
}

func watchAll(t *testing.T, b *bus.Bucket) (*told, <-chan struct{}) {
	t.Helper()
	w := &told{seen: map[string]string{}, ch: make(chan string, 100)}
	ready, done := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		b.Watch(ctx, func(key string, value []byte, deleted bool) {
			w.ch <- fmt.Sprintf("%s=%s %v", key, value, deleted)
		}, func() { close(ready) })
	}()
	t.Cleanup(func() { cancel(); <-done })
	return w, ready
}

func TestBucket(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), context.Background()
	s := mustStart(t, embedded.Options{StoreDir: dir})
	owner, err := bus.OpenBucket(ctx, mustDial(t, s.Dialer(bus.RoleAuth)), bus.BucketCatalogs, bus.BucketConfig{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Put(ctx, "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	reader, err := bus.OpenBucket(within(t, patience), mustDial(t, s.Dialer(bus.RoleGateway)), bus.BucketCatalogs, bus.BucketConfig{Probe: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	w, ready := watchAll(t, reader)
	wait(t, ready, "ready")
	if got := wait(t, w.ch, "the first value"); got != "a=1 false" {
		t.Fatal(got)
	}
	rev, err := owner.Create(ctx, "b", []byte("2"))
	if err != nil {
		t.Fatal(err)
	}
	if got := wait(t, w.ch, "the new value"); got != "b=2 false" {
		t.Fatal(got)
	}
	if _, err := owner.Create(ctx, "b", []byte("x")); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("got %v", err)
	}
	if _, err := owner.Update(ctx, "b", []byte("x"), rev+7); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("got %v", err)
	}
	if err := owner.Delete(ctx, "b", rev); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, w.ch, "the deletion"); got != "b= true" {
		t.Fatal(got)
	}
	if _, _, err := owner.Get(ctx, "b"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
	if v, _, err := reader.Get(ctx, "a"); err != nil || string(v) != "1" {
		t.Errorf("got %s %v", v, err)
	}
	if err := reader.Put(within(t, 300*time.Millisecond), "a", []byte("gateway was here")); err == nil {
		t.Error("a gateway wrote into a bucket")
	}
	if d := reader.CutOff(); d > patience {
		t.Errorf("cut off for %v while in contact", d)
	}
}

func TestWatchResumesAfterARestart(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	o := embedded.Options{StoreDir: t.TempDir(), Seeds: seeds(t), Port: port(t)}
	s, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	auth := mustDial(t, s.RemoteDialer(bus.RoleAuth))
	refill := make(chan struct{}, 9)
	b, err := bus.OpenBucket(ctx, auth, bus.BucketCatalogs, bus.BucketConfig{
		Create: true, Probe: 20 * time.Millisecond, Refill: func() { refill <- struct{}{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"a", "b"} {
		if err := b.Put(ctx, k, []byte(k)); err != nil {
			t.Fatal(err)
		}
	}
	w, ready := watchAll(t, b)
	wait(t, ready, "ready")
	wait(t, w.ch, "a")
	wait(t, w.ch, "b")
	s.Shutdown()
	cut := b.CutOff()
	for tick := time.NewTicker(5 * time.Millisecond); b.CutOff() < cut+50*time.Millisecond; <-tick.C {
	}
	s = mustStart(t, o)
	// Changed while the watch may still be away.
	other, err := bus.OpenBucket(within(t, patience), mustDial(t, s.Dialer(bus.RoleAuth)), bus.BucketCatalogs, bus.BucketConfig{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Delete(ctx, "a", 0); err != nil {
		t.Fatal(err)
	}
	if err := other.Put(ctx, "b", []byte("new")); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{wait(t, w.ch, "a change"): true, wait(t, w.ch, "a change"): true}
	if !got["a= true"] || !got["b=new false"] {
		t.Errorf("got %v", got)
	}

	if len(refill) > 0 {
		t.Error("the bucket is the same, and is to be filled again")
	}

	// JetStream is wiped: what the new bucket lacks is not told as deleted.
	s.Shutdown()
	if err := os.RemoveAll(o.StoreDir); err != nil {
		t.Fatal(err)
	}
	s = mustStart(t, o)
	if other, err = bus.OpenBucket(within(t, patience), mustDial(t, s.Dialer(bus.RoleAuth)), bus.BucketCatalogs, bus.BucketConfig{Create: true}); err != nil {
		t.Fatal(err)
	}
	if err := other.Put(ctx, "c", []byte("3")); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, w.ch, "the value of the new bucket"); got != "c=3 false" {
		t.Fatal(got)
	}
	wait(t, refill, "the call to fill it again")
}

func TestLeaseHasOneHolder(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{StoreDir: t.TempDir(), Port: embedded.NoListen})
	ctx := context.Background()
	// So much longer than a renewal takes that a busy machine deposes nobody.
	fast := bus.LeaseOptions{Renew: 50 * time.Millisecond, Give: 2 * time.Second, Retry: 20 * time.Millisecond}
	cfg := bus.LeaseConfig(1)
	cfg.TTL = 3 * time.Second
	type turn struct {
		owner string
		on    bool
	}
	turns := make(chan turn, 10)
	var conns []*nats.Conn
	var cancels []context.CancelFunc
	var wg sync.WaitGroup
	for i := range 2 {
		nc := mustDial(t, s.Dialer(bus.RoleRelay))
		conns = append(conns, nc)
		b, err := bus.OpenBucket(ctx, nc, bus.BucketLeases, cfg)
		if err != nil {
			t.Fatal(err)
		}
		holding, cancel := context.WithCancel(ctx)
		cancels = append(cancels, cancel)
		owner := fmt.Sprint(i)
		wg.Go(func() {
			bus.Hold(holding, b, "relay.shop", owner, fast, func(ctx context.Context, l *bus.Lease) {
				if age := time.Since(l.Renewed()); age > fast.Give {
					t.Errorf("leads with a renewal %v old", age)
				}
				turns <- turn{owner, true}
				<-ctx.Done()
				turns <- turn{owner, false}
			})
		})
	}
	index := func(owner string) int { return int(owner[0] - '0') }
	first := wait(t, turns, "the first leader")
	// The leader's connection dies: it stops by itself, the other takes over.
	conns[index(first.owner)].Close()
	ended := wait(t, turns, "the end of the first leader")
	second := wait(t, turns, "the second leader")
	if !first.on || ended.owner != first.owner || ended.on || !second.on || second.owner == first.owner {
		t.Errorf("turns: %v %v %v", first, ended, second)
	}
	for _, cancel := range cancels {
		cancel()
	}
	wg.Wait()
}

func TestEventsAreCapturedAndRepublished(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{StoreDir: t.TempDir(), Port: embedded.NoListen})
	relay := mustDial(t, s.Dialer(bus.RoleRelay))
	js, err := jetstream.New(relay)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is there
		if _, err := bus.EnsureEvents(within(t, patience), js, 1); err != nil {
			t.Fatal(err)
		}
	}
	gateway := mustDial(t, s.Dialer(bus.RoleGateway))
	live := make(chan *nats.Msg, 1)
	if _, err := gateway.ChanSubscribe("mostajs.live.shop.*.*", live); err != nil {
		t.Fatal(err)
	}
	if err := gateway.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(within(t, patience), "mostajs.events.shop.User.created", []byte("x"), jetstream.WithMsgID("shop:e:1")); err != nil {
		t.Fatal(err)
	}
	m := wait(t, live, "the live event")
	if m.Subject != "mostajs.live.shop.User.created" || m.Header.Get("Nats-Msg-Id") != "shop:e:1" || m.Header.Get("Nats-Sequence") != "1" {
		t.Errorf("got %s %v", m.Subject, m.Header)
	}
}
