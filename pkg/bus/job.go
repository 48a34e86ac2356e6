package bus

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/octomesh/octomesh/pkg/bus/credit"
	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// job is one request on its way through a host.
type job struct {
	host   *Host
	share  *share
	caller mesh.Caller
	req    mesh.Request
	reply  string
	stream bool // came on the stream subject
	native bool
	size   int
	until  time.Time

	mu    sync.Mutex
	ended bool
	held  bool        // a beat may still look at the job
	beat  *time.Timer // tells a mesh caller that the worker lives
}

var jobs = sync.Pool{New: func() any { return new(job) }}

// accept runs in the goroutine of a subscription, one message after another.
func (h *Host) accept(s *served, subj, reply string, header nats.Header, data []byte) {
	if reply == "" {
		return // nobody would learn the outcome, and nothing proves who asks
	}
	j := jobs.Get().(*job)
	j.host, j.share, j.caller, j.reply, j.ended = h, s.share, s.caller, reply, false
	err := j.read(s, subj, header, data)
	if err != nil {
		j.fail(err)
		j.recycle()
		return
	}
	if !j.native {
		j.startBeat()
	}
	if !h.pool.submit(j) {
		j.stopBeat()
		j.fail(fault.New(fault.Overloaded, "too much work is waiting; nothing was executed").After(100 * time.Millisecond))
		j.recycle()
	}
}

// read fills the request from the message.
func (j *job) read(s *served, subj string, header nats.Header, data []byte) error {
	p, ok := subject.Parse(subj)
	j.stream = p.Kind == subject.KindStream
	var ttl time.Duration
	var err error
	j.req.Header, ttl, err = incoming(header, j.reply, p.Project)
	j.native = j.req.Native != ""
	switch {
	case err != nil:
		return err
	case !ok:
		return fault.New(fault.InvalidRequest, "the subject names no entity and operation: each is [A-Za-z0-9_-]{1,64}")
	case p.Project != s.Slug:
		return fault.New(fault.UnknownProject, "there is no such project")
	}
	if ttl == 0 {
		ttl = j.host.o.Timeout
	}
	j.until = time.Now().Add(ttl)
	j.size = len(data) + 1024
	j.req.Project, j.req.Entity, j.req.Op, j.req.Args = p.Project, p.Entity, p.Name, data
	return nil
}

func (j *job) startBeat() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.beat == nil {
		j.beat = time.AfterFunc(j.host.o.Working, j.working)
	} else {
		j.beat.Reset(j.host.o.Working)
	}
}

func (j *job) working() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return
	}
	_ = j.host.nc.PublishMsg(&nats.Msg{Subject: j.reply, Header: nats.Header{credit.PartHeader: {credit.Working}}})
	j.beat.Reset(j.host.o.Working)
}

// stopBeat ends the beat; it may be called again.
func (j *job) stopBeat() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return
	}
	j.ended = true
	// A beat whose function has begun waits for the lock, and still looks at
	// this job then.
	j.held = j.beat != nil && !j.beat.Stop() && !j.native
}

// recycle gives the job back. Its beat must be stopped.
func (j *job) recycle() {
	if j.held {
		return
	}
	*j = job{beat: j.beat}
	jobs.Put(j)
}

// run executes the job and answers, in a goroutine of the pool.
func (h *Host) run(j *job) {
	defer j.recycle()
	defer j.stopBeat()
	if left := time.Until(j.until); left <= 0 {
		j.fail(fault.New(fault.Timeout, "the deadline passed while the request waited; nothing was executed"))
		return
	}
	ctx, cancel, disarm := j.context()
	defer cancel()
	r, err := j.call(ctx)
	if err != nil {
		if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) && fault.CodeOf(err) == fault.Cancelled {
			err = fault.From(context.DeadlineExceeded)
		}
		j.fail(err)
		return
	}
	disarm()
	j.answer(ctx, r)
}

// context returns the context of the call. Where the reply may come in chunks,
// the deadline counts until the reply begins, and disarm lifts it then: from
// there on, each chunk has its own.
func (j *job) context() (ctx context.Context, cancel, disarm func()) {
	op := mesh.LookupOp(j.req.Entity, j.req.Op)
	if !j.stream && (op == nil || !op.Chunked) {
		return j.host.deadlines.Until(j.until), nothing, nothing
	}
	c, stop := context.WithCancelCause(j.host.ctx)
	t := time.AfterFunc(time.Until(j.until), func() { stop(context.DeadlineExceeded) })
	return c, func() { t.Stop(); stop(nil) }, func() { t.Stop() }
}

