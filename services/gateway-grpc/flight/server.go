package flight

import (
	"context"

	af "github.com/apache/arrow-go/v18/arrow/flight"
	pb "github.com/apache/arrow-go/v18/arrow/flight/gen/flight"
	"google.golang.org/grpc"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// Transport is this protocol's name in scopes, logs and metrics.
const Transport = "arrow"

// SQL is Flight SQL, which comes over the same methods: it gets those calls whose
// descriptor or ticket is a command of its own, and every action. A server of
// arrow-go's flightsql.NewFlightServer is one.
type SQL interface {
	GetFlightInfo(context.Context, *af.FlightDescriptor) (*af.FlightInfo, error)
	PollFlightInfo(context.Context, *af.FlightDescriptor) (*af.PollInfo, error)
	GetSchema(context.Context, *af.FlightDescriptor) (*af.SchemaResult, error)
	DoGet(*af.Ticket, af.FlightService_DoGetServer) error
	DoPut(af.FlightService_DoPutServer) error
	ListActions(*af.Empty, af.FlightService_ListActionsServer) error
	DoAction(*af.Action, af.FlightService_DoActionServer) error
}

// Server answers the calls of Flight.
type Server struct {
	af.BaseFlightServer
	entrance  *rpc.Entrance
	sql       SQL // nil where there is none
	artefacts gateway.Artefacts
}

// New returns a Server; sql may be nil.
func New(e *rpc.Entrance, sql SQL) *Server { return &Server{entrance: e, sql: sql} }

// Register adds the service to a server.
func (s *Server) Register(g *grpc.Server) {
	pb.RegisterFlightServiceServer(rpc.Streams{ServiceRegistrar: g}, s)
}

// forSQL reports whether a command or a ticket is one of Flight SQL: a
// google.protobuf.Any of a type of its package.
func (s *Server) forSQL(b []byte) bool {
	if s.sql == nil || len(b) < 2 || b[0] != 1<<3|2 {
		return false
	}
	const of = "type.googleapis.com/arrow.flight.protocol.sql."
	n := int(b[1])
	b = b[2:]
	return n < 0x80 && n > len(of) && len(b) >= n && string(b[:len(of)]) == of
}

// enter tells who calls and on which project.
func (s *Server) enter(ctx context.Context, op, project string) (*rpc.Caller, error) {
	x := rpc.ExchangeOf(ctx)
	x.Op = op
	return s.entrance.Enter(ctx, Transport, project)
}

// DoExchange implements the service: what it would do is done by DoGet and DoPut.
func (s *Server) DoExchange(af.FlightService_DoExchangeServer) error {
	return fault.New(fault.Unsupported, "there is no DoExchange: use DoGet and DoPut")
}

// ListActions implements the service.
func (s *Server) ListActions(in *af.Empty, ss af.FlightService_ListActionsServer) error {
	if s.sql == nil {
		return nil
	}
	return s.sql.ListActions(in, ss)
}

// DoAction implements the service.
func (s *Server) DoAction(in *af.Action, ss af.FlightService_DoActionServer) error {
	if s.sql == nil {
		return fault.New(fault.UnknownOp, "there is no action of that type; ListActions lists all")
	}
	return s.sql.DoAction(in, ss)
}
