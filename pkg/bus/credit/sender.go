package credit

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// SendOptions configure Send. Zero values take the defaults.
type SendOptions struct {
	// Subject is the prefix of the credit subject, without a final dot.
	Subject string
	// Beat is how often a sender that has nothing to send or no credit shows
	// that it lives (1 s); so a receiver that is gone is found, because nobody
	// hears the beat.
	Beat time.Duration
	// Idle is how long a sender waits for credit (30 s).
	Idle time.Duration
	// Header goes with the start message.
	Header nats.Header
}

// errGone ends a stream whose receiver does not exist any more, errCancelled
// one that the receiver gave up.
var (
	errGone      = fault.New(fault.Cancelled, "the reader is gone")
	errCancelled = fault.New(fault.Cancelled, "the reader gave the reply up")
)

// Send sends chunks to reply until io.EOF, and closes them in any case. The
// context of chunks.Next ends at once when the receiver cancels or is gone, and
// with ctx. It returns how the stream ended: nil, or the error that the
// receiver was told (CANCELLED, TIMEOUT for a reader without progress, or that
// of the chunks).
func Send(ctx context.Context, nc *nats.Conn, reply string, chunks mesh.Chunks, o SendOptions) error {
	if o.Beat == 0 {
		o.Beat = time.Second
	}
	if o.Idle == 0 {
		o.Idle = 30 * time.Second
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s := &sender{ctx: ctx, stop: stop, nc: nc, reply: reply, o: o, left: Initial, more: make(chan struct{}, 1)}
	s.credit = o.Subject + "." + nuid.Next()
	sub, err := nc.Subscribe(s.credit, s.granted)
	if err != nil {
		chunks.Close()
		return fault.Wrap(err, fault.Unavailable, "the connection to the mesh is lost")
	}
	defer func() { _ = sub.Unsubscribe() }()

	start := nats.Header{PartHeader: {Start}}
	for k, v := range o.Header {
		start[k] = v
	}
	if err = s.publish(start, nil); err == nil {
		err = s.pump(chunks)
	}
	s.quiet()
	if cerr := chunks.Close(); err == nil && cerr != nil {
		err = fault.From(cerr)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fault.From(cause)
	}
	if fault.From(err) == errGone {
		return err // nobody is there to be told
	}
	_ = nc.PublishMsg(&nats.Msg{Subject: reply, Header: endHeaders(err)})
	_ = nc.Publish(reply, nil)
	return err
}

type sender struct {
	ctx    context.Context
	stop   context.CancelCauseFunc
	nc     *nats.Conn
	reply  string
	credit string
	o      SendOptions
	more   chan struct{} // filled when credit came

	mu    sync.Mutex
	left  int
	beat  *time.Timer // fires when nothing was sent for a while
	ended bool        // no beat may follow
}

// granted takes a message on the credit subject.
func (s *sender) granted(m *nats.Msg) {
	switch {
	case NoResponders(m):
		s.stop(errGone)
	case string(m.Data) == cancel:
		s.stop(errCancelled)
	default:
		n, err := strconv.Atoi(string(m.Data))
		if err != nil || n < 1 {
			return
		}
		s.mu.Lock()
		s.left = min(s.left+min(n, Cap), Cap)
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
	}
}

func (s *sender) beatNow() {
	if s.ctx.Err() == nil {
		_ = s.publish(nats.Header{PartHeader: {Beat}}, nil)
	}
}

func (s *sender) publish(h nats.Header, data []byte) error {
	err := s.nc.PublishMsg(&nats.Msg{Subject: s.reply, Reply: s.credit, Header: h, Data: data})
	s.mu.Lock()
	switch {
	case s.ended:
	case s.beat == nil:
		s.beat = time.AfterFunc(s.o.Beat, s.beatNow)
	default:
		s.beat.Reset(s.o.Beat)
	}
	s.mu.Unlock()
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "the connection to the mesh is lost")
	}
	return nil
}

// quiet ends the beats.
func (s *sender) quiet() {
	s.mu.Lock()
	s.ended = true
	if s.beat != nil {
		s.beat.Stop()
	}
	s.mu.Unlock()
}

// pump packs what the chunks give into messages of a good size.
func (s *sender) pump(chunks mesh.Chunks) error {
	var pack []byte
	for {
		b, err := chunks.Next(s.ctx)
		if err != nil && !errors.Is(err, io.EOF) {
			return fault.From(err)
		}
		end := err != nil
		if !end && (len(pack) > 0 || len(b) < MinChunk) {
			if pack == nil {
				pack = make([]byte, 0, MaxChunk)
			}
			n := min(len(b), MaxChunk-len(pack))
			pack = append(pack, b[:n]...)
			if b = b[n:]; len(pack) < MinChunk {
				continue
			}
		}
		if len(pack) > 0 {
			if err := s.send(pack); err != nil {
				return err
			}
			pack = pack[:0]
		}
		if end {
			return nil
		}
		for len(b) > 0 {
			n := min(len(b), MaxChunk)
			if err := s.send(b[:n]); err != nil {
				return err
			}
			b = b[n:]
		}
	}
}

// send waits for credit and spends one.
func (s *sender) send(b []byte) error {
	var idle *time.Timer
	for {
		if s.ctx.Err() != nil {
			return fault.From(context.Cause(s.ctx))
		}
		s.mu.Lock()
		ok := s.left > 0
		if ok {
			s.left--
		}
		s.mu.Unlock()
		if ok {
			return s.publish(nil, b)
		}
		if idle == nil {
			idle = time.NewTimer(s.o.Idle)
			defer idle.Stop()
		}
		select {
		case <-s.more:
		case <-s.ctx.Done():
		case <-idle.C:
			return fault.New(fault.Timeout, "the reader took nothing for %v", s.o.Idle)
		}
	}
}

// Bytes gives one body as chunks.
func Bytes(body []byte) mesh.Chunks { return &whole{body} }

type whole struct{ rest []byte }

func (w *whole) Next(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(w.rest) == 0 {
		return nil, io.EOF
	}
	n := min(len(w.rest), MaxChunk)
	b := w.rest[:n]
	w.rest = w.rest[n:]
	return b, nil
}

func (w *whole) Close() error { return nil }
