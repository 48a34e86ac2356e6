package graphql

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// subprotocol is the one that is spoken (graphql-ws, PROTOCOL.md).
const subprotocol = "graphql-transport-ws"

// The close codes of the subprotocol, and ours behind them.
const (
	closeBadRequest   = 4400
	closeUnauthorized = 4401
	closeForbidden    = 4403
	closeSubprotocol  = 4406
	closeInitTimeout  = 4408
	closeExists       = 4409
	closeTooManyInits = 4429
	closeHeartbeat    = 4001 // nothing heard of the client
)

// Sockets are the limits of one WebSocket.
type Sockets struct {
	Frame      int64         // bytes of one message
	Operations int           // at the same time
	Init       time.Duration // wait for connection_init
	Ping, Pong time.Duration // silence before a ping, and after it
	Patience   time.Duration // for one write
	Request    time.Duration // for one query, mutation, or subscribing
}

// DefaultSockets are in force unless a test changes them.
var DefaultSockets = Sockets{
	Frame: 1 << 20, Operations: 64, Init: 5 * time.Second, Ping: 30 * time.Second, Pong: 10 * time.Second,
	Patience: 10 * time.Second, Request: 10 * time.Second,
}

func upgrader() websocket.FastHTTPUpgrader {
	return websocket.FastHTTPUpgrader{
		ReadBufferSize: 1024, WriteBufferPool: &sync.Pool{}, Subprotocols: []string{subprotocol},
		CheckOrigin: func(*fasthttp.RequestCtx) bool { return true }, // checked before
		Error:       func(*fasthttp.RequestCtx, int, error) {},       // answered by us
	}
}

// socket is one open WebSocket: serve reads messages, watchOver looks after its
// end, and each operation has a goroutine of its own.
type socket struct {
	t        *GraphQL
	ctx      context.Context
	cancel   context.CancelFunc
	project  *gateway.Project
	id       string // of the handshake's request
	remote   string
	stopping <-chan struct{}
	log      *slog.Logger
	conn     *websocket.Conn
	who      *mesh.Principal
	token    string
	shown    access.Credential
	live     *live.Conn
	heard    atomic.Int64
	ops      operations
	ending   sync.Once
	ended    atomic.Bool // the close frame goes out, or went
	writing  sync.Mutex
}

// socket upgrades a request.
func (t *GraphQL) socket(x *httpserver.Exchange) {
	x.Op = "connect"
	if !x.Ctx.IsGet() || !x.SameOrigin() {
		x.Fail(fault.New(fault.Forbidden, "this origin may not connect; MOSTA_NET_CORS_ORIGIN lists those that may"))
		return
	}
	project, err := t.project(x)
	if err != nil {
		x.Fail(err)
		return
	}
	who, token, credential, err := t.door.Identify(x, false)
	if err != nil {
		x.Fail(err)
		return
	}
	detached, err := x.Detach(nil)
	if err != nil {
		x.Fail(err)
		return
	}
	s := &socket{
		t: t, project: project, id: x.RequestID, remote: x.RemoteAddr(), stopping: x.Stopping(), log: t.door.Log,
		who: who, token: token, shown: credential,
	}
	s.ops.prepare(t.Sockets.Operations)
	err = t.upgrader.Upgrade(x.Ctx, func(conn *websocket.Conn) {
		if !detached.Begin() {
			return
		}
		go func() { // so that fasthttp's request goes back to its pool
			defer detached.End()
			defer httpserver.Recover(s.log, s.id)
			s.conn = conn
			s.ctx, s.cancel = context.WithCancel(detached.Context())
			s.serve()
		}()
	})
	if err != nil {
		detached.End()
		x.Fail(fault.New(fault.InvalidRequest, "the WebSocket handshake is malformed"))
	}
}

// serve owns the connection until its end.
func (s *socket) serve() {
	defer func() {
		s.cancel()
		_ = s.conn.Close()
		s.ops.close()
		if s.live != nil {
			s.live.Remove()
		}
	}()
	s.conn.SetReadLimit(s.t.Sockets.Frame)
	s.conn.SetPongHandler(func(string) error { s.hear(); return nil })
	if s.conn.Subprotocol() != subprotocol {
		s.finish(closeSubprotocol, "Subprotocol not acceptable")
		s.drain()
		return
	}
	if !s.greet() {
		s.drain()
		return
	}
	s.ops.work.Go(func() {
		defer httpserver.Recover(s.log, s.id)
		s.watchOver()
	})
	for {
		m, err := s.receive()
		switch {
		case err != nil:
			return
		case s.ended.Load(): // what came behind that end is not carried out
			if m != nil {
				m.doc.Release()
			}
			s.drain()
			return
		case m != nil:
			s.handle(m)
		}
	}
}

