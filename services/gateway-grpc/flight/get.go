package flight

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strconv"

	af "github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/grpc"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// DoGet implements the service: the records that a ticket names. Errors: those of
// the op stream.
func (s *Server) DoGet(t *af.Ticket, ss af.FlightService_DoGetServer) error {
	if s.forSQL(t.GetTicket()) {
		return s.sql.DoGet(t, ss)
	}
	a, err := read(t.GetTicket())
	if err != nil {
		return err
	}
	chunks, _, err := s.stream(ss.Context(), a, false)
	if err != nil {
		return err
	}
	return Pass(ss.Context(), chunks, ss)
}

// stream asks for the records.
func (s *Server) stream(ctx context.Context, a *ask, empty bool) (mesh.Chunks, *found, error) {
	op := "stream"
	if empty {
		op = "describe"
	}
	c, err := s.enter(ctx, op, a.project)
	if err != nil {
		return nil, nil, err
	}
	entity, err := c.Project.EntityName(a.entity)
	if err != nil {
		return nil, nil, err
	}
	position, err := rpc.Position(ctx)
	if err != nil {
		return nil, nil, err
	}
	f := &found{Caller: c, entity: entity}
	rpc.ExchangeOf(ctx).Entity = entity
	reply, err := s.entrance.Caller.Call(ctx, f.request("stream", a.args(position, empty)))
	if err != nil {
		return nil, nil, err
	}
	return reply.Parts(), f, nil
}

// found is who asks, and for what.
type found struct {
	*rpc.Caller
	entity string
}

func (f *found) request(op string, args []byte) *mesh.Request {
	return &mesh.Request{Project: f.Project.Slug, Entity: f.entity, Op: op, Args: args, Header: f.Header}
}

// Pass sends an Arrow IPC stream to a DoGet's client, each message as it is, as
// fast as the client takes them, and closes the chunks. Errors: those of the
// chunks; INTERNAL for what is no whole stream.
func Pass(ctx context.Context, chunks mesh.Chunks, to grpc.ServerStream) error {
	defer func() { _ = chunks.Close() }()
	m := messages{chunks: chunks}
	for {
		body, err := m.next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		out, err := m.data(ctx, body)
		if err != nil {
			return err
		}
		if err := to.SendMsg(out); err != nil {
			return err
		}
	}
}

// GetFlightInfo implements the service: the schema as the worker gives it to the
// caller, and one endpoint at this server. How many records there are is counted
// if a command has "count":true, else it is -1. Errors: those of the op stream.
func (s *Server) GetFlightInfo(ctx context.Context, d *af.FlightDescriptor) (*af.FlightInfo, error) {
	if s.forSQL(d.GetCmd()) {
		return s.sql.GetFlightInfo(ctx, d)
	}
	ctx, cancel := context.WithTimeout(ctx, s.entrance.Timeout)
	defer cancel()
	a, err := describe(d)
	if err != nil {
		return nil, err
	}
	schema, f, err := s.schema(ctx, a)
	if err != nil {
		return nil, err
	}
	info := &af.FlightInfo{
		Schema: schema, FlightDescriptor: d, TotalRecords: -1, TotalBytes: -1, Ordered: true,
		Endpoint: []*af.FlightEndpoint{{Ticket: &af.Ticket{Ticket: a.ticket(f.Project.Slug, f.entity)}}},
	}
	if a.count {
		if info.TotalRecords, err = s.count(ctx, f, a); err != nil {
			return nil, err
		}
	}
	return info, nil
}

// PollFlightInfo implements the service: there is nothing to wait for.
func (s *Server) PollFlightInfo(ctx context.Context, d *af.FlightDescriptor) (*af.PollInfo, error) {
	if s.forSQL(d.GetCmd()) {
		return s.sql.PollFlightInfo(ctx, d)
	}
	info, err := s.GetFlightInfo(ctx, d)
	if err != nil {
		return nil, err
	}
	whole := 1.0
	return &af.PollInfo{Info: info, Progress: &whole}, nil
}

// GetSchema implements the service. Errors: those of the op stream.
func (s *Server) GetSchema(ctx context.Context, d *af.FlightDescriptor) (*af.SchemaResult, error) {
	if s.forSQL(d.GetCmd()) {
		return s.sql.GetSchema(ctx, d)
	}
	ctx, cancel := context.WithTimeout(ctx, s.entrance.Timeout)
	defer cancel()
	a, err := describe(d)
	if err != nil {
		return nil, err
	}
	schema, _, err := s.schema(ctx, a)
	return &af.SchemaResult{Schema: schema}, err
}

// schema asks the worker for the stream without records; its first message is the
// schema, encapsulated as it stands in Flight's answers.
func (s *Server) schema(ctx context.Context, a *ask) ([]byte, *found, error) {
	chunks, f, err := s.stream(ctx, a, true)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = chunks.Close() }()
	m := messages{chunks: chunks}
	if _, err := m.next(ctx); err != nil {
		return nil, nil, err
	}
	b := binary.LittleEndian.AppendUint32([]byte{0xff, 0xff, 0xff, 0xff}, uint32(len(m.head)))
	return append(b, m.head...), f, nil
}

// count counts the records that the ticket will give, before others come or go.
// Errors: those of the op count.
func (s *Server) count(ctx context.Context, f *found, a *ask) (int64, error) {
	position, err := rpc.Position(ctx)
	if err != nil {
		return 0, err
	}
	args, skip, limit := a.counting(position)
	reply, err := s.entrance.Caller.Call(ctx, f.request("count", args))
	if err != nil {
		return 0, err
	}
	n := int64(-1)
	strictjson.Members(reply.Body, func(name, value []byte) bool {
		if string(name) == "data" {
			n, err = strconv.ParseInt(string(value), 10, 64)
		}
		return n < 0 && err == nil
	})
	if err != nil {
		return 0, fault.Wrap(err, fault.Internal, "the count is no number")
	}
	n = max(n-skip, 0)
	if limit > 0 {
		n = min(n, limit)
	}
	return n, nil
}
