package procedure

import (
	"context"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/replies"
)

const (
	// MaxBatch is how many calls one request may hold.
	MaxBatch = 100
	// sideBySide is how many calls of a request are carried out at a time.
	sideBySide = 8
	// maxReplies is how many bytes all replies of a request may have together,
	// beyond which a call is refused. A single call's reply, which One passes on,
	// has no limit; one that its protocol needs whole, and so asks of Call, has.
	maxReplies = 16 << 20
)

// Desk serves the calls of one exchange.
type Desk struct {
	Project *gateway.Project
	// Lenient takes an object or array also as a text of JSON, as Octonet's
	// clients of some protocols send filter, data, sort and stages.
	Lenient bool

	door          *door.Door
	x             *httpserver.Exchange
	ctx           context.Context
	header        mesh.Header
	principal     *mesh.Principal
	position, tag string // Octo-Min-Position, If-Match
	batch         bool
	room          replies.Room
	calls         atomic.Int64
}

// Open finds the project of an exchange and identifies who calls. With batch
// there may be several calls. Errors: those of door.Enter, INVALID_REQUEST,
// UNKNOWN_PROJECT.
func (s *Desk) Open(d *door.Door, x *httpserver.Exchange, batch bool) error {
	s.door, s.x, s.batch, s.ctx = d, x, batch, x.Context()
	s.position, s.tag = x.Header("Octo-Min-Position"), x.Header("If-Match")
	s.header = mesh.Header{Transport: x.Transport, RequestID: x.RequestID} // for errors before it is known
	s.room.Open(maxReplies, nil)
	slug, err := x.NamedProject()
	if err != nil {
		return err
	}
	if slug == "" {
		slug = gateway.DefaultProject
	}
	if s.Project, err = d.Projects.Find(slug); err != nil {
		return err
	}
	x.LogProject = s.Project.Slug
	if s.header, s.principal, err = d.Enter(x, s.Project.Version); err != nil {
		return err
	}
	if batch && s.tag != "" {
		return fault.New(fault.InvalidRequest, "If-Match is for one call: in a batch give expectedVersion to each")
	}
	return nil
}

// Leave makes the desk independent of the exchange, for calls that go on after
// its handler returned; their end is the returned function's to tell. Names and
// arguments of calls must then be the client's own copies.
func (s *Desk) Leave() context.CancelFunc {
	s.position = strings.Clone(s.position)
	s.header.TraceParent, s.header.IdempotencyKey = strings.Clone(s.header.TraceParent), strings.Clone(s.header.IdempotencyKey)
	ctx, cancel := context.WithCancel(s.ctx)
	s.x, s.ctx = nil, ctx
	return cancel
}

// Context ends with the exchange's time.
func (s *Desk) Context() context.Context { return s.ctx }

// View is what the caller may do with the project.
func (s *Desk) View() mesh.View { return gateway.ViewOf(s.principal, s.Project, s.header.Transport) }

// Name takes a procedure's name apart, "<entity or collection>.<op>".
// Errors: UNKNOWN_OP, UNKNOWN_ENTITY.
func (s *Desk) Name(r *mesh.Request, name string) error {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 {
		return fault.New(fault.UnknownOp, "there is no such procedure: name an entity and an operation, such as Product.findAll")
	}
	entity := name[:dot]
	if entity != mesh.ProjectEntity {
		var err error
		if entity, err = s.Project.EntityName(entity); err != nil {
			return err
		}
	}
	op := mesh.LookupOp(entity, name[dot+1:])
	if op == nil {
		return fault.New(fault.UnknownOp, "there is no such operation")
	}
	r.Project, r.Entity, r.Op = s.Project.Slug, entity, op.Name
	return nil
}

// Request makes call number i of the exchange: args is the object of its
// arguments as the client wrote it, checked JSON or nothing. buf is room for
// them. It may be called side by side. Errors: those of Name, RATE_LIMITED,
// INVALID_REQUEST, PARSE_ERROR.
func (s *Desk) Request(r *mesh.Request, i int, name string, args, buf []byte) error {
	r.Header = s.header
	if err := s.Count(); err != nil {
		return err
	}
	if err := s.Name(r, name); err != nil {
		return err
	}
	if s.batch && r.IdempotencyKey != "" {
		r.IdempotencyKey += "." + strconv.Itoa(i)
	}
	var err error
	if r.Args, err = s.arguments(r, args, buf); err != nil {
		return err
	}
	if r.IdempotencyKey != "" && !telemetry.ValidIdempotencyKey(r.IdempotencyKey) {
		return fault.New(fault.InvalidRequest, "an idempotency key must be 1 to 128 visible ASCII characters")
	}
	return nil
}

// Count counts a call for the caller's rate, as Request does by itself. It may
// be called side by side. Errors: RATE_LIMITED.
func (s *Desk) Count() error {
	if s.calls.Add(1) == 1 { // the first was counted when the caller was identified
		return nil
	}
	_, err := s.door.Rates.Take(s.principal)
	return err
}

// Each calls f with 0 to n-1, several at a time, and returns when all are done.
// A panic in f becomes an INTERNAL error that is handed to failed.
func (s *Desk) Each(n int, f func(i int), failed func(i int, err error)) {
	one := func(i int) {
		defer func() {
			if r := recover(); r != nil {
				failed(i, fault.Wrap(fmt.Errorf("panic: %v\n%s", r, debug.Stack()), fault.Internal, "something went wrong on our side"))
			}
		}()
		f(i)
	}
	var next atomic.Int64
	var work sync.WaitGroup
	for range min(n, sideBySide) {
		work.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				one(i)
			}
		})
	}
	work.Wait()
}

// Call carries a call out and returns the whole body of its reply. Errors: those
// of the mesh, PAYLOAD_TOO_LARGE.
func (s *Desk) Call(r *mesh.Request) ([]byte, error) {
	began := time.Now()
	reply, err := s.call(r)
	var body []byte
	if err == nil {
		body, err = s.whole(s.ctx, r, reply)
	}
	s.measure(r, began, err)
	return body, err
}

// Tell carries a call out whose reply nobody reads: what comes in chunks is given
// up. Errors: those of the mesh.
func (s *Desk) Tell(r *mesh.Request) error {
	began := time.Now()
	reply, err := s.call(r)
	if err == nil && reply.Chunks != nil {
		_ = reply.Chunks.Close()
	}
	s.measure(r, began, err)
	return err
}

func (s *Desk) call(r *mesh.Request) (*mesh.Reply, error) {
	reply, err := s.door.Caller.Call(s.ctx, r)
	if err == nil && !s.batch {
		s.note(reply)
	}
	return reply, err
}

// measure counts a call of a batch in the metrics; a single one is counted with
// its exchange.
func (s *Desk) measure(r *mesh.Request, began time.Time, err error) {
	if !s.batch {
		return
	}
	code := "ok"
	if err != nil {
		code = string(fault.CodeOf(err))
	}
	s.door.Metrics.Request(s.header.Transport, r.Op, code, time.Since(began))
}

// Failed is err as the caller may see it, of one call of a batch; what a person
// must look into is logged.
func (s *Desk) Failed(op string, err error) *fault.Error {
	e := fault.Seen(err, s.header.RequestID)
	if e.Code == fault.Internal {
		s.door.Log.Error("call failed", telemetry.KeyRequestID, s.header.RequestID, telemetry.KeyOp, op, telemetry.KeyTransport, s.header.Transport, telemetry.KeyError, err.Error())
	}
	return e
}
