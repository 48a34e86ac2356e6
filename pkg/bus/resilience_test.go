package bus_test

import (
	"context"
	"strings"
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

var shop = bus.Project{Slug: "shop", ID: "p1", CatalogVersion: "1", Dialect: "sqlite"}

// quickClient finds a lost worker soon, and yet takes none for lost that shares a
// busy machine: quickHost's signs of life may come forty times too late.
var (
	quickClient = bus.ClientOptions{Silence: 2 * time.Second, Idle: 4 * time.Second}
	quickHost   = bus.HostOptions{Working: 50 * time.Millisecond}
)

// load calls from n goroutines until stop is closed and returns the errors.
func load(c mesh.Caller, n int, stop <-chan struct{}, next func(i int) *mesh.Request) (done *atomic.Int64, errs func() []error) {
	done = new(atomic.Int64)
	var mu sync.Mutex
	var all []error
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := c.Call(context.Background(), next(i)); err != nil {
					mu.Lock()
					all = append(all, err)
					mu.Unlock()
				}
				done.Add(1)
			}
		})
	}
	return done, func() []error { wg.Wait(); return all }
}

// until waits for a condition that other goroutines bring about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s did not happen", what)
		}
	}
}

// settled makes a call that is refused, with little time, until its outcome is
// known: on a busy machine the time may be over while the last attempt is under
// way, which is TIMEOUT as it must be.
func settled(t *testing.T, do func(ctx context.Context) error) (err error) {
	t.Helper()
	until(t, "a refusal", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		err = do(ctx)
		return fault.CodeOf(err) != fault.Timeout
	})
	return err
}

func TestDrainUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	var executed atomic.Int64
	worker := mesh.CallerFunc(func(ctx context.Context, _ *mesh.Request) (*mesh.Reply, error) {
		t := time.NewTimer(2 * time.Millisecond)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		executed.Add(1)
		return &mesh.Reply{Body: []byte(record)}, nil
	})
	h := mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{Concurrency: 16}, shop, worker)
	stop := make(chan struct{})
	// Writes without a key: nothing but a reply, or the certainty that they were
	// not executed, lets them go on.
	done, errs := load(c, 32, stop, func(int) *mesh.Request { return call("shop", "User", "create", "{}") })
	for range 5 {
		before := done.Load()
		until(t, "progress", func() bool { return done.Load() > before+100 })
		next := mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{Concurrency: 16}, shop, worker)
		if err := h.Drain(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		h = next
	}
	close(stop)
	for _, err := range errs() {
		t.Error(err)
	}
	if done.Load() != executed.Load() {
		t.Errorf("%d calls, %d executions", done.Load(), executed.Load())
	}
}

func TestRestartedWorkerFailsNobody(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	h := mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{}, shop, echo(record))
	stop := make(chan struct{})
	done, errs := load(c, 8, stop, func(int) *mesh.Request { return call("shop", "User", "create", "{}") })
	for range 3 {
		before := done.Load()
		until(t, "progress", func() bool { return done.Load() > before+50 })
		if err := h.Drain(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		h = mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{}, shop, echo(record))
	}
	close(stop)
	for _, err := range errs() {
		t.Error(err)
	}
}

