// Package mesh holds the data types in which the whole house speaks, and the
// one interface that everything implements: a Request goes into a Caller, a
// Reply or a coded error comes out. It knows no network and no database.
package mesh

import (
	"context"
	"time"
)

// Caller answers requests. The bus client is a Caller, the entity worker is a
// Caller over a store, and authorization, limits and logging are functions from
// Caller to Caller. Call is safe for concurrent use and returns *fault.Error or
// an error that fault.From understands.
type Caller interface {
	Call(ctx context.Context, r *Request) (*Reply, error)
}

// CallerFunc makes a Caller of a function.
type CallerFunc func(ctx context.Context, r *Request) (*Reply, error)

// Call calls f.
func (f CallerFunc) Call(ctx context.Context, r *Request) (*Reply, error) { return f(ctx, r) }

// Middleware wraps a Caller. It passes a reply's Chunks on.
type Middleware func(Caller) Caller

// Chain wraps c so that the first middleware sees a request first.
func Chain(c Caller, ms ...Middleware) Caller {
	for i := len(ms) - 1; i >= 0; i-- {
		c = ms[i](c)
	}
	return c
}

// Request is one operation on one project. Who handles it must not change it
// and must not keep Args after Call returned.
type Request struct {
	Project string // slug
	Entity  string // name or collection, or ProjectEntity
	Op      string
	// Args is the JSON request object of the op: id, filter, data, options, …
	// (docs/query.md). Empty means {}.
	Args []byte
	Header
	// Principal is who calls. A gateway sends Token; the worker's identify step
	// fills Principal from it, and everything behind it trusts Principal only.
	Principal *Principal
}

// Header is what travels beside the arguments, in the one NATS header "Octo".
type Header struct {
	Transport      string // rest, ws, sse, nats, graphql, …
	RequestID      string
	TraceParent    string // W3C trace context
	IdempotencyKey string // 1 to 128 visible ASCII characters; "" = none
	CatalogVersion string // the catalog that the gateway translated with; "" = any
	Token          string // principal token
	// Native is the identity that the NATS server itself wrote for a native
	// client (k:<key id>, u:<user id>, j:<issuer>:<subject>). Where it is set,
	// Token is empty and the subject alone named the project.
	Native string
}

// Reply is the answer to a request: Body, or Body and Chunks for what is too
// large for one message.
type Reply struct {
	// Body is the reply object, {"status":"ok","data":…,"metadata":…}: byte for
	// byte the body of the REST reply. For a chunked reply it is empty.
	Body []byte
	// Position is where a write stands in the change log; zero for reads.
	Position Position
	// Replayed marks the stored reply of an idempotency key seen before.
	Replayed bool
	// Version is the record's _version where Body is one record; else 0.
	Version int64
	// Chunks, if not nil, is the rest of the reply, and the caller must Close it.
	Chunks Chunks
	// Release, if not nil, gives the reply with its Body back to be filled again.
	// Whoever has sent Body calls it, once, and touches neither afterwards; who does
	// not call it loses nothing.
	Release func()
}

// Kind tells what sort of principal calls.
type Kind string

// The kinds of principals.
const (
	Anonymous Kind = "anonymous"
	Key       Kind = "key"
	User      Kind = "user"
	Service   Kind = "service"
)

// Principal is who calls, with the rights that the auth service gave.
type Principal struct {
	ID     string   `json:"id"` // k:<key id>, u:<user id>, s:<service>, "" for anonymous
	Kind   Kind     `json:"kind"`
	Scopes Scopes   `json:"scopes"`
	Roles  []string `json:"roles,omitempty"`
	// Rate is how often it may call; the zero Rate is no limit.
	Rate Rate `json:"rateLimit,omitzero"`
	// Parents are ids whose revocation ends this principal too.
	Parents []string  `json:"parents,omitempty"`
	Expires time.Time `json:"-"` // of the token that it was read from
}

// Rate limits how often a principal may call: Calls in Seconds on average, and
// at most Burst at once.
type Rate struct {
	Calls   int `json:"calls"`
	Seconds int `json:"seconds"`
	Burst   int `json:"burst"`
}

// Scopes maps a registered scope (projects, operations, transports, …) to the
// values that it allows; "*" allows every value. A scope that is absent allows
// nothing.
type Scopes map[string][]string

// Allows reports whether the scope allows the value.
func (s Scopes) Allows(scope, value string) bool {
	for _, v := range s[scope] {
		if v == "*" || v == value {
			return true
		}
	}
	return false
}
