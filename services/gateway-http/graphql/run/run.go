package run

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
	"github.com/octomesh/octomesh/services/gateway-http/replies"
)

// Limits of one request.
const (
	MaxReply    = 32 << 20 // bytes of a response
	maxErrors   = 100      // that are told
	maxBatch    = 500      // parents, or records by id, in one call
	atOnce      = 4        // root fields of a query
	pageRecords = 1000
)

// Request is one operation to carry out.
type Request struct {
	Caller mesh.Caller
	// Room has the replies of the mesh, those of root fields and relations alike.
	Room    *replies.Room
	Project string
	Header  mesh.Header
	Plan    *plan.Plan
	Vars    *plan.Vars
	// MinPosition is what reads wait for; "" = nothing.
	MinPosition string
	Log         *slog.Logger
}

// Result is a response, and what its headers say.
type Result struct {
	Body     []byte
	Position mesh.Position
	Replayed bool
	Err      error // the first error, and an INTERNAL one before all others
}

// state is one request while it is carried out.
type state struct {
	Request
	ctx   context.Context
	dst   []byte
	start int  // of the response in dst
	over  bool // it is full
	path  []step
	errs  []byte
	told  int
	out   Result
	room  []span // of members
	joins map[*plan.Node]*join
}

// step is one part of the path to a value: a name, or an index if it is "".
type step struct {
	name  string
	index int
}

var states = sync.Pool{New: func() any { return new(state) }}

// Do carries a query or a mutation out and appends the response to dst.
func Do(ctx context.Context, r Request, dst []byte) Result {
	s := states.Get().(*state)
	defer s.release()
	s.Request, s.ctx, s.dst, s.start = r, ctx, dst, len(dst)
	s.dst = append(s.dst, `{"data":`...)
	at := len(s.dst)
	if !s.roots() {
		s.dst = append(s.dst[:at], "null"...)
	}
	if len(s.errs) > 0 {
		s.dst = append(append(append(s.dst, `,"errors":[`...), s.errs...), ']')
	}
	s.dst = append(s.dst, '}')
	return s.result()
}

func (s *state) result() Result {
	s.out.Body = s.dst
	return s.out
}

func (s *state) release() {
	*s = state{path: s.path[:0], errs: s.errs[:0], room: s.room[:0]}
	states.Put(s)
}

// roots writes the root fields; false when null reaches up to data itself.
func (s *state) roots() bool {
	roots := s.Plan.Roots
	var found []fetched
	if s.Plan.Kind == ast.Query {
		found = s.together()
	}
	s.dst = append(s.dst, '{')
	first, writes := true, 0
	for i, r := range roots {
		if !s.Vars.Holds(r.Cond) {
			continue
		}
		if !first {
			s.dst = append(s.dst, ',')
		}
		first = false
		s.dst = append(s.dst, r.Key...)
		var f fetched
		switch {
		case found != nil:
			f = found[i]
		case r.Means != nil:
			f = s.fetch(r, s.key(writes))
			writes++
		}
		s.path = append(s.path[:0], step{name: r.Alias})
		at := len(s.dst)
		if ok := s.root(r, &f) && s.fits(0, r.Pos); !ok {
			s.over, s.dst = false, append(s.dst[:at], "null"...)
			if r.NonNull {
				return false
			}
		}
	}
	s.dst = append(s.dst, '}')
	return true
}

// fits tells whether the response has room for n bytes more. Where it has not,
// the root field in hand is given up as a whole.
func (s *state) fits(n int, at plan.Pos) bool {
	if len(s.dst)+n-s.start <= MaxReply {
		return true
	}
	s.over = true
	s.fail(fault.New(fault.PayloadTooLarge, "the response is larger than %d MB: ask for fewer records or fields", MaxReply>>20), at)
	return false
}

// key is the idempotency key of the n-th mutation of a document.
func (s *state) key(n int) string {
	if n == 0 {
		return s.Header.IdempotencyKey
	}
	return Key(s.Header.IdempotencyKey, "", n)
}

// Key is the n-th of several keys that are made of one; "" of "".
func Key(key, mark string, n int) string {
	if key == "" {
		return ""
	}
	suffix := "." + mark + strconv.Itoa(n+1)
	if len(key)+len(suffix) > 128 {
		sum := sha256.Sum256([]byte(key))
		key = hex.EncodeToString(sum[:])
	}
	return key + suffix
}