func nothing() {}

// call calls, and turns a panic into an error.
func (j *job) call(ctx context.Context) (r *mesh.Reply, err error) {
	defer func() {
		if v := recover(); v != nil {
			j.host.o.Log.Error("panic in a call", "request_id", j.req.RequestID, "project", j.req.Project,
				"entity", j.req.Entity, "op", j.req.Op, "err", v, "stack", string(debug.Stack()))
			r, err = nil, j.internal(nil)
		}
	}()
	r, err = j.caller.Call(ctx, &j.req)
	if err == nil && r == nil {
		err = errors.New("a Caller gave neither reply nor error")
	}
	return r, err
}

func (j *job) internal(cause error) *fault.Error {
	return fault.Wrap(cause, fault.Internal, "something went wrong on our side; the log has it under request id %s", j.req.RequestID)
}

// fail answers with an error.
func (j *job) fail(err error) {
	e := fault.From(err)
	if e.Code == fault.Internal && e.Unwrap() != nil {
		j.host.o.Log.LogAttrs(context.Background(), slog.LevelError, "internal error", slog.String("request_id", j.req.RequestID),
			slog.String("project", j.req.Project), slog.String("entity", j.req.Entity), slog.String("op", j.req.Op), slog.Any("err", err))
		e = j.internal(e.Unwrap())
	}
	j.stopBeat()
	j.publish(credit.ErrorHeaders(e), e.AppendReply(nil))
}

// publish sends a reply of one message.
func (j *job) publish(h nats.Header, body []byte) {
	nc := j.host.nc
	var err error
	if h == nil {
		err = nc.Publish(j.reply, body)
	} else {
		err = nc.PublishMsg(&nats.Msg{Subject: j.reply, Header: h, Data: body})
	}
	if err == nil && j.stream {
		err = nc.Publish(j.reply, nil) // ends the response for the server
	}
	if err != nil {
		j.host.o.Log.Warn("a reply was lost", "request_id", j.req.RequestID, "err", err)
	}
}

// answer sends a reply, in chunks where it is too large for one message.
func (j *job) answer(ctx context.Context, r *mesh.Reply) {
	h := replyHeader(r)
	chunks := r.Chunks
	if chunks == nil {
		if !j.stream && len(r.Body) <= j.single() {
			j.stopBeat()
			j.publish(h, r.Body)
			if r.Release != nil {
				r.Release()
			}
			return
		}
		chunks = credit.Bytes(r.Body)
	}
	if j.native && !j.stream {
		chunks.Close()
		j.fail(fault.New(fault.PayloadTooLarge, "the reply is larger than %d KiB; ask on %s, which answers in parts, or ask for less",
			j.host.o.Single>>10, subject.Stream(j.req.Project, j.req.Entity, j.req.Op)))
		return
	}
	j.stopBeat()
	err := credit.Send(ctx, j.host.bulk, j.reply, &guarded{chunks, j}, credit.SendOptions{
		Subject: creditSubject, Header: h, Beat: 2 * j.host.o.Working, Idle: j.host.o.StreamIdle,
	})
	if err != nil && fault.CodeOf(err) == fault.Internal {
		j.host.o.Log.Error("a stream failed", "request_id", j.req.RequestID, "project", j.req.Project,
			"entity", j.req.Entity, "op", j.req.Op, "err", err)
	}
}

// single is the largest reply that goes in one message. A native client's
// write is done by now and has to be told of it while NATS can carry that.
func (j *job) single() int {
	if op := mesh.LookupOp(j.req.Entity, j.req.Op); j.native && op != nil && op.Class != mesh.Read {
		return int(j.host.nc.MaxPayload()) - MaxHeader
	}
	return j.host.o.Single
}

// guarded turns a panic and an internal error of chunks into ones that may be
// shown.
type guarded struct {
	mesh.Chunks
	j *job
}

func (g *guarded) Next(ctx context.Context) (b []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			g.j.host.o.Log.Error("panic in a stream", "request_id", g.j.req.RequestID, "err", v, "stack", string(debug.Stack()))
			b, err = nil, g.j.internal(nil)
		}
	}()
	return g.Chunks.Next(ctx)
}
