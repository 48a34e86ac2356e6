package bus

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/nats-io/nats.go"

	"github.com/octomesh/octomesh/pkg/bus/credit"
	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// ClientOptions configure a Client. Zero values take the defaults.
type ClientOptions struct {
	// Timeout is the deadline of a call whose context has none (10 s).
	Timeout time.Duration
	// Silence is how long a worker may show no sign of life before an attempt
	// counts as failed (1.5 s; workers show one every 500 ms).
	Silence time.Duration
	// Idle is the same for a reply in chunks, once it has begun (5 s).
	Idle time.Duration
	// Log takes what is noticed beside the calls; nil discards it.
	Log *slog.Logger
}

// Client sends mesh requests over NATS. It is a mesh.Caller, and safe for
// concurrent use.
//
// An attempt that surely was not executed (nobody listens, OVERLOADED, no
// connection) is repeated while there is time for another before the deadline;
// when there is none, the call ends at once. One whose worker fell silent is
// repeated where a repetition is harmless: reads, and writes with an
// idempotency key; other writes end with TIMEOUT, and whether they were
// executed is unknown.
type Client struct {
	o     ClientOptions
	d     Dialer
	calls *lane

	mu     sync.Mutex
	bulk   *dialled // for ops that answer in chunks; dialled when first needed
	closed bool
}

// NewClient connects.
func NewClient(d Dialer, o ClientOptions) (*Client, error) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Silence == 0 {
		o.Silence = 1500 * time.Millisecond
	}
	l, err := openLane(d, "calls")
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "NATS cannot be reached")
	}
	return &Client{o: o, d: d, calls: l}, nil
}

// Close closes the connections. Calls that wait end with UNAVAILABLE.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	bulk := c.bulk
	if bulk != nil && bulk.lane == nil { // the one that dials closes what it gets
		c.bulk, bulk.err = nil, errClosed
		close(bulk.done)
		bulk = nil
	}
	c.mu.Unlock()
	c.calls.nc.Close()
	if bulk != nil {
		bulk.lane.nc.Close()
	}
}

// Conn returns the connection of the calls, to share it with what is not on
// the hot path.
func (c *Client) Conn() *nats.Conn { return c.calls.nc }

// Call sends a request to whoever serves its project. Besides the errors of the
// worker it returns NO_HANDLER (nobody serves the project), OVERLOADED, TIMEOUT,
// CANCELLED, UNAVAILABLE (no connection), PAYLOAD_TOO_LARGE, INVALID_REQUEST (a
// header over its limit), and UNKNOWN_PROJECT, UNKNOWN_ENTITY or UNKNOWN_OP for
// names that no subject can hold.
func (c *Client) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	op := mesh.LookupOp(r.Entity, r.Op)
	l, subj := c.calls, ""
	if op != nil && op.Chunked {
		var err error
		if l, err = c.bulkLane(ctx); err != nil {
			return nil, err
		}
		subj = subject.Stream(r.Project, r.Entity, r.Op)
	} else {
		subj = subject.Call(r.Project, r.Entity, r.Op)
	}
	if subj == "" {
		return nil, badName(r)
	}
	again := r.IdempotencyKey != "" || op != nil && op.Class == mesh.Read
	return c.exchange(ctx, exchange{lane: l, subject: subj, data: r.Args, header: &r.Header, again: again})
}

func badName(r *mesh.Request) error {
	switch {
	case subject.Calls(r.Project) == "":
		return fault.New(fault.UnknownProject, "there is no such project")
	case subject.Call(subject.DefaultProject, r.Entity, "x") == "":
		return fault.New(fault.UnknownEntity, "the project has no such entity")
	}
	return fault.New(fault.UnknownOp, "there is no such operation")
}

