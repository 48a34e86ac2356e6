package flight

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	af "github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/grpc/status"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// DoPut implements the service: the rows of record batches are stored as records,
// each with an id replacing the members that it names of the record with that id,
// in transactions of up to 500 rows that never have rows of two batches. After
// each, the client is told {"rows","position"}: how many rows are stored now, the
// descriptor's "from" included. Errors: those of the op transaction and
// INVALID_REQUEST, with details {"stored","row","details"}: how many rows are
// stored, and which row was refused; nothing of its transaction is stored.
func (s *Server) DoPut(ss af.FlightService_DoPutServer) error {
	if _, err := s.entrance.Somebody(ss.Context(), Transport); err != nil { // before a message of any size is read
		return err
	}
	first, err := ss.Recv()
	if err != nil {
		return inbound(err)
	}
	if s.forSQL(first.GetFlightDescriptor().GetCmd()) {
		return s.sql.DoPut(&again{FlightService_DoPutServer: ss, first: first})
	}
	p, err := s.put(ss.Context(), first.GetFlightDescriptor())
	if err != nil {
		return err
	}
	return p.run(ss, first)
}

// again gives the first message once more.
type again struct {
	af.FlightService_DoPutServer
	first *af.FlightData
}

// Recv implements af.FlightService_DoPutServer.
func (a *again) Recv() (*af.FlightData, error) {
	if first := a.first; first != nil {
		a.first = nil
		return first, nil
	}
	return a.FlightService_DoPutServer.Recv()
}

// putting is a DoPut on its way.
type putting struct {
	found
	entrance *rpc.Entrance
	entity   *schema.Entity
	stored   int64 // rows
	parts    chan part
	spent    chan []byte // arguments whose transaction is over
	ended    error       // of the rows, once parts is closed
}

func (s *Server) put(ctx context.Context, d *af.FlightDescriptor) (*putting, error) {
	a, err := describe(d)
	if err != nil {
		return nil, err
	}
	if a.rest != nil || a.filter != nil {
		return nil, fault.New(fault.InvalidRequest, `a command of DoPut is {"project","entity","from"}`)
	}
	c, err := s.enter(ctx, "transaction", a.project)
	if err != nil {
		return nil, err
	}
	name, err := c.Project.EntityName(a.entity)
	if err != nil {
		return nil, err
	}
	if err := access.Check(c.Principal, access.Ask{ProjectID: c.Project.ID, Project: c.Project.Slug, Class: mesh.Write, Transport: Transport}); err != nil {
		return nil, err
	}
	e := c.Project.Catalog.Entity(name)
	if e == nil {
		return nil, fault.New(fault.UnknownEntity, "there is no entity or collection %.64q", name)
	}
	x := rpc.ExchangeOf(ctx)
	x.Entity, x.Long = e.Name, true
	x.Unread.Store(true) // rows go on, whether the client reads what it is told or not
	return &putting{
		found: found{Caller: c, entity: mesh.ProjectEntity}, entrance: s.entrance, entity: e,
		stored: a.from, parts: make(chan part, 1), spent: make(chan []byte, 4),
	}, nil
}

// run stores what comes: one goroutine reads rows while the transaction of those
// before them is under way, and tells the client nothing.
func (p *putting) run(ss af.FlightService_DoPutServer, first *af.FlightData) error {
	if err := ss.SendHeader(nil); err != nil { // the teller's goroutine sends from here on
		return err
	}
	ctx, cancel := context.WithCancel(ss.Context())
	defer cancel()
	go p.read(ctx, &again{FlightService_DoPutServer: ss, first: first})
	t := teller{ss: ss, x: rpc.ExchangeOf(ctx), cancel: cancel}
	for {
		select {
		case <-p.entrance.Stopping:
			return p.failed(fault.New(fault.Unavailable, "the gateway is stopping: send the rows from %d on to another one", p.stored))
		case part, more := <-p.parts:
			switch {
			case !more && p.ended != nil:
				return p.failed(p.ended)
			case !more:
				return t.last(p.stored)
			}
			position, err := p.store(ctx, &part)
			if err != nil {
				return p.failed(err)
			}
			select {
			case p.spent <- part.args: // the mesh keeps nothing of them
			default:
			}
			p.stored += int64(part.rows)
			t.tell(p.stored, position)
		}
	}
}

