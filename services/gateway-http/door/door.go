package door

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// Identifier turns a credential into a principal and the token that says so; it
// is access.Exchanger.
type Identifier interface {
	Principal(ctx context.Context, c access.Credential) (*mesh.Principal, string, error)
}

// Controller asks the control plane; it is bus.Client.
type Controller interface {
	Control(ctx context.Context, verb string, in []byte, h mesh.Header) ([]byte, error)
}

// Door holds what protocols share. It is read-only once the server runs.
type Door struct {
	Caller   mesh.Caller
	Identity Identifier
	Control  Controller
	Projects *gateway.Projects
	KeyInURL KeyInURL
	Rates    *access.Limiter
	Log      *slog.Logger
	Metrics  *telemetry.Metrics
}

// Caller of one exchange: who it is and what goes into the call header.
type caller struct {
	principal *mesh.Principal
	token     string
}

func (d *Door) identify(x *httpserver.Exchange, live bool) (caller, access.Credential, error) {
	c, err := d.Credential(x, live)
	if err != nil || c.IsZero() {
		return caller{}, c, err
	}
	who, err := d.as(x, c)
	return who, c, err
}

func (d *Door) as(x *httpserver.Exchange, c access.Credential) (caller, error) {
	p, token, err := d.Identity.Principal(x.Context(), c)
	if err != nil {
		return caller{}, err
	}
	x.Principal = p.ID
	left, err := d.Rates.Take(p)
	if left.Limit > 0 {
		x.SetHeader("RateLimit-Limit", strconv.Itoa(left.Limit))
		x.SetHeader("RateLimit-Remaining", strconv.Itoa(left.Remaining))
		x.SetHeader("RateLimit-Reset", strconv.FormatInt(int64((left.Reset+time.Second-1)/time.Second), 10))
	}
	return caller{p, token}, err
}

// Identify tells who sent the request, and counts it. A request without a
// credential gives a nil principal and no token: whether that is enough is
// access.Check's to say. Errors: those of Credential and of the Identifier,
// RATE_LIMITED.
func (d *Door) Identify(x *httpserver.Exchange, live bool) (*mesh.Principal, string, access.Credential, error) {
	who, c, err := d.identify(x, live)
	return who.principal, who.token, c, err
}

// IdentifyAs is Identify for an exchange that is to be counted as the holder of
// c's, whatever it came with. Errors: those of the Identifier, RATE_LIMITED.
func (d *Door) IdentifyAs(x *httpserver.Exchange, c access.Credential) (*mesh.Principal, string, error) {
	c.RemoteAddr = x.RemoteAddr()
	who, err := d.as(x, c)
	return who.principal, who.token, err
}

// Header makes the call header of an exchange, identifying its caller.
// catalogVersion is that of the project's catalog.
// Errors: those of Identify, INVALID_REQUEST.
func (d *Door) Header(x *httpserver.Exchange, catalogVersion string) (mesh.Header, error) {
	h, _, err := d.Enter(x, catalogVersion)
	return h, err
}

// Enter is Header that also tells who the caller is, nil for nobody.
func (d *Door) Enter(x *httpserver.Exchange, catalogVersion string) (mesh.Header, *mesh.Principal, error) {
	who, _, err := d.identify(x, false)
	if err != nil {
		return mesh.Header{Transport: x.Transport, RequestID: x.RequestID, CatalogVersion: catalogVersion}, nil, err
	}
	h, err := HeaderFor(x, catalogVersion, who.token)
	return h, who.principal, err
}

// HeaderFor is Header for a caller who has been identified. The strings alias
// the exchange. Errors: INVALID_REQUEST.
func HeaderFor(x *httpserver.Exchange, catalogVersion, token string) (mesh.Header, error) {
	h := mesh.Header{Transport: x.Transport, RequestID: x.RequestID, CatalogVersion: catalogVersion, Token: token}
	if tp := x.Header("Traceparent"); tp != "" {
		if _, ok := telemetry.ParseTraceParent(tp); ok {
			h.TraceParent = tp
		}
	}
	if key := x.Header("Idempotency-Key"); key != "" {
		if !telemetry.ValidIdempotencyKey(key) {
			return h, fault.New(fault.InvalidRequest, "Idempotency-Key must be 1 to 128 visible ASCII characters")
		}
		h.IdempotencyKey = key
	}
	return h, nil
}
