package fault

// gRPC's canonical status codes, by number, so that this leaf package needs no
// gRPC (https://grpc.github.io/grpc/core/md_doc_statuscodes.html).
const (
	grpcCancelled          = 1
	grpcInvalidArgument    = 3
	grpcDeadlineExceeded   = 4
	grpcNotFound           = 5
	grpcAlreadyExists      = 6
	grpcPermissionDenied   = 7
	grpcResourceExhausted  = 8
	grpcFailedPrecondition = 9
	grpcAborted            = 10
	grpcOutOfRange         = 11
	grpcUnimplemented      = 12
	grpcInternal           = 13
	grpcUnavailable        = 14
	grpcUnauthenticated    = 16
)

// Table has every code once, in the order of docs/errors.md.
var Table = []Image{
	{ParseError, 400, grpcInvalidArgument, -32700, "PARSE_ERROR", "PARSE_ERROR", false, "The body is not valid JSON (or not a valid frame): syntax, UTF-8, duplicate keys, nesting."},
	{InvalidRequest, 400, grpcInvalidArgument, -32602, "BAD_REQUEST", "INVALID_REQUEST", false, "The request is well-formed but has a member of the wrong type, an unknown member or a bad name."},
	{InvalidFilter, 400, grpcInvalidArgument, -32602, "BAD_REQUEST", "VALIDATION_ERROR", false, "Filter, sort, stages, selection or cursor name an unknown field or operator, have a wrong type or go over a limit."},
	{MissingID, 400, grpcInvalidArgument, -32602, "BAD_REQUEST", "VALIDATION_ERROR", false, "The operation needs an id."},
	{MissingData, 400, grpcInvalidArgument, -32602, "BAD_REQUEST", "VALIDATION_ERROR", false, "The operation needs data."},
	{MissingQuery, 400, grpcInvalidArgument, -32602, "BAD_REQUEST", "VALIDATION_ERROR", false, "Search needs a query."},
	{MissingStages, 400, grpcInvalidArgument, -32602, "BAD_REQUEST", "VALIDATION_ERROR", false, "Aggregate needs stages."},
	{MissingParams, 400, grpcInvalidArgument, -32602, "BAD_REQUEST", "VALIDATION_ERROR", false, "Another required member is absent, such as the filter of updateMany and deleteMany."},
	{UnknownOp, 400, grpcUnimplemented, -32601, "NOT_FOUND", "UNKNOWN_OPERATION", false, "There is no such operation."},
	{Unauthorized, 401, grpcUnauthenticated, -32001, "UNAUTHORIZED", "UNAUTHORIZED", false, "No credential was sent, or it is unknown, expired or revoked."},
	{AuthError, 401, grpcUnauthenticated, -32001, "UNAUTHORIZED", "UNAUTHORIZED", false, "The credential is malformed."},
	{Forbidden, 403, grpcPermissionDenied, -32003, "FORBIDDEN", "FORBIDDEN", false, "The credential is valid, but its scopes do not cover the project, operation or transport."},
	{CloudRejected, 403, grpcPermissionDenied, -32003, "FORBIDDEN", "FORBIDDEN", false, "The account's state or plan does not allow the call."},
	{NotFound, 404, grpcNotFound, -32004, "NOT_FOUND", "NOT_FOUND", false, "There is no such route; in OData and gRPC also: no such record."},
	{EntityNotFound, 404, grpcNotFound, -32004, "NOT_FOUND", "NOT_FOUND", false, "A record that the operation must have does not exist."},
	{UnknownEntity, 404, grpcNotFound, -32601, "NOT_FOUND", "BUCKET_NOT_DEFINED", false, "The project has no entity or collection of that name."},
	{UnknownProject, 404, grpcNotFound, -32004, "NOT_FOUND", "NOT_FOUND", false, "There is no such project."},
	{MethodNotAllowed, 405, grpcUnimplemented, -32601, "METHOD_NOT_SUPPORTED", "UNKNOWN_OPERATION", false, "The route exists, but not for this HTTP method."},
	{Conflict, 409, grpcAborted, -32009, "CONFLICT", "CONFLICT", false, "A unique value is taken, the record's version is not the expected one, a restricting relation still points here, or the idempotency key was used for another request."},
	{Gap, 410, grpcOutOfRange, -32010, "PRECONDITION_FAILED", "NOT_FOUND", false, "The change log no longer reaches back to the position; read the state anew."},
	{PayloadTooLarge, 413, grpcResourceExhausted, -32013, "PAYLOAD_TOO_LARGE", "VALIDATION_ERROR", false, "Request or reply is larger than the limit."},
	{ValidationError, 422, grpcInvalidArgument, -32022, "UNPROCESSABLE_CONTENT", "VALIDATION_ERROR", false, "The data does not fit the schema; details lists field and reason."},
	{RateLimited, 429, grpcResourceExhausted, -32029, "TOO_MANY_REQUESTS", "RATE_LIMITED", true, "Too many requests; wait for Retry-After."},
	{QuotaExceeded, 429, grpcResourceExhausted, -32029, "TOO_MANY_REQUESTS", "RATE_LIMITED", false, "The quota of the plan is used up until it is renewed."},
	{Cancelled, 499, grpcCancelled, -32099, "CLIENT_CLOSED_REQUEST", "INTERNAL_ERROR", false, "The caller went away before the reply."},
	{Internal, 500, grpcInternal, -32603, "INTERNAL_SERVER_ERROR", "INTERNAL_ERROR", false, "An unforeseen failure; the message holds the request id under which the log has the cause."},
	{Unsupported, 501, grpcUnimplemented, -32601, "NOT_IMPLEMENTED", "UNKNOWN_OPERATION", false, "The project's database cannot do this."},
	{NoHandler, 503, grpcUnavailable, -32030, "SERVICE_UNAVAILABLE", "INTERNAL_ERROR", true, "No worker serves the project right now; nothing was executed."},
	{DBNotConnected, 503, grpcUnavailable, -32030, "SERVICE_UNAVAILABLE", "INTERNAL_ERROR", true, "The project's database is out of reach; nothing was executed."},
	{Unavailable, 503, grpcUnavailable, -32030, "SERVICE_UNAVAILABLE", "INTERNAL_ERROR", true, "A service that the call needs is out of reach."},
	{Overloaded, 503, grpcUnavailable, -32031, "SERVICE_UNAVAILABLE", "BACKPRESSURE", true, "Too much work is waiting; nothing was executed; wait for Retry-After."},
	{Timeout, 504, grpcDeadlineExceeded, -32008, "TIMEOUT", "INTERNAL_ERROR", true, "The deadline passed. A read changed nothing; a write may have been done: one with an idempotency key can simply be sent again."},
}

var images = func() map[Code]*Image {
	m := make(map[Code]*Image, len(Table))
	for i := range Table {
		m[Table[i].Code] = &Table[i]
	}
	return m
}()

// Image returns the code's row of Table; a code that is not in it gets the row
// of INTERNAL.
func (c Code) Image() Image {
	if i, ok := images[c]; ok {
		return *i
	}
	return *images[Internal]
}

// Known reports whether the code is in Table.
func (c Code) Known() bool { return images[c] != nil }

// HTTP returns the code's HTTP status.
func (c Code) HTTP() int { return c.Image().HTTP }
