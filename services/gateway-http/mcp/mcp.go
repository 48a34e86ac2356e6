package mcp

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver/bridge"
)

// Transport is this protocol's name in scopes, logs and metrics.
const Transport = "mcp"

// The values of MOSTA_NET_MCP_MODE.
const (
	ModeCompact = "compact"
	ModeEntity  = "entity"
)

// Options are the settings; zero values are replaced by defaults.
type Options struct {
	// PerEntity gives Octonet's fifteen tools for each entity.
	PerEntity bool
	// PublicKey is the API key that counts for callers who send no credential
	// at all; "" refuses them.
	PublicKey string
	// SessionTimeout ends sessions that no request came for. Default: an hour.
	SessionTimeout time.Duration
	// CallTimeout bounds one call. Default: 10 s.
	CallTimeout time.Duration
	// Hosts are the names by which a proxy on this machine may ask, beside those
	// of the machine itself.
	Hosts []string

	// stream answers calls with server-sent events instead of JSON, for servers
	// whose tools speak while they work: those of the conformance suite do.
	stream bool
}

// MCP serves /mcp.
type MCP struct {
	door     *door.Door
	hub      *live.Hub
	o        Options
	stateful http.Handler
	ephemera http.Handler // requests without a session
	sessions sessions

	mu    sync.Mutex
	views map[string]*view
	bare  *sdk.Server // tells protocol versions, nothing else
}

// New returns the protocol.
func New(d *door.Door, h *live.Hub, o Options) *MCP {
	if o.SessionTimeout == 0 {
		o.SessionTimeout = time.Hour
	}
	if o.CallTimeout == 0 {
		o.CallTimeout = 10 * time.Second
	}
	t := &MCP{door: d, hub: h, o: o, views: map[string]*view{}, bare: sdk.NewServer(identity, nil)}
	t.stateful = t.handler(false)
	t.ephemera = t.handler(true)
	d.Projects.OnChange(t.refresh)
	return t
}

// handler is the SDK's, told by the context who calls: the door has seen to it.
func (t *MCP) handler(stateless bool) http.Handler {
	h := sdk.NewStreamableHTTPHandler(func(r *http.Request) *sdk.Server {
		if c := callerFrom(r.Context()); c != nil && c.view != nil {
			return c.view.server
		}
		return t.bare
	}, &sdk.StreamableHTTPOptions{
		Stateless: stateless, JSONResponse: !t.o.stream, SessionTimeout: t.o.SessionTimeout,
		DisableLocalhostProtection:   true, // ours knows of proxies
		MaxRequestBodyBytes:          -1,   // the server's own limit holds
		PropagateRequestCancellation: true,
		EventStore:                   newEvents(stateless),
	})
	return auth.RequireBearerToken(func(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
		c := callerFrom(ctx)
		if c == nil {
			return nil, auth.ErrInvalidToken
		}
		return &auth.TokenInfo{UserID: c.binding(), Extra: map[string]any{callerExtra: c}}, nil
	}, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true})(h)
}

// maxEvents bounds, in bytes, what a gateway keeps for streams that resume.
const maxEvents = 16 << 20

func newEvents(stateless bool) sdk.EventStore {
	if stateless {
		return nil
	}
	s := sdk.NewMemoryEventStore(nil)
	s.SetMaxBytes(maxEvents)
	return s
}

// Mount adds the routes.
func (t *MCP) Mount(m *httpserver.Mux) {
	m.Scoped("mcp", t.serve)
	m.ScopedBelow("api", "mcp-agent", t.mirror)
}

// Close ends all sessions.
func (t *MCP) Close() { t.sessions.close() }

const allow = "GET, POST, DELETE, OPTIONS"

func (t *MCP) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "none"
	switch {
	case len(x.Segments) != 1:
		x.NotFound()
		return
	case x.Ctx.IsOptions():
		x.Options(allow)
		return
	case x.Ctx.IsPost():
		x.Op = "message"
	case x.Ctx.IsGet():
		x.Op = "listen"
	case x.Ctx.IsDelete():
		x.Op = "end"
	default:
		x.SetHeader("Allow", allow)
		refuse(x, fault.New(fault.MethodNotAllowed, "this route takes %s", allow))
		return
	}
	if err := t.admit(x); err != nil {
		refuse(x, err)
	}
}

