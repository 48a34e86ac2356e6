package rpc

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/octomesh/octomesh/pkg/fault"
)

const (
	// Arrival is how long a message over SmallMessage may take to arrive, Patience how
	// long a client may take nothing of a stream; both are those of REST.
	Arrival, Patience = 15 * time.Second, 30 * time.Second
	// crowdedFor is after how long a client should try again.
	crowdedFor = time.Second
)

// transport is what lies beneath a call over HTTP/2, as far as gRPC's interface for
// handlers has no word for it: a message whose length can be looked at before it is
// let in, and an end that does not wait for the handler.
type transport interface {
	ReadMessageHeader(header []byte) error
	Read(n int) (mem.BufferSlice, error)
	RecvCompress() string
	WriteStatus(*grpcstatus.Status) error
}

// stream is a ServerStream whose context has the exchange and which sends its
// header with the first message. What its client sends beyond SmallMessage needs a
// credential and room, and what it does not take ends it.
type stream struct {
	grpc.ServerStream
	entrance *Entrance
	x        *Exchange
	ctx      context.Context
	below    transport // nil over HTTP/1.1
	told     bool

	one    bool    // the client sends one message
	some   bool    // one has come
	prefix [5]byte // of the message that arrives
	share  Share

	sends atomic.Int64 // messages that were handed over and have left: odd while one is leaving
	timer atomic.Pointer[time.Timer]
	over  atomic.Pointer[error] // why the call was ended from here
	done  atomic.Bool           // the handler has returned
}

func (e *Entrance) open(ss grpc.ServerStream, x *Exchange, one bool) *stream {
	s := &stream{ServerStream: ss, entrance: e, x: x, one: one, ctx: context.WithValue(ss.Context(), exchangeKey{}, x)}
	s.below, _ = grpc.ServerTransportStreamFromContext(ss.Context()).(transport)
	s.share.Open(&e.Room)
	return s
}

// close ends what the stream has going on.
func (s *stream) close() {
	s.done.Store(true)
	if t := s.timer.Load(); t != nil {
		t.Stop()
	}
	s.share.End()
}

// Context implements grpc.ServerStream.
func (s *stream) Context() context.Context { return s.ctx }

// SendHeader implements grpc.ServerStream. A handler whose messages another
// goroutine sends calls it before that one starts.
func (s *stream) SendHeader(md metadata.MD) error {
	s.head()
	return s.ServerStream.SendHeader(md)
}

func (s *stream) head() {
	if !s.told {
		s.told = true
		_ = s.SetHeader(s.x.header) // fails only when the headers are gone
	}
}

// SendMsg implements grpc.ServerStream. It fails with OVERLOADED when the client
// takes nothing for Patience.
func (s *stream) SendMsg(m any) error {
	s.head()
	if n := s.sends.Add(1); n == 3 && s.below != nil { // a second message: the first never waits
		s.attend(n)
	}
	err := s.ServerStream.SendMsg(m)
	s.sends.Add(1)
	return s.why(err)
}

// attend looks twice each Patience whether the same message is still leaving.
func (s *stream) attend(last int64) {
	wait, times := s.entrance.patience()/2, 0
	var t *time.Timer
	t = time.AfterFunc(time.Hour, func() {
		now := s.sends.Load()
		switch {
		case s.done.Load():
			return
		case now != last || now%2 == 0 || s.x.Unread.Load():
			last, times = now, 0
		default:
			if times++; times == 2 {
				s.end(fault.New(fault.Overloaded, "the stream was not read for %s", s.entrance.patience()))
				return
			}
		}
		t.Reset(wait)
	})
	s.timer.Store(t)
	t.Reset(wait)
}

// end ends the call, whatever its handler waits for.
func (s *stream) end(err error) {
	if !s.over.CompareAndSwap(nil, &err) {
		return
	}
	_, out := status(err, s.x.RequestID)
	_ = s.below.WriteStatus(grpcstatus.Convert(out)) // fails only when the client has gone
}

// why is an error of the stream, or that for which it was ended.
func (s *stream) why(err error) error {
	if over := s.over.Load(); err != nil && over != nil {
		return *over
	}
	return err
}

func (e *Entrance) arrival() time.Duration { return cmp.Or(e.Arrival, Arrival) }

func (e *Entrance) patience() time.Duration { return cmp.Or(e.Patience, Patience) }
