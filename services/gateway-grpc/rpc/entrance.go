package rpc

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// Identifier turns a credential into a principal and the token that says so; it
// is gateway.Link.
type Identifier interface {
	Principal(ctx context.Context, c access.Credential) (*mesh.Principal, string, error)
}

// Entrance holds what services share. But for Room it is read-only once the server
// runs.
type Entrance struct {
	Room     Room
	Caller   mesh.Caller
	Identity Identifier
	Projects *gateway.Projects
	Hub      *live.Hub
	Rates    *access.Limiter
	Log      *slog.Logger
	Metrics  *telemetry.Metrics
	// Timeout bounds a unary call whose client set no deadline, or a longer one.
	Timeout time.Duration
	// Arrival is how long a message over SmallMessage may take to arrive, Patience how
	// long a client may take nothing of a stream. 0 is the constant of the same name.
	Arrival, Patience time.Duration
	// Ready is closed once the gateway has learnt all that it serves by.
	Ready <-chan struct{}
	// Stopping is closed when open streams shall end.
	Stopping <-chan struct{}
}

// Caller is who makes a call, as Enter found out.
type Caller struct {
	Project    *gateway.Project
	Principal  *mesh.Principal // nil for nobody
	Credential access.Credential
	// Header is that of the mesh calls which the RPC makes.
	Header mesh.Header
}

// View is what the caller may do with the project.
func (c *Caller) View() mesh.View {
	return gateway.ViewOf(c.Principal, c.Project, c.Header.Transport)
}

// Enter tells who calls and on which project, and counts the call. Without a
// credential the principal is nil: whether that is enough is the worker's to say.
// Errors: those of Somebody, but for nobody, and of Choose.
func (e *Entrance) Enter(ctx context.Context, transport, project string) (*Caller, error) {
	c, err := e.identify(ctx, transport)
	if err == nil {
		err = e.Choose(ctx, c, project)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Choose takes the project of a call. project is the slug that the request itself
// names, "" for none; the metadata x-project may name it too.
// Errors: INVALID_REQUEST, UNKNOWN_PROJECT.
func (e *Entrance) Choose(ctx context.Context, c *Caller, project string) error {
	named, err := only(Sent(ctx), "x-project")
	if err != nil {
		return err
	}
	switch {
	case project == "":
		project = named
	case named != "" && named != project:
		return fault.New(fault.InvalidRequest, "the request and the metadata x-project name different projects: name it once")
	}
	if project == "" {
		project = gateway.DefaultProject
	}
	if c.Project, err = e.Projects.Find(project); err != nil {
		return err
	}
	ExchangeOf(ctx).Project, c.Header.CatalogVersion = c.Project.Slug, c.Project.Version
	return nil
}

// Count counts one more call of the caller's, and tells it what is left.
// Errors: RATE_LIMITED.
func (e *Entrance) Count(ctx context.Context, c *Caller) error {
	left, err := e.Rates.Take(c.Principal)
	if left.Limit > 0 {
		x := ExchangeOf(ctx)
		x.Tell("ratelimit-limit", strconv.Itoa(left.Limit))
		x.Tell("ratelimit-remaining", strconv.Itoa(left.Remaining))
		x.Tell("ratelimit-reset", strconv.FormatInt(int64((left.Reset+time.Second-1)/time.Second), 10))
	}
	return err
}

// headers takes what travels beside the arguments.
func (c *Caller) headers(md metadata.MD) error {
	trace, err := only(md, "traceparent")
	if err != nil {
		return err
	}
	if _, ok := telemetry.ParseTraceParent(trace); ok {
		c.Header.TraceParent = trace
	}
	key, err := only(md, "idempotency-key")
	if err != nil {
		return err
	}
	if key != "" && !telemetry.ValidIdempotencyKey(key) {
		return fault.New(fault.InvalidRequest, "idempotency-key must be 1 to 128 visible ASCII characters")
	}
	c.Header.IdempotencyKey = key
	return nil
}

// Position returns the metadata octo-min-position, "" if it is absent.
// Errors: INVALID_REQUEST.
func Position(ctx context.Context) (string, error) {
	md := Sent(ctx)
	text, err := only(md, "octo-min-position")
	if err != nil || text == "" {
		return "", err
	}
	_, err = mesh.ParsePosition(text)
	return text, err
}

// only returns the value of a key that may be sent once. Errors: INVALID_REQUEST
// when it was sent with different values: what one reader of a call takes for its
// project must be what every other takes for it.
func only(md metadata.MD, key string) (string, error) {
	all := md[key]
	if len(all) == 0 {
		return "", nil
	}
	for _, v := range all[1:] {
		if v != all[0] {
			return "", fault.New(fault.InvalidRequest, "the metadata %s was sent twice with different values", key)
		}
	}
	return all[0], nil
}

// remote is the address of the client, without its port.
func remote(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	if tcp, ok := p.Addr.(*net.TCPAddr); ok {
		return tcp.IP.String()
	}
	return p.Addr.String()
}

// credential takes the credential from the metadata: x-api-key, else
// authorization (Bearer, Basic). Errors: AUTH_ERROR for what has no form,
// INVALID_REQUEST.
func credential(md metadata.MD) (c access.Credential, err error) {
	if c.Key, err = only(md, "x-api-key"); err != nil {
		return c, err
	}
	if c.Key != "" {
		return c, c.WellFormed()
	}
	header, err := only(md, "authorization")
	if err != nil || header == "" {
		return c, err
	}
	if c, err = access.Authorization(header); err != nil {
		return c, err
	}
	return c, c.WellFormed()
}
