package access

import (
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// The scopes that Check asks for.
const (
	Projects   = "projects"   // ids of projects; a slug can pass to another project
	Operations = "operations" // read, write, admin
	Transports = "transports" // see TransportNames
)

// TransportNames are the values of the scope transports, in Octonet's order,
// then ours.
var TransportNames = []string{
	"rest", "graphql", "mcp", "ws", "sse", "trpc", "odata", "jsonrpc", "grpc", "nats", "arrow", "webtransport",
}

// OperationNames are the values of the scope operations. None covers another.
var OperationNames = []string{"read", "write", "admin"}

// Ask is one question to Check.
type Ask struct {
	ProjectID string // immutable id
	Project   string // slug, for the message
	Class     mesh.Class
	Transport string
}

// Check returns nil if the principal may, and else a *fault.Error:
// UNAUTHORIZED for somebody anonymous, FORBIDDEN with the scope and value that
// is lacking. Each operation class stands for itself: write does not cover read.
func Check(p *mesh.Principal, a Ask) error {
	if p == nil || p.Kind == mesh.Anonymous {
		return fault.New(fault.Unauthorized, "send an API key in X-API-Key or as a bearer token")
	}
	if !p.Scopes.Allows(Projects, a.ProjectID) {
		return lacking(Projects, a.Project)
	}
	if class := a.Class.String(); !p.Scopes.Allows(Operations, class) {
		return lacking(Operations, class)
	}
	if !p.Scopes.Allows(Transports, a.Transport) {
		return lacking(Transports, a.Transport)
	}
	return nil
}

func lacking(scope, value string) error {
	return fault.New(fault.Forbidden, "the credential lacks %s %q", scope, value).
		With(map[string]string{"scope": scope, "value": value})
}
