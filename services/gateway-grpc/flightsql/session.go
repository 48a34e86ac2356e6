package flightsql

import (
	"context"

	af "github.com/apache/arrow-go/v18/arrow/flight"
	pb "github.com/apache/arrow-go/v18/arrow/flight/gen/flight"
	"google.golang.org/protobuf/proto"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-grpc/sql"
)

// session answers the actions about sessions. There are none: what a name without
// a schema means is said by each call's metadata. But drivers ask what it is, set
// what it is already, and close the session before they hang up, and all that may
// be answered. Errors: INVALID_REQUEST; UNSUPPORTED for what another value would
// need; UNAUTHORIZED, UNKNOWN_PROJECT.
func (s *Server) session(ctx context.Context, in *af.Action) ([]byte, error) {
	c, err := s.identify(ctx)
	if err == nil {
		err = s.entrance.Choose(ctx, c, "")
	}
	if err != nil {
		return nil, err
	}
	options := map[string]string{"catalog": sql.Catalog, "schema": c.Project.Slug}
	switch in.GetType() {
	case af.GetSessionOptionsActionType:
		out := &pb.GetSessionOptionsResult{SessionOptions: map[string]*pb.SessionOptionValue{}}
		for name, v := range options {
			out.SessionOptions[name] = &pb.SessionOptionValue{OptionValue: &pb.SessionOptionValue_StringValue{StringValue: v}}
		}
		return proto.Marshal(out)
	case af.SetSessionOptionsActionType:
		request := &pb.SetSessionOptionsRequest{}
		if err := proto.Unmarshal(in.GetBody(), request); err != nil {
			return nil, fault.Wrap(err, fault.InvalidRequest, "that is no SetSessionOptionsRequest")
		}
		for name, v := range request.GetSessionOptions() {
			if is, ok := options[name]; !ok || v.GetStringValue() != is {
				return nil, fault.New(fault.Unsupported, "there are no sessions: name the project with the metadata x-project, or in the statement")
			}
		}
		return proto.Marshal(&pb.SetSessionOptionsResult{})
	}
	return proto.Marshal(&pb.CloseSessionResult{Status: pb.CloseSessionResult_CLOSED})
}