// Control sends a request of the control plane: verb is <service>.<verb>, such
// as auth.exchange, with or without the leading octo. Requests to auth may be
// repeated when its service falls silent; others need an idempotency key for
// that. Errors are as for Call.
func (c *Client) Control(ctx context.Context, verb string, in []byte, h mesh.Header) ([]byte, error) {
	service, rest, _ := strings.Cut(strings.TrimPrefix(verb, "octo."), ".")
	subj := subject.Control(service, rest)
	if subj == "" {
		return nil, fault.New(fault.UnknownOp, "there is no such operation")
	}
	r, err := c.exchange(ctx, exchange{
		lane: c.calls, subject: subj, data: in, header: &h,
		again: service == "auth" || h.IdempotencyKey != "",
	})
	if err != nil {
		return nil, err
	}
	if r.Chunks != nil {
		r.Chunks.Close()
		return nil, fault.New(fault.Internal, "a control reply came in chunks")
	}
	return r.Body, nil
}

// exchange is one call: what is sent, however often.
type exchange struct {
	lane    *lane
	subject string
	data    []byte
	header  *mesh.Header
	again   bool // harmless to repeat
}

// leastTry is how much time an attempt must have to be made again. With less it
// would end in the doubt whether it was executed.
const leastTry = 50 * time.Millisecond

var (
	emptyArgs = []byte("{}")
	errClosed = fault.New(fault.Unavailable, "the client is closed")
	// errSilent and errLost are outcomes of one attempt that are not final.
	errSilent = errors.New("the worker fell silent")
	errLost   = errors.New("the connection was lost")
	errNobody = errors.New("nobody listens")
	errUnsent = errors.New("not sent")
)