func TestKilledWorkerHurtsNoReadAndNoKeyedWrite(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	c := mustClient(t, s.Dialer(bus.RoleGateway), quickClient)
	var arrived, replied atomic.Int64
	hang := make(chan struct{})
	defer close(hang)
	first := mustHost(t, s.Dialer(bus.RoleEntity), quickHost, shop, mesh.CallerFunc(
		func(context.Context, *mesh.Request) (*mesh.Reply, error) {
			arrived.Add(1)
			<-hang
			return nil, context.Canceled
		}))
	mustHost(t, s.Dialer(bus.RoleEntity), quickHost, shop, echo(record))
	var wg sync.WaitGroup
	var unkeyed atomic.Int64
	for i := range 48 {
		r := call("shop", "User", "findAll", "{}")
		if i%3 == 1 {
			r.Op, r.IdempotencyKey = "create", "key"
		} else if i%3 == 2 {
			r.Op = "create"
		}
		wg.Go(func() {
			_, err := c.Call(context.Background(), r)
			replied.Add(1)
			switch {
			case i%3 == 2:
				if err == nil {
					return
				}
				unkeyed.Add(1)
				if fault.CodeOf(err) != fault.Timeout || !strings.Contains(err.Error(), "unknown") {
					t.Errorf("a write without a key: %v", err)
				}
			case err != nil:
				t.Errorf("%s: %v", r.Op, err)
			}
		})
	}
	// About half of the calls are with the worker that is about to die.
	until(t, "the second worker's replies", func() bool { return arrived.Load()+replied.Load() == 48 })
	first.Close()
	wg.Wait()
	if unkeyed.Load() == 0 {
		t.Error("no write was with the worker that died")
	}
}

func TestSilenceEndsAnAttempt(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	c := mustClient(t, s.Dialer(bus.RoleGateway), quickClient)
	mute := mustDial(t, s.Dialer(bus.RoleEntity))
	if _, err := mute.QueueSubscribe("mostajs.shop.*.*", "shop", func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	if err := mute.Flush(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_, err := c.Call(context.Background(), call("shop", "User", "create", "{}"))
	if fault.CodeOf(err) != fault.Timeout || !strings.Contains(err.Error(), "no sign") {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d < quickClient.Silence {
		t.Errorf("silence was noticed after %v", d)
	}
	if _, err := c.Call(within(t, quickClient.Silence*5/4), call("shop", "User", "findAll", "{}")); fault.CodeOf(err) != fault.Timeout {
		t.Errorf("a read that nobody answers: got %v", err)
	}
	if n := c.Waiting(); n != 0 {
		t.Errorf("%d calls are left in the table", n)
	}
}

func TestASlowWorkerIsNotLost(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	c := mustClient(t, s.Dialer(bus.RoleGateway), quickClient)
	var calls atomic.Int64
	mustHost(t, s.Dialer(bus.RoleEntity), quickHost, shop, mesh.CallerFunc(
		func(ctx context.Context, _ *mesh.Request) (*mesh.Reply, error) {
			calls.Add(1)
			t := time.NewTimer(quickClient.Silence * 3 / 2)
			defer t.Stop()
			<-t.C
			return &mesh.Reply{Body: []byte(record)}, nil
		}))
	if _, err := c.Call(context.Background(), call("shop", "User", "create", "{}")); err != nil || calls.Load() != 1 {
		t.Errorf("got %v after %d executions", err, calls.Load())
	}
}

func TestOverload(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	entered, leave := make(chan struct{}, 100), make(chan struct{})
	h := mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{Concurrency: 1, Queue: 1}, shop, mesh.CallerFunc(
		func(context.Context, *mesh.Request) (*mesh.Reply, error) {
			entered <- struct{}{}
			<-leave
			return &mesh.Reply{Body: []byte(record)}, nil
		}))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := c.Call(context.Background(), call("shop", "User", "create", "{}")); err != nil {
				t.Error(err)
			}
		})
	}
	wait(t, entered, "the first call")
	until(t, "a queue", func() bool { return h.Queued() == 1 })
	err := settled(t, func(ctx context.Context) error {
		_, err := c.Call(ctx, call("shop", "User", "create", "{}"))
		return err
	})
	if e := fault.From(err); e.Code != fault.Overloaded || e.RetryAfter == 0 {
		t.Errorf("got %v", err)
	}
	// With more time, the call waits its turn: OVERLOADED means not executed.
	wg.Go(func() {
		if _, err := c.Call(context.Background(), call("shop", "User", "create", "{}")); err != nil {
			t.Error(err)
		}
	})
	close(leave)
	wg.Wait()
}