// together fetches the root fields of a query side by side.
func (s *state) together() []fetched {
	found := make([]fetched, len(s.Plan.Roots))
	var calling []int
	for i, r := range s.Plan.Roots {
		if r.Means != nil && s.Vars.Holds(r.Cond) {
			calling = append(calling, i)
		}
	}
	if len(calling) == 1 {
		found[calling[0]] = s.fetch(s.Plan.Roots[calling[0]], "")
		return found
	}
	var work sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, i := range calling {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			defer func() {
				if r := recover(); r != nil {
					s.Log.Error("panic in a GraphQL field", telemetry.KeyRequestID, s.Header.RequestID, telemetry.KeyError, fmt.Sprint(r), "stack", string(debug.Stack()))
					found[i].err = fault.New(fault.Internal, "something went wrong on our side")
				}
			}()
			found[i] = s.fetch(s.Plan.Roots[i], "")
		})
	}
	work.Wait()
	return found
}

// fetched is what the mesh answered for a root field.
type fetched struct {
	data, meta []byte
	reply      *mesh.Reply
	joins      map[*plan.Node]*join
	refs       map[string]*refs // by type
	err        error
}

var bodyKeys = []string{"data", "metadata"}

// fetch asks the mesh for a root field and for what has to be joined to it. It
// reads s, and changes nothing of it.
func (s *state) fetch(r *plan.Root, key string) (f fetched) {
	switch r.Means.Shape {
	case sdl.SDL:
		return f
	case sdl.Refs:
		return s.representations(r)
	}
	args, err := r.Args(make([]byte, 0, 256), s.Vars)
	if err != nil {
		f.err = err
		return f
	}
	write := s.Plan.Kind == ast.Mutation
	if s.MinPosition != "" && !write && r.Means.Entity != nil {
		args = appendMember(args, "minPosition", s.MinPosition)
	}
	f.reply, f.data, f.meta, f.err = s.call(r.Means.Target(), r.Means.Op, append(args, '}'), key, r.Means.Shape == sdl.Records || r.Means.Shape == sdl.Record)
	if f.err != nil || r.Level == nil || !r.Level.Joins {
		return f
	}
	min := s.MinPosition
	if write {
		min = f.reply.Position.String()
	}
	g := gatherer{state: s, min: min}
	rows := g.rows(f.data)
	if r.Page != nil {
		for l := range r.Shown() {
			g.gather(l, rows)
		}
	} else {
		g.gather(r.Level, rows)
	}
	f.joins = g.joins
	return f
}

func appendMember(args []byte, name, value string) []byte {
	if args[len(args)-1] != '{' {
		args = append(args, ',')
	}
	args = append(append(append(args, '"'), name...), `":`...)
	return schema.AppendString(args, value)
}

// dataStart is how a worker begins the body of a success.
var dataStart = []byte(`{"status":"ok","data":`)

// call asks the mesh and takes the reply apart. Where metadata is of no concern
// data may be open: it then goes on behind its value, which saves looking for
// its end.
func (s *state) call(entity, op string, args []byte, key string, open bool) (reply *mesh.Reply, data, meta []byte, err error) {
	r := mesh.Request{Project: s.Project, Entity: entity, Op: op, Args: args, Header: s.Header}
	r.IdempotencyKey = key
	if reply, err = s.Caller.Call(s.ctx, &r); err != nil {
		return nil, nil, nil, err
	}
	body, err := s.Room.Whole(s.ctx, reply)
	if err != nil {
		return nil, nil, nil, err
	}
	if rest, ok := bytes.CutPrefix(body, dataStart); ok && open {
		return reply, rest, nil, nil
	}
	var room [2][]byte
	if !members(body, bodyKeys, room[:]) {
		return nil, nil, nil, fault.New(fault.Internal, "the reply could not be understood")
	}
	return reply, room[0], room[1], nil
}

// fail notes a field error at the present path.
func (s *state) fail(err error, at plan.Pos) {
	e := fault.From(err)
	if e.Code == fault.Internal && !strings.Contains(e.Message, s.Header.RequestID) {
		e = fault.Wrap(err, e.Code, "%s; the log has the cause under request id %s", e.Message, s.Header.RequestID).With(e.Details).After(e.RetryAfter)
	}
	if s.out.Err == nil || fault.CodeOf(s.out.Err) != fault.Internal && e.Code == fault.Internal {
		s.out.Err = e
	}
	if s.told++; s.told > maxErrors {
		return
	}
	if len(s.errs) > 0 {
		s.errs = append(s.errs, ',')
	}
	s.errs = appendError(s.errs, e, []plan.Pos{at}, s.path)
}