func (c *Client) exchange(ctx context.Context, x exchange) (*mesh.Reply, error) {
	if len(x.data) == 0 {
		x.data = emptyArgs
	}
	deadline, bound := ctx.Deadline()
	if !bound {
		deadline = time.Now().Add(c.o.Timeout)
	}
	p := pendings.Get().(*pending)
	// last is what to say at the deadline: how the last attempt failed.
	var last error
	for tries := 0; ; tries++ {
		r, kept, err := c.attempt(ctx, &x, p, deadline)
		if err == nil {
			if !kept {
				p.recycle()
			}
			return r, nil
		}
		var wait time.Duration
		switch {
		case err == errNobody:
			wait = backoff(tries, 2*time.Millisecond, 100*time.Millisecond)
		case err == errUnsent: // waits for the connection in the next attempt
			wait = backoff(tries, time.Millisecond, 50*time.Millisecond)
		case (err == errSilent || err == errLost) && x.again:
		case fault.CodeOf(err) == fault.Overloaded:
			wait = max(backoff(tries, 20*time.Millisecond, time.Second), fault.From(err).RetryAfter/2+rand.N(fault.From(err).RetryAfter/2+1))
		default:
			p.recycle()
			return nil, final(err, x.again, c.o.Silence)
		}
		// A deadline says nothing that the attempt before it did not say better.
		last = err
		if time.Until(deadline)-wait < leastTry {
			p.recycle()
			return nil, final(last, x.again, c.o.Silence)
		}
		if wait > 0 {
			p.timer.Reset(wait)
			select {
			case <-p.timer.C:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil || time.Until(deadline) <= 0 {
			p.recycle()
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil, fault.From(ctx.Err())
			}
			return nil, final(last, x.again, c.o.Silence)
		}
	}
}

// backoff grows from first to most, with jitter.
func backoff(tries int, first, most time.Duration) time.Duration {
	d := min(first<<min(tries, 16), most)
	return d/2 + rand.N(d/2+1)
}

// final turns the outcome of the last attempt into the caller's error.
func final(err error, again bool, silence time.Duration) error {
	switch {
	case err == errNobody:
		return fault.New(fault.NoHandler, "no worker serves the project right now; nothing was executed")
	case err == errUnsent:
		return fault.New(fault.Unavailable, "NATS cannot be reached right now; nothing was executed")
	case err == errSilent && !again:
		return fault.New(fault.Timeout, "the worker gave no sign for %v; whether the write was executed is unknown; "+
			"send an Idempotency-Key to make a repetition safe", silence)
	case err == errLost && !again:
		return fault.New(fault.Timeout, "the connection was lost; whether the write was executed is unknown; "+
			"send an Idempotency-Key to make a repetition safe")
	case err == errSilent, err == errLost:
		return fault.New(fault.Timeout, "no worker answered within the deadline")
	}
	return fault.From(err)
}

// attempt sends once and waits. kept tells that p belongs to the reply's chunks.
func (c *Client) attempt(ctx context.Context, x *exchange, p *pending, deadline time.Time) (r *mesh.Reply, kept bool, err error) {
	left := time.Until(deadline)
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	l := x.lane
	if l.isDown.Load() {
		if err := l.await(ctx, p.timer, left); err != nil {
			return nil, false, err
		}
		left = time.Until(deadline)
	}
	p.buf = AppendHeader(p.buf[:0], x.header, left)
	if len(p.buf) > MaxHeader {
		return nil, false, fault.New(fault.InvalidRequest, "request id, trace context, idempotency key and token are together longer than %d bytes", MaxHeader)
	}
	p.header[0] = unsafe.String(unsafe.SliceData(p.buf), len(p.buf)) // a publish copies what it sends
	t := l.register(p)
	p.msg.Subject, p.msg.Reply, p.msg.Data = x.subject, t.subject, x.data
	if err := l.nc.PublishMsg(&p.msg); err != nil {
		l.forget(t.id, p)
		return nil, false, unsent(err)
	}
	for {
		p.timer.Reset(min(c.o.Silence, max(time.Until(deadline), 0)))
		var m *nats.Msg
		select {
		case m = <-p.ch:
		case <-ctx.Done():
			l.forget(t.id, p)
			return nil, false, late(ctx.Err(), x.again)
		case <-p.timer.C:
			l.forget(t.id, p)
			if time.Until(deadline) <= 0 {
				return nil, false, late(context.DeadlineExceeded, x.again)
			}
			return nil, false, errSilent
		}
		switch part := credit.Part(m); {
		case part == credit.Working || part == credit.Beat:
			continue
		case m == credit.Lost:
			if l.nc.IsClosed() {
				l.forget(t.id, p)
				return nil, false, errClosed
			}
			if !x.again {
				continue // the reply may still come
			}
			l.forget(t.id, p)
			return nil, false, errLost
		case part == credit.Start:
			r, err := parseReply(m)
			if err != nil {
				l.forget(t.id, p)
				return nil, false, err
			}
			p.timer.Stop()
			r.Body = nil
			r.Chunks = credit.NewReceiver(m, credit.Source{
				Conn: l.nc, Messages: p.ch, Broken: &p.broken,
				Release: func() { l.release(t.id) }, Idle: c.o.Idle,
			})
			return r, true, nil
		case credit.NoResponders(m):
			l.forget(t.id, p)
			return nil, false, errNobody
		}
		l.answered(t)
		r, err := parseReply(m)
		if err != nil {
			p.drain()
		}
		return r, false, err
	}
}

// unsent tells what a failed publish means.
func unsent(err error) error {
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return fault.Wrap(err, fault.PayloadTooLarge, "the request is larger than one message may be")
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionDraining):
		return errClosed
	}
	return errUnsent
}

// late is the error of a call whose time was over while a worker had it.
func late(err error, again bool) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return fault.From(err)
	}
	if again {
		return fault.Wrap(err, fault.Timeout, "no worker answered within the deadline")
	}
	return fault.Wrap(err, fault.Timeout, "the deadline passed; whether the write was executed is unknown; "+
		"send an Idempotency-Key to make a repetition safe")
}

// Waiting returns how many calls wait for an answer.
func (c *Client) Waiting() int {
	n := c.calls.waiting()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bulk != nil && c.bulk.lane != nil {
		n += c.bulk.lane.waiting()
	}
	return n
}