func (s *socket) hear() { s.heard.Store(time.Now().UnixNano()) }

// greet waits for connection_init and answers it.
func (s *socket) greet() bool {
	_ = s.conn.SetReadDeadline(time.Now().Add(s.t.Sockets.Init))
	for {
		m, err := s.receive()
		if err != nil {
			s.finish(closeInitTimeout, "Connection initialisation timeout")
			return false
		}
		if m == nil {
			return false // closed already
		}
		switch m.kind {
		case "connection_init":
			if err := s.identify(m.payload); err != nil {
				s.finish(closeForbidden, string(fault.CodeOf(err)))
				return false
			}
			_ = s.conn.SetReadDeadline(time.Time{})
			s.hear()
			s.live = s.t.hub.Add(s.shown, s.who, s.token)
			return s.say([]byte(`{"type":"connection_ack"}`)) == nil
		case "ping":
			_ = s.say([]byte(`{"type":"pong"}`))
		case "pong":
		default:
			s.finish(closeUnauthorized, "Unauthorized")
			return false
		}
	}
}

// identify takes the credential of connection_init where the handshake had
// none: X-API-Key, apiKey, Authorization or token.
func (s *socket) identify(payload *fastjson.Value) error {
	if s.who == nil && payload != nil {
		text := func(names ...string) string {
			for _, n := range names {
				if v := payload.GetStringBytes(n); len(v) > 0 {
					return string(v)
				}
			}
			return ""
		}
		s.shown = access.Credential{Key: text("X-API-Key", "x-api-key", "apiKey"), RemoteAddr: s.remote}
		if bearer := text("Authorization", "authorization", "token"); s.shown.Key == "" {
			s.shown.Bearer = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(bearer, "Bearer "), "bearer "))
		}
		if s.shown.Key != "" || s.shown.Bearer != "" {
			ctx, cancel := context.WithTimeout(s.ctx, s.t.Sockets.Request)
			defer cancel()
			var err error
			if s.who, s.token, err = s.t.door.Identity.Principal(ctx, s.shown); err == nil {
				_, err = s.t.door.Rates.Take(s.who)
			}
			if err != nil {
				return err
			}
		}
	}
	_, err := s.t.viewOf(s.project, s.who)
	return err
}

// watchOver pings, renews rights and ends the connection for reasons that do not
// come from its client.
func (s *socket) watchOver() {
	l := &s.t.Sockets
	tick := time.NewTicker(min(l.Ping, l.Pong) / 2)
	defer tick.Stop()
	var pinged time.Time
	for {
		select {
		case <-s.ctx.Done():
			httpserver.Abort(s.conn.NetConn())
			return
		case <-s.stopping:
			s.finish(websocket.CloseServiceRestart, "shutdown")
			return
		case e := <-s.live.Ended():
			s.end(e)
			return
		case now := <-tick.C:
			if e, ok := s.live.Check(s.ctx, now); !ok {
				s.end(e)
				return
			}
			heard := time.Unix(0, s.heard.Load())
			switch {
			case pinged.After(heard) && now.Sub(pinged) >= l.Pong:
				s.finish(closeHeartbeat, "heartbeat")
				return
			case !pinged.After(heard) && now.Sub(heard) >= l.Ping:
				pinged = now
				_ = s.conn.WriteControl(websocket.PingMessage, nil, now.Add(l.Patience))
			}
		}
	}
}

func (s *socket) end(e live.Ending) {
	if e.Reason == "shutdown" {
		s.finish(websocket.CloseServiceRestart, e.Reason)
		return
	}
	s.finish(closeForbidden, e.Reason)
}

// say sends one text message.
func (s *socket) say(b []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(s.t.Sockets.Patience))
	err := s.conn.WriteMessage(websocket.TextMessage, b)
	if err != nil && !s.ended.Load() { // else the client is reading why
		httpserver.Abort(s.conn.NetConn())
	}
	return err
}

// finish sends the close frame, once, and gives the client a second to answer
// it; then reading fails and serve ends.
func (s *socket) finish(code int, reason string) {
	s.ending.Do(func() {
		s.ended.Store(true)
		if len(reason) > 120 {
			reason = reason[:120]
		}
		_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(2*time.Second))
		_ = s.conn.SetReadDeadline(time.Now().Add(time.Second))
	})
}

// drain reads until the client has closed, so that it can read our close frame:
// a socket closed with unread input is reset.
func (s *socket) drain() {
	for {
		if _, _, err := s.conn.NextReader(); err != nil {
			return
		}
	}
}