// read makes parts of the rows until the stream ends, or ctx.
func (p *putting) read(ctx context.Context, in af.DataStreamReader) {
	defer close(p.parts)
	r, err := open(in, p.entity, p.stored, p.spent)
	if err == nil {
		err = r.each(func(one part) error {
			select {
			case p.parts <- one:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}
	p.ended = err
}

// store makes one transaction. With an idempotency key each has its own, by the
// number of its first row.
func (p *putting) store(ctx context.Context, one *part) (mesh.Position, error) {
	r := p.request("transaction", one.args)
	if r.IdempotencyKey != "" {
		r.IdempotencyKey = keyOf(r.IdempotencyKey, one.first)
	}
	if one.first > 0 {
		if err := p.entrance.Count(ctx, p.Caller); err != nil {
			return mesh.Position{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, p.entrance.Timeout)
	defer cancel()
	reply, err := p.entrance.Caller.Call(ctx, r)
	if err != nil {
		return mesh.Position{}, rowOf(one.first, err)
	}
	if reply.Chunks != nil {
		_ = reply.Chunks.Close()
	}
	return reply.Position, nil
}

// keyOf is the idempotency key of the transaction that begins with a row. A key
// that would get too long gives way to its hash.
func keyOf(key string, first int64) string {
	row := ":" + strconv.FormatInt(first, 10)
	if telemetry.ValidIdempotencyKey(key + row) {
		return key + row
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:]) + row
}

// rowOf says which row was refused, where the worker says which operation was.
func rowOf(first int64, err error) error {
	f := fault.From(err)
	b, _ := json.Marshal(f.Details)
	var where struct {
		Index   *int64
		Details any
	}
	if json.Unmarshal(b, &where) != nil || where.Index == nil {
		return err
	}
	message := strings.TrimPrefix(f.Message, "operations["+strconv.FormatInt(*where.Index, 10)+"]: ")
	return numbered(first+*where.Index, fault.Wrap(err, f.Code, "%s", message).After(f.RetryAfter), where.Details)
}

// refusal is the details of an error of DoPut.
type refusal struct {
	Stored  int64  `json:"stored"`
	Row     *int64 `json:"row,omitempty"`
	Details any    `json:"details,omitempty"`
}

// numbered is an error about a row.
func numbered(row int64, err error, details any) error {
	f := fault.From(err)
	return fault.Wrap(err, f.Code, "row %d: %s", row, f.Message).With(&refusal{Row: &row, Details: details}).After(f.RetryAfter)
}

// failed says how many rows are stored.
func (p *putting) failed(err error) error {
	f := fault.From(err)
	if f.Code == fault.Cancelled {
		return err
	}
	about, ok := f.Details.(*refusal)
	if !ok {
		about = &refusal{Details: f.Details}
	}
	about.Stored = p.stored
	return fault.Wrap(err, f.Code, "%s", f.Message).With(about).After(f.RetryAfter)
}

// teller tells the client how far its rows are, as often as it listens: one that
// does not is told the last only, and its rows go on.
type teller struct {
	ss     af.FlightService_DoPutServer
	x      *rpc.Exchange
	cancel context.CancelFunc
	told   bool // of anything

	mu      sync.Mutex
	next    *af.PutResult
	working bool
	work    sync.WaitGroup
	err     error
}

func (t *teller) tell(stored int64, p mesh.Position) {
	b := strconv.AppendInt([]byte(`{"rows":`), stored, 10)
	if !p.IsZero() {
		b = append(p.Append(append(b, `,"position":"`...)), '"')
	}
	t.told = true
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = &af.PutResult{AppMetadata: append(b, '}')}
	if !t.working {
		t.working = true
		t.work.Go(t.send)
	}
}

func (t *teller) send() {
	for {
		t.mu.Lock()
		next := t.next
		t.next = nil
		if next == nil || t.err != nil {
			t.working = false
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		if err := t.ss.Send(next); err != nil {
			t.mu.Lock()
			t.err = err
			t.mu.Unlock()
			t.cancel()
		}
	}
}

// last waits until the client has been told of all rows.
func (t *teller) last(stored int64) error {
	if !t.told {
		t.tell(stored, mesh.Position{})
	}
	t.x.Unread.Store(false) // from here on there is nothing else to wait for
	t.work.Wait()
	return t.err
}

// inbound is the error of a stream that the client broke, or never began.
func inbound(err error) error {
	if errors.Is(err, io.EOF) {
		return fault.New(fault.InvalidRequest, "the first message of a DoPut has a descriptor and a schema")
	}
	if f := transport(err); f != nil {
		return f
	}
	return err
}

// transport is an error of the connection or of its limits; nil for another one.
func transport(err error) error {
	var own *fault.Error
	if errors.As(err, &own) {
		return own
	}
	var s interface{ GRPCStatus() *status.Status }
	if errors.As(err, &s) {
		return s.GRPCStatus().Err()
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.From(err)
	}
	return nil
}
