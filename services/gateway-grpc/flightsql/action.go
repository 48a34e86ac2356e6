package flightsql

import (
	"context"

	af "github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	pb "github.com/apache/arrow-go/v18/arrow/flight/gen/flight"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/protobuf/proto"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// actions are those that there are.
var actions = []*af.ActionType{
	{Type: flightsql.CreatePreparedStatementActionType, Description: "Tells the schemas of a statement and gives a handle for it."},
	{Type: flightsql.ClosePreparedStatementActionType, Description: "Does nothing: a prepared statement takes no room here."},
	{Type: flightsql.CancelQueryActionType, Description: "Cancels a statement of the caller's whose rows this server is sending."},
	{Type: af.CancelFlightInfoActionType, Description: "Cancels a statement of the caller's whose rows this server is sending."},
	{Type: af.GetSessionOptionsActionType, Description: "Tells what names without a catalog and a schema mean in calls like this one."},
	{Type: af.SetSessionOptionsActionType, Description: "Takes what is so already; x-project in a call's metadata names another project."},
	{Type: af.CloseSessionActionType, Description: "Does nothing: nothing is kept between calls."},
}

// ListActions implements flight.SQL.
func (s *Server) ListActions(_ *af.Empty, ss af.FlightService_ListActionsServer) error {
	rpc.ExchangeOf(ss.Context()).Op = "describe"
	for _, a := range actions {
		if err := ss.Send(a); err != nil {
			return err
		}
	}
	return nil
}

// DoAction implements flight.SQL. Errors: those of sql.Compile, UNAUTHORIZED,
// FORBIDDEN; UNSUPPORTED for actions of the protocol that there are not here,
// UNKNOWN_OP for others.
func (s *Server) DoAction(in *af.Action, ss af.FlightService_DoActionServer) error {
	ctx, cancel := context.WithTimeout(ss.Context(), s.entrance.Timeout)
	defer cancel()
	rpc.ExchangeOf(ctx).Op = "describe"
	body, err := s.action(ctx, in)
	if err != nil {
		return err
	}
	return ss.Send(&af.Result{Body: body})
}

func (s *Server) action(ctx context.Context, in *af.Action) ([]byte, error) {
	switch in.GetType() {
	case flightsql.CreatePreparedStatementActionType:
		return s.prepare(ctx, in.GetBody())
	case flightsql.ClosePreparedStatementActionType:
		if _, err := s.identify(ctx); err != nil {
			return nil, err
		}
		return nil, expect[*pb.ActionClosePreparedStatementRequest](in.GetBody(), nil)
	case flightsql.CancelQueryActionType:
		//lint:ignore SA1019 older clients send it
		var request *pb.ActionCancelQueryRequest
		if err := expect(in.GetBody(), &request); err != nil {
			return nil, err
		}
		info := &af.FlightInfo{}
		if err := proto.Unmarshal(request.GetInfo(), info); err != nil {
			return nil, fault.Wrap(err, fault.InvalidRequest, "info is no FlightInfo")
		}
		status, err := s.cancel(ctx, info)
		if err != nil {
			return nil, err
		}
		result := pb.ActionCancelQueryResult_CANCEL_RESULT_NOT_CANCELLABLE
		if status == pb.CancelStatus_CANCEL_STATUS_CANCELLED {
			result = pb.ActionCancelQueryResult_CANCEL_RESULT_CANCELLED
		}
		//lint:ignore SA1019 older clients read it
		return pack(&pb.ActionCancelQueryResult{Result: result})
	case af.CancelFlightInfoActionType:
		request := &af.CancelFlightInfoRequest{}
		if err := proto.Unmarshal(in.GetBody(), request); err != nil {
			return nil, fault.Wrap(err, fault.InvalidRequest, "that is no CancelFlightInfoRequest")
		}
		status, err := s.cancel(ctx, request.GetInfo())
		if err != nil {
			return nil, err
		}
		return proto.Marshal(&pb.CancelFlightInfoResult{Status: status})
	case flightsql.BeginTransactionActionType, flightsql.EndTransactionActionType, flightsql.BeginSavepointActionType, flightsql.EndSavepointActionType:
		return nil, fault.New(fault.Unsupported, "there are no transactions here: every SELECT reads one state")
	case flightsql.CreatePreparedSubstraitPlanActionType:
		return nil, fault.New(fault.Unsupported, "Substrait plans are not supported: send SQL")
	case af.RenewFlightEndpointActionType:
		return nil, fault.New(fault.Unsupported, "endpoints do not expire: there is nothing to renew")
	case af.SetSessionOptionsActionType, af.GetSessionOptionsActionType, af.CloseSessionActionType:
		return s.session(ctx, in)
	}
	return nil, fault.New(fault.UnknownOp, "there is no action of that type; ListActions lists all")
}

// expect reads the body of an action: an Any of that type. Errors:
// INVALID_REQUEST.
func expect[M proto.Message](body []byte, into *M) error {
	m, err := command(body)
	if err != nil {
		return err
	}
	got, ok := m.(M)
	if !ok {
		return invalid("%s is not what this action takes", m.ProtoReflect().Descriptor().Name())
	}
	if into != nil {
		*into = got
	}
	return nil
}

// prepare answers CreatePreparedStatement.
func (s *Server) prepare(ctx context.Context, body []byte) ([]byte, error) {
	var request *pb.ActionCreatePreparedStatementRequest
	if err := expect(body, &request); err != nil {
		return nil, err
	}
	h, err := s.statement(ctx, request.GetQuery(), request.GetTransactionId())
	if err != nil {
		return nil, err
	}
	c, err := s.compile(ctx, h)
	if err != nil {
		return nil, err
	}
	fields := make([]arrow.Field, len(c.plan.Params))
	for i, t := range c.plan.Params {
		fields[i] = arrow.Field{Name: parameter(i), Type: t, Nullable: true}
	}
	return pack(&pb.ActionCreatePreparedStatementResult{
		PreparedStatementHandle: h.encode(),
		DatasetSchema:           af.SerializeSchema(c.plan.Schema, memory.DefaultAllocator),
		ParameterSchema:         af.SerializeSchema(arrow.NewSchema(fields, nil), memory.DefaultAllocator),
	})
}