func TestOneProjectCannotStarveAnother(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	leave := make(chan struct{})
	h := mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{Concurrency: 8}, shop, mesh.CallerFunc(
		func(context.Context, *mesh.Request) (*mesh.Reply, error) {
			<-leave
			return &mesh.Reply{Body: []byte(record)}, nil
		}))
	if err := h.Serve(bus.Project{Slug: "small"}, echo(record)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := c.Call(context.Background(), call("shop", "User", "create", "{}")); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "a long queue", func() bool { return h.Queued() > 80 })
	for range 20 {
		if _, err := c.Call(within(t, time.Minute), call("small", "User", "findAll", "{}")); err != nil {
			t.Error(err)
		}
	}
	close(leave)
	wg.Wait()
}

func TestReconnectAfterAServerRestart(t *testing.T) {
	t.Parallel()
	o := embedded.Options{Seeds: seeds(t), Port: port(t)}
	s, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	c := mustClient(t, s.RemoteDialer(bus.RoleGateway), bus.ClientOptions{Silence: quickClient.Silence}) // replies may be lost
	var executed atomic.Int64
	mustHost(t, s.RemoteDialer(bus.RoleEntity), bus.HostOptions{}, shop, mesh.CallerFunc(
		func(context.Context, *mesh.Request) (*mesh.Reply, error) {
			executed.Add(1)
			return &mesh.Reply{Body: []byte(record)}, nil
		}))
	stop := make(chan struct{})
	done, errs := load(c, 16, stop, func(i int) *mesh.Request {
		r := call("shop", "User", "findAll", "{}")
		if i%2 == 0 {
			r.Op, r.IdempotencyKey = "create", "key"
		}
		return r
	})
	for range 2 {
		before := done.Load()
		until(t, "progress", func() bool { return done.Load() > before+100 })
		s.Shutdown()
		if s, err = embedded.Start(o); err != nil {
			t.Fatal(err)
		}
	}
	before := done.Load()
	until(t, "progress after the restart", func() bool { return done.Load() > before+100 })
	// A write without a key that is sent while there is no server waits for it.
	s.Shutdown()
	lone := make(chan error, 1)
	go func() {
		_, err := c.Call(context.Background(), call("shop", "User", "delete", "{}"))
		lone <- err
	}()
	if s, err = embedded.Start(o); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, lone, "the write"); err != nil && fault.CodeOf(err) != fault.Timeout {
		t.Error(err)
	}
	close(stop)
	for _, err := range errs() {
		t.Error(err)
	}
	s.Shutdown()
	until(t, "the end of the connection", func() bool { return !c.Conn().IsConnected() })
	err = settled(t, func(ctx context.Context) error {
		_, err := c.Call(ctx, call("shop", "User", "create", "{}"))
		return err
	})
	if fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("without a server: got %v", err)
	}
}

func TestServeAnewAndWithdraw(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	h := mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{}, shop, echo("1"))
	if err := h.Serve(shop, echo("2")); err != nil {
		t.Fatal(err)
	}
	until(t, "the new caller", func() bool {
		r, err := c.Call(context.Background(), call("shop", "User", "findAll", ""))
		return err == nil && string(r.Body) == "2"
	})
	if err := h.Serve(bus.Project{Slug: "a.b"}, echo("x")); fault.CodeOf(err) != fault.InvalidRequest {
		t.Errorf("got %v", err)
	}
	if err := h.Withdraw("shop"); err != nil {
		t.Fatal(err)
	}
	until(t, "the withdrawal", func() bool {
		return fault.CodeOf(settled(t, func(ctx context.Context) error {
			_, err := c.Call(ctx, call("shop", "User", "findAll", ""))
			return err
		})) == fault.NoHandler
	})
	if err := h.Withdraw("shop"); err != nil {
		t.Error(err)
	}
}
