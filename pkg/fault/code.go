package fault

// Code names a kind of failure. Codes cross the wire and are append-only:
// programs act upon a code, never upon a message.
type Code string

// The codes of Octonet, and those which this house adds.
const (
	ParseError       Code = "PARSE_ERROR"        // the bytes are no JSON, or no frame of the protocol
	InvalidRequest   Code = "INVALID_REQUEST"    // well-formed, but not a request that can be understood
	InvalidFilter    Code = "INVALID_FILTER"     // filter, sort, stages or cursor do not fit the schema or the limits
	MissingID        Code = "MISSING_ID"         // the op needs an id
	MissingData      Code = "MISSING_DATA"       // the op needs data
	MissingQuery     Code = "MISSING_QUERY"      // search needs a query
	MissingStages    Code = "MISSING_STAGES"     // aggregate needs stages
	MissingParams    Code = "MISSING_PARAMS"     // another required member is absent
	UnknownOp        Code = "UNKNOWN_OP"         // no such operation
	Unauthorized     Code = "UNAUTHORIZED"       // no credential, or one that is not valid any more
	AuthError        Code = "AUTH_ERROR"         // the credential could not be understood
	Forbidden        Code = "FORBIDDEN"          // a valid credential without the right
	CloudRejected    Code = "CLOUD_REJECTED"     // the account's plan does not allow it
	NotFound         Code = "NOT_FOUND"          // no such route or record, where absence is an error
	EntityNotFound   Code = "ENTITY_NOT_FOUND"   // the record that an op must have is not there
	UnknownEntity    Code = "UNKNOWN_ENTITY"     // no such entity in the project
	UnknownProject   Code = "UNKNOWN_PROJECT"    // no such project
	MethodNotAllowed Code = "METHOD_NOT_ALLOWED" // the route exists, but not for this verb
	Conflict         Code = "CONFLICT"           // unique value taken, version moved on, key used for another request
	Gap              Code = "GAP"                // the position to resume from is no longer in the change log
	PayloadTooLarge  Code = "PAYLOAD_TOO_LARGE"  // request or reply over the limit
	ValidationError  Code = "VALIDATION_ERROR"   // data does not fit the schema
	RateLimited      Code = "RATE_LIMITED"       // too many requests in the window
	QuotaExceeded    Code = "QUOTA_EXCEEDED"     // the plan's quota is used up
	Cancelled        Code = "CANCELLED"          // the caller went away
	Internal         Code = "INTERNAL"           // a defect or an unforeseen failure of ours
	Unsupported      Code = "UNSUPPORTED"        // the project's database cannot do this
	NoHandler        Code = "NO_HANDLER"         // nobody serves this right now
	DBNotConnected   Code = "DB_NOT_CONNECTED"   // the database is out of reach
	Unavailable      Code = "UNAVAILABLE"        // a service that is needed is out of reach
	Overloaded       Code = "OVERLOADED"         // not executed: too much work is waiting
	Timeout          Code = "TIMEOUT"            // the deadline passed; whether it was executed is unknown
)

// Image is a code as each protocol shows it.
type Image struct {
	Code Code
	// HTTP is the status of REST, OData and Arrow over HTTP.
	HTTP int
	// GRPC is a canonical gRPC status code (google.golang.org/grpc/codes).
	GRPC uint32
	// JSONRPC is the error code of JSON-RPC 2.0, section 5.1.
	JSONRPC int
	// TRPC is the error key of tRPC v11.
	TRPC string
	// Noex is the error code of the noex protocol 1.0.0.
	Noex string
	// Retry tells that a repetition may succeed without a change.
	Retry bool
	// Meaning is one sentence for docs/errors.md.
	Meaning string
}