// admit identifies the caller and hands the request to the SDK.
func (t *MCP) admit(x *httpserver.Exchange) error {
	if !x.SameOrigin() {
		return fault.New(fault.Forbidden, "the origin %q may not call: set MOSTA_NET_CORS_ORIGIN to let its pages in", strings.ToValidUTF8(x.Header("Origin"), ""))
	}
	if !t.knownHost(x) {
		return fault.New(fault.Forbidden, "the host %q is none of this machine's: if a proxy here forwards to it, set OCTOMESH_MCP_HOSTS", strings.ToValidUTF8(string(x.Ctx.Host()), ""))
	}
	c, err := t.identify(x)
	if err != nil {
		return err
	}
	session := len(x.Ctx.Request.Header.Peek(sdkSession)) > 0
	m := message{}
	if x.Ctx.IsPost() && len(x.Body()) > 0 {
		if err := strictjson.Check(x.Body(), maxDepth); err != nil {
			return err
		}
		if strictjson.Trim(x.Body())[0] == '[' {
			return fault.New(fault.InvalidRequest, "batches are not taken: send one message in a request")
		}
		m = inspect(x.Body())
	}
	h := t.stateful
	// Revisions without sessions, and Octonet's clients, which open none.
	alone := x.Ctx.IsPost() && (m.method != "initialize" && !session || string(x.Ctx.Request.Header.Peek("Mcp-Protocol-Version")) >= sessionless)
	if alone {
		h = t.ephemera
	}
	if session && !alone {
		if err := t.sessions.touch(string(x.Ctx.Request.Header.Peek(sdkSession)), c); err != nil {
			return err
		}
	} else {
		if m.method == "initialize" {
			if err := t.sessions.reserve(c); err != nil {
				return err
			}
		}
		c.view = t.viewOf(c)
	}
	return t.bridge(x, c, h, x.Ctx.IsGet() || m.method == "subscriptions/listen")
}

// over gives back what a request held.
func (t *MCP) over(c *caller) {
	t.sessions.release(c)
	if c.view != nil {
		t.leave(c.view)
	}
}

const (
	sdkSession = "Mcp-Session-Id"
	// sessionless is the first revision of the protocol that has no sessions.
	sessionless = "2026-07-28"
	// maxDepth leaves room for the envelope around arguments.
	maxDepth = strictjson.DefaultDepth + 8
)

// message is what routing needs to know of a JSON-RPC message.
type message struct{ method string }

func inspect(b []byte) (m message) {
	strictjson.Members(b, func(k, v []byte) bool {
		if string(k) != "method" {
			return true
		}
		s, _ := strictjson.Text(v)
		m.method = string(s)
		return false
	})
	return m
}

func (t *MCP) bridge(x *httpserver.Exchange, c *caller, h http.Handler, long bool) error {
	call, err := bridge.New(x)
	if err != nil {
		t.over(c)
		return err
	}
	call.Patience = t.o.CallTimeout + 5*time.Second
	call.Fail = func(err error) { refuse(x, err) }
	call.Edit = edit
	header := call.Request.Header
	for _, name := range []string{"X-Api-Key", "Proxy-Authorization", "Cookie"} {
		header.Del(name)
	}
	header.Set("Authorization", "Bearer door") // see handler
	if len(header["Accept"]) == 0 {            // which is to accept anything
		header.Set("Accept", "*/*")
	}
	call.Request = call.Request.WithContext(context.WithValue(call.Request.Context(), callerKey{}, c))
	unwatch := func() {}
	if long {
		unwatch = t.watch(c, call.Cancel)
	}
	call.Serve(h, func() {
		unwatch()
		t.over(c)
	})
	return nil
}

// watch ends a long stream when its caller's rights end.
func (t *MCP) watch(c *caller, cancel func()) (ended func()) {
	conn := t.hub.Add(c.credential, c.principal, c.header.Token)
	over := make(chan struct{})
	go func() {
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-conn.Ended():
				cancel()
			case now := <-tick.C:
				if _, ok := conn.Check(context.Background(), now); !ok {
					cancel()
				}
			}
		}
	}()
	return func() {
		close(over)
		conn.Remove()
	}
}

// edit gives the SDK's plain refusals the form that clients of the protocol
// read.
func edit(status int, h http.Header, body []byte) []byte {
	if status < 400 || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
		return body
	}
	h.Set("Content-Type", "application/json")
	code := fault.InvalidRequest
	switch status {
	case http.StatusForbidden, http.StatusUnauthorized:
		code = fault.Forbidden
	case http.StatusNotFound:
		code = fault.NotFound
	case http.StatusMethodNotAllowed:
		code = fault.MethodNotAllowed
	case http.StatusConflict:
		code = fault.Conflict
	case http.StatusRequestEntityTooLarge:
		code = fault.PayloadTooLarge
	case http.StatusInternalServerError:
		code = fault.Internal
	}
	return appendRefusal(nil, fault.New(code, "%s", string(bytes.TrimSpace(body))))
}
