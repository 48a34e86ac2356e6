package bus

import (
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// requestInfo is the header that the server writes into a request that came
// over an account border, in exactly this case.
const requestInfo = "Nats-Request-Info"

// incoming reads who calls and with what header. Where the server says that a
// native client calls, that is the whole identity: the header Octo is ignored,
// and of the client's own headers a few that carry no identity are taken.
//
// A service of MESH could write the identity header itself. It could not send
// the reply subject that the server gives a request at the border, so one is
// believed only together with the other.
func incoming(h nats.Header, reply, project string) (mesh.Header, time.Duration, error) {
	crossed := strings.HasPrefix(reply, serviceReply)
	for name, values := range h {
		if len(values) > 1 && (name == HeaderName || name == requestInfo) ||
			name != requestInfo && strings.EqualFold(name, requestInfo) ||
			name != HeaderName && strings.EqualFold(name, HeaderName) && !crossed {
			return mesh.Header{}, 0, fault.New(fault.Forbidden, "the headers that carry identity are written by the server alone")
		}
	}
	info, native := h[requestInfo]
	if native != crossed {
		return mesh.Header{}, 0, fault.New(fault.Forbidden, "the headers that carry identity are written by the server alone")
	}
	if native {
		return incomingNative(h, info[0], project)
	}
	if !strings.HasPrefix(reply, "_INBOX") {
		return mesh.Header{}, 0, fault.New(fault.Forbidden, "a reply goes to an inbox only")
	}
	var out mesh.Header
	var ttl time.Duration
	if octo, ok := h[HeaderName]; ok {
		var err error
		if out, ttl, err = parseHeader(octo[0]); err != nil {
			return mesh.Header{}, 0, err
		}
	}
	if out.IdempotencyKey != "" && !telemetry.ValidIdempotencyKey(out.IdempotencyKey) {
		return mesh.Header{}, 0, errBadKey
	}
	if out.RequestID == "" {
		out.RequestID = telemetry.NewRequestID()
	}
	return out, ttl, nil
}

var errBadKey = fault.New(fault.InvalidRequest, "an idempotency key has 1 to 128 visible ASCII characters")

func incomingNative(h nats.Header, info, project string) (mesh.Header, time.Duration, error) {
	out := mesh.Header{Transport: "nats", Native: nativeUser(info)}
	if out.Native == "" {
		return mesh.Header{}, 0, fault.New(fault.Unauthorized, "the connection has no identity: connect with a key")
	}
	seen := make(map[string]bool, 4)
	for name, values := range h {
		lower := strings.ToLower(name)
		switch lower {
		case "x-request-id", "idempotency-key", "traceparent", "x-project":
		default:
			continue
		}
		if len(values) != 1 || seen[lower] {
			return mesh.Header{}, 0, fault.New(fault.InvalidRequest, "the header %s was sent more than once", lower)
		}
		seen[lower] = true
		v := values[0]
		switch lower {
		case "x-request-id":
			if telemetry.ValidRequestID(v) {
				out.RequestID = v
			}
		case "traceparent":
			if _, ok := telemetry.ParseTraceParent(v); ok {
				out.TraceParent = v
			}
		case "idempotency-key":
			if !telemetry.ValidIdempotencyKey(v) {
				return mesh.Header{}, 0, errBadKey
			}
			out.IdempotencyKey = v
		case "x-project":
			if project != "" && v != project {
				return mesh.Header{}, 0, fault.New(fault.Forbidden,
					"the subject names another project than X-Project; the subject of a call in a named project is mostajs.<project>.<Entity>.<op>")
			}
		}
	}
	if out.RequestID == "" {
		out.RequestID = telemetry.NewRequestID()
	}
	return out, 0, nil
}

// nativeAccount is where native clients live.
const nativeAccount = "APP"

// nativeUser returns k:<key id>, u:<user id> or j:<issuer>:<subject>, or "". Only
// an identity of the clients' own account counts: a client can have an answer
// addressed to a subject that is served, and the server then passes it on as a
// request of the service that answered.
func nativeUser(info string) string {
	var user, account string
	var seen uint
	p := scanner{s: info}
	ok := p.object(func(name string) bool {
		switch name {
		case "user":
			return p.once(&seen, 1) && p.text(&user)
		case "acc":
			return p.once(&seen, 2) && p.text(&account)
		}
		return p.skip(0)
	})
	if !ok || !p.end() || account != nativeAccount || len(user) < 3 || user[1] != ':' || strings.IndexByte("kuj", user[0]) < 0 {
		return ""
	}
	return user
}
