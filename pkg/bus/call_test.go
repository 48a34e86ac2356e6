package bus_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// mustStart starts a server that no port reaches.
func mustStart(t testing.TB, o embedded.Options) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// mustClient opens a client that is patient where the test does not say how soon
// it gives up.
func mustClient(t testing.TB, d bus.Dialer, o bus.ClientOptions) *bus.Client {
	t.Helper()
	o.Timeout = cmp.Or(o.Timeout, patience)
	o.Silence = cmp.Or(o.Silence, patience/2)
	o.Idle = cmp.Or(o.Idle, patience/2)
	c, err := bus.NewClient(d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func mustHost(t testing.TB, d bus.Dialer, o bus.HostOptions, p bus.Project, c mesh.Caller) *bus.Host {
	t.Helper()
	h, err := bus.NewHost(d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	if err := h.Serve(p, c); err != nil {
		t.Fatal(err)
	}
	return h
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// patience is when a test gives up what should happen at once. It judges nobody's
// speed: the machine may be busy with anything.
const patience = time.Minute

// wait fails the test if ch gives nothing for long.
func wait[T any](t testing.TB, ch <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
	}
	return v
}

func call(project, entity, op, args string) *mesh.Request {
	return &mesh.Request{Project: project, Entity: entity, Op: op, Args: []byte(args), Header: mesh.Header{Transport: "rest", RequestID: "r-1"}}
}

// token has the length of a principal token.
var token = strings.Repeat("t", 600)

const record = `{"status":"ok","data":{"id":"a","_version":7,"name":"x"}}`

func TestACallArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	for _, project := range []string{"default", "shop"} {
		seen := make(chan mesh.Request, 1)
		mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{}, bus.Project{Slug: project}, mesh.CallerFunc(
			func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
				got := *r
				got.Args = append([]byte(nil), r.Args...)
				if d, ok := ctx.Deadline(); !ok || time.Until(d) > patience {
					t.Errorf("the deadline did not arrive: %v", d)
				}
				seen <- got
				return &mesh.Reply{Body: []byte(record), Position: mesh.Position{Epoch: "e1", Seq: 12}, Replayed: true, Version: 7}, nil
			}))
		c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
		r := call(project, "User", "update", `{"id":"a"}`)
		r.TraceParent, r.IdempotencyKey, r.CatalogVersion, r.Token = "tp", "ik", "3", "tok"
		rep, err := c.Call(within(t, patience), r)
		if err != nil {
			t.Fatal(err)
		}
		if string(rep.Body) != record || rep.Position.String() != "e1-12" || !rep.Replayed || rep.Version != 7 {
			t.Errorf("got %+v", rep)
		}
		got := <-seen
		if got.Project != project || got.Entity != "User" || got.Op != "update" || string(got.Args) != `{"id":"a"}` || got.Header != r.Header {
			t.Errorf("got %+v", got)
		}
		if r = call(project, "User", "findAll", ""); true {
			if _, err = c.Call(context.Background(), r); err != nil {
				t.Fatal(err)
			}
		}
		if got = <-seen; string(got.Args) != "{}" {
			t.Errorf("no arguments arrived as %q", got.Args)
		}
	}
}

func TestEveryCodeSurvives(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{}, bus.Project{Slug: "default"}, mesh.CallerFunc(
		func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
			if r.Op == "panic" {
				panic("secret")
			}
			if r.Op == "driver" {
				return nil, errors.New("secret driver text")
			}
			if r.Op == "nothing" {
				return nil, nil
			}
			e := fault.New(fault.Code(r.Op), "message of %s", r.Op).With(map[string]any{"field": "name"})
			return nil, e.After(time.Minute) // half of it is longer than a call has: OVERLOADED is not tried again
		}))
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	for _, row := range fault.Table {
		_, err := c.Call(within(t, patience/3), call("default", "User", string(row.Code), "{}"))
		e := fault.From(err)
		if e.Code != row.Code {
			t.Errorf("%s came back as %v", row.Code, err)
			continue
		}
		if row.Code != fault.Internal && e.Message != "message of "+string(row.Code) {
			t.Errorf("%s: message %q", row.Code, e.Message)
		}
		if d, _ := e.Details.(map[string]any); row.Code != fault.Internal && d["field"] != "name" {
			t.Errorf("%s: details %v", row.Code, e.Details)
		}
	}
	for _, op := range []string{"panic", "driver", "nothing"} {
		_, err := c.Call(within(t, patience/3), call("default", "User", op, "{}"))
		if e := fault.From(err); e.Code != fault.Internal || strings.Contains(e.Message, "secret") || !strings.Contains(e.Message, "r-1") {
			t.Errorf("%s: got %v", op, err)
		}
	}
}

func TestHostileNamesAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	for _, bad := range []string{"", "*", ">", "a.b", "a b", "a\r\nb", "../x", "live", "' OR 1=1"} {
		for want, r := range map[fault.Code]*mesh.Request{
			fault.UnknownProject: call(bad, "User", "create", ""),
			fault.UnknownEntity:  call("default", bad, "create", ""),
		} {
			if _, err := c.Call(context.Background(), r); fault.CodeOf(err) != want {
				t.Errorf("%q: got %v, want %s", bad, err, want)
			}
		}
	}
	if _, err := c.Call(context.Background(), call("default", "User", "a.b", "")); fault.CodeOf(err) != fault.UnknownOp {
		t.Errorf("got %v", err)
	}
	r := call("default", "User", "create", "")
	r.Token = strings.Repeat("x", bus.MaxHeader)
	if _, err := c.Call(context.Background(), r); fault.CodeOf(err) != fault.InvalidRequest {
		t.Errorf("an oversized header: got %v", err)
	}
	if _, err := c.Call(context.Background(), call("default", "User", "create", strings.Repeat("x", embedded.MaxPayload))); fault.CodeOf(err) != fault.PayloadTooLarge {
		t.Errorf("an oversized request: got %v", err)
	}
}

func TestNobodyServes(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	err := settled(t, func(ctx context.Context) error {
		_, err := c.Call(ctx, call("default", "User", "create", "{}"))
		return err
	})
	if fault.CodeOf(err) != fault.NoHandler {
		t.Errorf("got %v", err)
	}
	// A worker that comes within the deadline gets the call.
	done := make(chan error, 1)
	go func() {
		_, err := c.Call(context.Background(), call("default", "User", "create", "{}"))
		done <- err
	}()
	mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{}, bus.Project{Slug: "default"}, echo(record))
	if err := wait(t, done, "the reply"); err != nil {
		t.Error(err)
	}
}

func echo(body string) mesh.Caller {
	b := []byte(body)
	return mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) { return &mesh.Reply{Body: b}, nil })
}

func TestCancelledCallEndsAtOnceAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	var ended atomic.Bool
	mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{}, bus.Project{Slug: "default"}, mesh.CallerFunc(
		func(context.Context, *mesh.Request) (*mesh.Reply, error) {
			entered <- struct{}{}
			<-leave
			ended.Store(true)
			return &mesh.Reply{Body: []byte(record)}, nil
		}))
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := c.Call(ctx, call("default", "User", "findAll", "{}"))
		done <- err
	}()
	wait(t, entered, "the call")
	cancel()
	if err := wait(t, done, "the end of the call"); fault.CodeOf(err) != fault.Cancelled || ended.Load() {
		t.Errorf("got %v", err)
	}
	if n := c.Waiting(); n != 0 {
		t.Errorf("%d calls are left in the table", n)
	}
	close(leave)
}
