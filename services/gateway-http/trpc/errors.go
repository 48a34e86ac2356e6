package trpc

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// codes are tRPC's error codes that the fault table uses: their numbers
// (@trpc/server, rpc/codes.ts) and HTTP statuses (http/getHTTPStatusCode.ts).
var codes = map[string]struct{ number, status int }{
	"PARSE_ERROR": {-32700, 400}, "BAD_REQUEST": {-32600, 400}, "UNAUTHORIZED": {-32001, 401}, "FORBIDDEN": {-32003, 403},
	"NOT_FOUND": {-32004, 404}, "METHOD_NOT_SUPPORTED": {-32005, 405}, "TIMEOUT": {-32008, 408}, "CONFLICT": {-32009, 409},
	"PRECONDITION_FAILED": {-32012, 412}, "PAYLOAD_TOO_LARGE": {-32013, 413}, "UNSUPPORTED_MEDIA_TYPE": {-32015, 415},
	"UNPROCESSABLE_CONTENT": {-32022, 422}, "TOO_MANY_REQUESTS": {-32029, 429}, "CLIENT_CLOSED_REQUEST": {-32099, 499},
	"INTERNAL_SERVER_ERROR": {-32603, 500}, "NOT_IMPLEMENTED": {-32603, 501}, "SERVICE_UNAVAILABLE": {-32603, 503},
}

// status is the HTTP status that goes with an error.
func status(e *fault.Error) int { return codes[e.Code.Image().TRPC].status }

// appendError appends {"error":{"message","code","data":{"code","httpStatus",
// "path"}}} (https://trpc.io/docs/rpc#error-responses). data also has error,
// what the error of a REST reply has, the request id, and when a repetition makes
// sense.
func appendError(b []byte, e *fault.Error, path, requestID string, super bool) []byte {
	b = append(b, `{"error":`...)
	b = appendShape(b, e, e.Code.Image().TRPC, path, requestID, super)
	return append(b, '}')
}

func appendShape(b []byte, e *fault.Error, key, path, requestID string, super bool) []byte {
	if super {
		b = append(b, `{"json":`...)
	}
	b = schema.AppendString(append(b, `{"message":`...), e.Message)
	b = strconv.AppendInt(append(b, `,"code":`...), int64(codes[key].number), 10)
	b = append(append(b, `,"data":{"code":"`...), key...)
	b = strconv.AppendInt(append(b, `","httpStatus":`...), int64(codes[key].status), 10)
	if path != "" {
		b = schema.AppendString(append(b, `,"path":`...), path)
	}
	b = e.AppendJSON(append(b, `,"error":`...))
	b = schema.AppendString(append(b, `,"requestId":`...), requestID)
	if wait := e.RetrySeconds(); wait > 0 {
		b = strconv.AppendInt(append(b, `,"retryAfter":`...), wait, 10)
	}
	b = append(b, "}}"...)
	if super {
		b = append(b, '}')
	}
	return b
}
