package flightsql

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	af "github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql/schema_ref"
	pb "github.com/apache/arrow-go/v18/arrow/flight/gen/flight"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-grpc/flight"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// Server answers the calls of Flight SQL; it is flight.SQL.
type Server struct {
	entrance *rpc.Entrance
	running  running
}

// New returns a Server.
func New(e *rpc.Entrance) *Server { return &Server{entrance: e} }

var _ flight.SQL = (*Server)(nil)

// maxCommand bounds a command, a ticket or a handle in bytes.
const maxCommand = 1 << 20

func invalid(format string, args ...any) error {
	return fault.New(fault.InvalidRequest, format, args...)
}

// command reads a command: a google.protobuf.Any. Errors: INVALID_REQUEST,
// PAYLOAD_TOO_LARGE.
func command(b []byte) (proto.Message, error) {
	if len(b) > maxCommand {
		return nil, fault.New(fault.PayloadTooLarge, "a command has at most %d bytes", maxCommand)
	}
	var box anypb.Any
	err := proto.Unmarshal(b, &box)
	if err == nil {
		var m proto.Message
		if m, err = box.UnmarshalNew(); err == nil {
			return m, nil
		}
	}
	return nil, fault.Wrap(err, fault.InvalidRequest, "that is no command of Flight SQL")
}

// pack is the other direction.
func pack(m proto.Message) ([]byte, error) {
	box, err := anypb.New(m)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(box)
}

// unsupported answers commands of the protocol that there are not here.
func unsupported(m proto.Message) error {
	switch m.(type) {
	case *pb.CommandStatementUpdate, *pb.CommandPreparedStatementUpdate, *pb.CommandStatementIngest:
		return invalid("SQL only reads here: write records with DoPut of Flight, or through another door")
	case *pb.CommandStatementSubstraitPlan:
		return fault.New(fault.Unsupported, "Substrait plans are not supported: send SQL")
	}
	return invalid("%s is no command for this call", m.ProtoReflect().Descriptor().Name())
}

// schemas are those of the answers about tables.
func schemaOf(m proto.Message) (*arrow.Schema, error) {
	switch m := m.(type) {
	case *pb.CommandGetCatalogs:
		return schema_ref.Catalogs, nil
	case *pb.CommandGetDbSchemas:
		return schema_ref.DBSchemas, nil
	case *pb.CommandGetTables:
		if m.GetIncludeSchema() {
			return schema_ref.TablesWithIncludedSchema, nil
		}
		return schema_ref.Tables, nil
	case *pb.CommandGetTableTypes:
		return schema_ref.TableTypes, nil
	case *pb.CommandGetPrimaryKeys:
		return schema_ref.PrimaryKeys, nil
	case *pb.CommandGetExportedKeys, *pb.CommandGetImportedKeys, *pb.CommandGetCrossReference:
		return schema_ref.CrossReference, nil
	case *pb.CommandGetSqlInfo:
		return schema_ref.SqlInfo, nil
	case *pb.CommandGetXdbcTypeInfo:
		return schema_ref.XdbcTypeInfo, nil
	}
	return nil, unsupported(m)
}

// describe tells the schema of what a command asks, and the ticket for it.
func (s *Server) describe(ctx context.Context, cmd []byte) (*arrow.Schema, []byte, error) {
	rpc.ExchangeOf(ctx).Op = "describe"
	m, err := command(cmd)
	if err != nil {
		return nil, nil, err
	}
	switch m := m.(type) {
	case *pb.CommandStatementQuery:
		h, err := s.statement(ctx, m.GetQuery(), m.GetTransactionId())
		if err != nil {
			return nil, nil, err
		}
		c, err := s.compile(ctx, h)
		if err != nil {
			return nil, nil, err
		}
		ticket, err := pack(&pb.TicketStatementQuery{StatementHandle: h.encode()})
		return c.plan.Schema, ticket, err
	case *pb.CommandPreparedStatementQuery:
		h, err := readHandle(m.GetPreparedStatementHandle())
		if err != nil {
			return nil, nil, err
		}
		c, err := s.compile(ctx, h)
		if err != nil {
			return nil, nil, err
		}
		return c.plan.Schema, cmd, nil
	}
	schema, err := schemaOf(m)
	if err != nil {
		return nil, nil, err
	}
	if _, err := s.identify(ctx); err != nil {
		return nil, nil, err
	}
	return schema, cmd, nil
}

// GetFlightInfo implements flight.SQL. Errors: those of sql.Compile, UNAUTHORIZED,
// FORBIDDEN.
func (s *Server) GetFlightInfo(ctx context.Context, d *af.FlightDescriptor) (*af.FlightInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, s.entrance.Timeout)
	defer cancel()
	schema, ticket, err := s.describe(ctx, d.GetCmd())
	if err != nil {
		return nil, err
	}
	return &af.FlightInfo{
		Schema: af.SerializeSchema(schema, memory.DefaultAllocator), FlightDescriptor: d,
		Endpoint:     []*af.FlightEndpoint{{Ticket: &af.Ticket{Ticket: ticket}}},
		TotalRecords: -1, TotalBytes: -1, Ordered: true,
	}, nil
}

// PollFlightInfo implements flight.SQL: there is nothing to wait for.
func (s *Server) PollFlightInfo(ctx context.Context, d *af.FlightDescriptor) (*af.PollInfo, error) {
	info, err := s.GetFlightInfo(ctx, d)
	if err != nil {
		return nil, err
	}
	whole := 1.0
	return &af.PollInfo{Info: info, Progress: &whole}, nil
}

// GetSchema implements flight.SQL. Errors: those of GetFlightInfo.
func (s *Server) GetSchema(ctx context.Context, d *af.FlightDescriptor) (*af.SchemaResult, error) {
	ctx, cancel := context.WithTimeout(ctx, s.entrance.Timeout)
	defer cancel()
	schema, _, err := s.describe(ctx, d.GetCmd())
	if err != nil {
		return nil, err
	}
	return &af.SchemaResult{Schema: af.SerializeSchema(schema, memory.DefaultAllocator)}, nil
}

// DoGet implements flight.SQL. Errors: those of sql.Compile and sql.Plan.Run,
// UNAUTHORIZED, FORBIDDEN, CANCELLED.
func (s *Server) DoGet(t *af.Ticket, ss af.FlightService_DoGetServer) error {
	m, err := command(t.GetTicket())
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *pb.TicketStatementQuery:
		return s.run(m.GetStatementHandle(), t.GetTicket(), ss)
	case *pb.CommandPreparedStatementQuery:
		return s.run(m.GetPreparedStatementHandle(), t.GetTicket(), ss)
	}
	schema, err := schemaOf(m)
	if err != nil {
		return err
	}
	rpc.ExchangeOf(ss.Context()).Op = "describe"
	batch, err := s.about(ss.Context(), m, schema)
	if err != nil {
		return err
	}
	defer batch.Release()
	return send(ss, schema, batch)
}
