package rpc

import (
	"encoding/json"
	"errors"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/octomesh/octomesh/pkg/fault"
)

// Domain is that of ErrorInfo in every status.
const Domain = "octomesh"

// A status travels in trailers, of which clients take some 8 KB: twice its message,
// once as up to three characters a byte, and once more all of it in base64.
const (
	maxText   = 768     // of the message, in bytes
	maxStatus = 4 << 10 // of the status with its details, in bytes
)

// Status is err as a gRPC status: the code's image, and as details
// google.rpc.ErrorInfo (reason = the fault's code, domain = Domain, metadata
// request_id, and details as JSON), RetryInfo where a repetition makes sense, and
// BadRequest where fields are at fault
// (https://google.aip.dev/193). A status of the library passes as it is.
func Status(err error, requestID string) error {
	_, out := status(err, requestID)
	return out
}

func status(err error, requestID string) (code string, out error) {
	var own *fault.Error
	if s, ok := grpcstatus.FromError(err); ok && !errors.As(err, &own) {
		return string(codeOf(s.Code())), err
	}
	e := fault.Seen(err, requestID)
	s := grpcstatus.New(codes.Code(e.Code.Image().GRPC), cut(strings.ToValidUTF8(e.Message, "?")))
	for _, much := range []bool{true, false} {
		detailed, err := s.WithDetails(details(e, requestID, much)...)
		if err == nil && proto.Size(detailed.Proto()) <= maxStatus {
			s = detailed
			break
		}
	}
	return string(e.Code.Image().Code), s.Err()
}

// cut shortens a text to maxText.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	const more = "…"
	return strings.ToValidUTF8(text[:maxText-len(more)], "") + more
}

// details are those of a status; without much, only what has a bound.
func details(e *fault.Error, requestID string, much bool) []protoadapt.MessageV1 {
	info := &errdetails.ErrorInfo{Reason: string(e.Code), Domain: Domain, Metadata: map[string]string{"request_id": requestID}}
	list := []protoadapt.MessageV1{protoadapt.MessageV1Of(info)}
	if e.Details != nil && much {
		if b, err := json.Marshal(e.Details); err == nil && len(b) <= maxStatus {
			info.Metadata["details"] = string(b)
			if bad := violations(b); bad != nil {
				list = append(list, protoadapt.MessageV1Of(bad))
			}
		}
	}
	if e.RetryAfter > 0 {
		list = append(list, protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)}))
	}
	return list
}

// violations reads a list of fields and reasons, as VALIDATION_ERROR has it.
func violations(b []byte) *errdetails.BadRequest {
	var fields []struct{ Field, Reason string }
	if json.Unmarshal(b, &fields) != nil || len(fields) == 0 || fields[0].Reason == "" {
		return nil
	}
	bad := &errdetails.BadRequest{}
	for _, f := range fields {
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: f.Field, Description: f.Reason})
	}
	return bad
}

// codeOf is the fault that a status of the library comes nearest to, for logs
// and metrics.
func codeOf(c codes.Code) fault.Code {
	switch c {
	case codes.Canceled:
		return fault.Cancelled
	case codes.DeadlineExceeded:
		return fault.Timeout
	case codes.ResourceExhausted:
		return fault.PayloadTooLarge
	case codes.Unimplemented:
		return fault.UnknownOp
	case codes.Unavailable:
		return fault.Unavailable
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return fault.Internal
	}
	return fault.InvalidRequest
}
