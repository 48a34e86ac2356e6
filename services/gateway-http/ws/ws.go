package ws

import (
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// Transport is this protocol's name in scopes, logs and metrics.
const Transport = "ws"

// The close codes of this protocol, beside those of RFC 6455 section 7.4.
const (
	CloseHeartbeat    = 4001 // nothing heard of the client
	CloseSlow         = 4002 // the reason is the position to resume from
	CloseRevoked      = 4003
	CloseUnauthorized = 4401 // no credential in time, or a bad one
	CloseRestart      = websocket.CloseServiceRestart
)

// Limits bound what one connection may do.
type Limits struct {
	Frame         int64         // bytes of one message
	Concurrent    int           // requests at the same time; more wait unread
	Subscriptions int           // open ones
	Rate, Burst   int           // messages a second, and at once
	Auth          time.Duration // wait for the first frame without a credential
	Ping, Pong    time.Duration // silence before a ping, and after it
	Patience      time.Duration // for one write
	Request       time.Duration // for one request
}

// DefaultLimits are in force unless a test changes them.
var DefaultLimits = Limits{
	Frame: 1 << 20, Concurrent: 32, Subscriptions: 64, Rate: 1000, Burst: 2000,
	Auth: 5 * time.Second, Ping: 30 * time.Second, Pong: 10 * time.Second,
	Patience: 10 * time.Second, Request: 10 * time.Second,
}

// WS serves /ws.
type WS struct {
	door     *door.Door
	hub      *live.Hub
	Limits   Limits
	upgrader websocket.FastHTTPUpgrader
}

// New returns the protocol.
func New(d *door.Door, h *live.Hub) *WS {
	return &WS{
		door: d, hub: h, Limits: DefaultLimits,
		upgrader: websocket.FastHTTPUpgrader{
			ReadBufferSize:  1024,
			WriteBufferPool: &sync.Pool{},
			CheckOrigin:     func(*fasthttp.RequestCtx) bool { return true }, // checked before
			Error:           func(*fasthttp.RequestCtx, int, error) {},       // answered by us
		},
	}
}

// Mount adds the route.
func (t *WS) Mount(m *httpserver.Mux) { m.Scoped("ws", t.serve) }

func (t *WS) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "connect"
	switch {
	case len(x.Segments) != 1:
		x.NotFound()
		return
	case x.Ctx.IsOptions():
		x.Options("GET, OPTIONS")
		return
	case !x.Ctx.IsGet():
		x.NotAllowed("GET, OPTIONS")
		return
	case !websocket.FastHTTPIsWebSocketUpgrade(x.Ctx):
		x.SetHeader("Upgrade", "websocket")
		x.FailWith(fasthttp.StatusUpgradeRequired, fault.New(fault.InvalidRequest, "this route speaks WebSocket: connect to it with a WebSocket client"))
		return
	case !x.SameOrigin():
		x.Fail(fault.New(fault.Forbidden, "this origin may not connect; MOSTA_NET_CORS_ORIGIN lists those that may"))
		return
	}
	if err := t.open(x); err != nil {
		x.Fail(err)
	}
}

func (t *WS) open(x *httpserver.Exchange) error {
	project, err := x.NamedProject()
	if err != nil {
		return err
	}
	project = firstOf(project, gateway.DefaultProject)
	if _, err := t.door.Projects.Find(project); err != nil {
		return err
	}
	principal, token, credential, err := t.door.Identify(x, true)
	if err != nil {
		return err
	}
	detached, err := x.Detach(nil)
	if err != nil {
		return err
	}
	c := &conn{
		t: t, ctx: detached.Context(), project: strings.Clone(project), remote: x.RemoteAddr(), id: x.RequestID,
		quiet: x.Query("events") == "0" || x.Query("events") == "false", stopping: x.Stopping(), log: t.door.Log,
	}
	err = t.upgrader.Upgrade(x.Ctx, func(socket *websocket.Conn) {
		if !detached.Begin() {
			return
		}
		// In a goroutine of its own, so that fasthttp's request goes back to its
		// pool; the socket itself is ours until it is closed.
		go func() {
			defer detached.End()
			defer httpserver.Recover(c.log, c.id)
			c.serve(socket, principal, token, credential)
		}()
	})
	if err != nil {
		detached.End()
		return fault.New(fault.InvalidRequest, "the WebSocket handshake is malformed")
	}
	return nil
}

func firstOf(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return ""
}

// may tells whether the principal may read the project over this protocol.
func (t *WS) may(p *mesh.Principal, project *gateway.Project) error {
	return access.Check(p, access.Ask{ProjectID: project.ID, Project: project.Slug, Class: mesh.Read, Transport: Transport})
}
