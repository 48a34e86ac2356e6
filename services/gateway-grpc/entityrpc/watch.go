package entityrpc

import (
	"bytes"
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/protofile/codec"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

func (s *Services) watch(ss grpc.ServerStream, c *rpc.Caller, m *codec.Method, in []byte) error {
	w, err := m.Watch(in)
	if err != nil {
		return err
	}
	w.Entities = []string{m.Service.Entity}
	return s.follow(ss, c, m, w)
}

// follow sends events until the client goes, the rights end or the server stops.
// Errors: those of the Feed; UNAUTHORIZED, UNAVAILABLE and OVERLOADED say in their
// details from which position to go on.
func (s *Services) follow(ss grpc.ServerStream, c *rpc.Caller, m *codec.Method, w codec.Watch) error {
	rpc.ExchangeOf(ss.Context()).Long = true
	sub := event.Subscription{
		Project: c.Project.Slug, Entities: w.Entities, Filter: bytes.Clone(w.Filter), Principal: c.Principal, Transport: Transport,
	}
	if len(w.Position) > 0 {
		var err error
		if sub.From, err = mesh.ParsePosition(string(w.Position)); err != nil {
			return err
		}
	}
	client := s.Hub.Add(c.Credential, c.Principal, c.Header.Token)
	defer client.Remove()
	stream, err := s.Hub.Feed.Subscribe(ss.Context(), sub)
	if err != nil {
		return err
	}
	defer stream.Close()
	f := &follower{
		services: s, project: c.Project, method: m, client: client, stream: stream, at: stream.Start,
		out: make(chan message), taken: make(chan error, 1),
	}
	f.path, _ = grpc.MethodFromServerStream(ss)
	if err := ss.SendHeader(nil); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ss.Context())
	defer stop()
	go f.write(ctx, ss)
	return f.run(ctx)
}

// message is an event on its way to the client.
type message struct {
	bytes []byte
	at    mesh.Position
}

// follower is one Watch. A goroutine of its own sends, so that a client that takes
// nothing does not keep the other from hearing that its time is over.
type follower struct {
	services *Services
	project  *gateway.Project
	path     string // of the method
	method   *codec.Method
	client   *live.Conn
	stream   *live.Opened
	out      chan message
	taken    chan error    // what became of a message
	busy     bool          // a message is being sent
	since    time.Time     // when that began
	sending  mesh.Position // where the client stands once it has it
	at       mesh.Position // where the client stands
}

// write sends until a message fails or the Watch ends. Over HTTP/2 it may outlive
// the handler in a message that nobody takes; package web waits for it.
func (f *follower) write(ctx context.Context, ss grpc.ServerStream) {
	for {
		select {
		case m := <-f.out:
			err := ss.SendMsg(&rpc.Message{Bytes: m.bytes})
			f.taken <- err
			if err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (f *follower) run(ctx context.Context) error {
	kind := position
	if f.stream.Gap {
		kind = event.Gap
	}
	if err := f.send(ctx, note(kind, f.stream.Start), f.stream.Start); err != nil {
		return err
	}
	tick := time.NewTicker(f.services.Pause)
	defer tick.Stop()
	due := false // its position is to be told
	for {
		if !f.busy {
			if err := f.next(ctx, due); err != nil {
				return err
			}
			due = false
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.services.Stopping:
			return f.ending(live.Ending{Reason: "shutdown", Code: fault.Unavailable})
		case e := <-f.client.Ended():
			return f.ending(e)
		case now := <-tick.C:
			if e, ok := f.client.Check(ctx, now); !ok {
				return f.ending(e)
			}
			if f.busy && now.Sub(f.since) > f.services.Taking && len(f.taken) == 0 { // else it has left while this was waiting
				return f.ending(live.Ending{Reason: "slow", Code: fault.Overloaded})
			}
			due = true
		case err := <-f.taken:
			if err != nil {
				return err
			}
			f.busy, f.at = false, f.sending
		case <-f.stream.Ready():
			if e := live.EndingOf(f.stream.Err(), f.at); f.busy && e.Reason == "slow" {
				return f.ending(e)
			}
		}
	}
}

// next sends the event that waits, or tells why no more will come.
func (f *follower) next(ctx context.Context, due bool) error {
	over := f.stream.Err() // before Pop: what came before the end is told first
	e, ok := f.stream.Pop()
	switch {
	case ok && e.Type == event.Gap:
		return f.send(ctx, note(event.Gap, e.Position), e.Position)
	case ok:
		return f.send(ctx, e.JSON, e.Position)
	case over != nil:
		return f.ending(live.EndingOf(over, f.at))
	case due:
		at := f.stream.Position()
		return f.send(ctx, note(position, at), at)
	}
	return nil
}

// send hands an event to the writer, which is idle.
func (f *follower) send(ctx context.Context, object []byte, at mesh.Position) error {
	if err := f.renew(); err != nil {
		return err
	}
	b, err := f.method.Record(make([]byte, 0, len(object)+16), object)
	if err != nil {
		return f.ending(live.Ending{Reason: "another schema", Code: fault.Unavailable})
	}
	select {
	case f.out <- message{b, at}:
	case <-ctx.Done():
		return ctx.Err()
	}
	f.busy, f.since, f.sending = true, time.Now(), at
	return nil
}

// renew goes on with the newest schema of the project.
func (f *follower) renew() error {
	p := f.services.Projects.Get(f.project.Slug)
	if p == f.project || p == nil || f.method.Service.Entity == "" {
		return nil
	}
	m := f.services.project(p).codec.Method(f.path)
	if m == nil {
		return fault.New(fault.UnknownEntity, "the project no longer has the entity %s", f.method.Service.Entity)
	}
	f.project, f.method = p, m
	return nil
}

// position is the type of an event that tells nothing but where the client stands.
const position = "position"

// note is what is told of no change, in the form of an event.
func note(kind string, at mesh.Position) []byte {
	b := append([]byte(`{"event":"`), kind...)
	b = schema.AppendString(append(b, `","position":`...), at.String())
	return append(b, '}')
}

// ending is why a Watch ends, as an error with the position to go on from.
func (f *follower) ending(e live.Ending) error {
	code, text := e.Code, endings[e.Reason]
	if code == "" {
		code = fault.Unavailable
	}
	if text == "" {
		text = "the events have ended: watch again from the position in the details"
	}
	select {
	case err := <-f.taken: // the last event has left meanwhile
		if err == nil {
			f.at = f.sending
		}
	default: // one that leaves from here on comes again to who goes on from there
	}
	out := fault.New(code, "%s", text)
	if f.at.IsZero() {
		return out
	}
	return out.With(map[string]string{"position": f.at.String()})
}

var endings = map[string]string{
	"shutdown": "the server stops: watch again from the position in the details",
	"slow":     "the events were not taken fast enough: watch again from the position in the details",
	"revoked":  "the credential no longer allows this",
	"renew":    "the credential's time is over",
}
