package ws

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/eventstream"
)

// conn is one open WebSocket. Three kinds of goroutines work for it: serve reads
// frames, watch looks after its end, and each subscription and each running
// request has one of its own. They share the writer, whose calls carry whole
// frames.
type conn struct {
	t        *WS
	ctx      context.Context
	cancel   context.CancelFunc
	project  string // of requests that name none
	remote   string
	id       string
	quiet    bool // no events until the first subscribe
	stopping <-chan struct{}
	log      *slog.Logger

	socket *websocket.Conn
	out    eventstream.Writer
	live   *live.Conn
	heard  atomic.Int64 // unix ns of the last frame
	ending sync.Once
	work   sync.WaitGroup
	slots  chan struct{}
	bucket bucket

	mu     sync.Mutex
	subs   map[string]*subscription
	next   int
	closed bool
}

// serve owns the connection until its end.
func (c *conn) serve(socket *websocket.Conn, p *mesh.Principal, token string, cred access.Credential) {
	l := &c.t.Limits
	c.socket = socket
	c.out = eventstream.Writer{Conn: socket.NetConn(), Patience: l.Patience}
	c.slots = make(chan struct{}, l.Concurrent)
	c.bucket = bucket{rate: l.Rate, burst: l.Burst, left: float64(l.Burst), at: time.Now()}
	c.subs = map[string]*subscription{}
	c.ctx, c.cancel = context.WithCancel(c.ctx)
	defer func() {
		c.cancel()
		_ = socket.Close()
		c.endAll()
		c.work.Wait()
		if c.live != nil {
			c.live.Remove()
		}
	}()
	socket.SetReadLimit(l.Frame)
	socket.SetPongHandler(func(string) error { c.hear(); return nil })
	if p == nil {
		var err error
		if p, token, cred, err = c.authenticate(); err != nil {
			c.finish(CloseUnauthorized, string(fault.CodeOf(err)))
			c.linger()
			return
		}
	}
	c.hear()
	c.live = c.t.hub.Add(cred, p, token)
	if err := c.greet(p); err != nil {
		return
	}
	c.work.Go(c.watch)
	c.read()
}

func (c *conn) hear() { c.heard.Store(time.Now().UnixNano()) }

// authenticate waits for the first frame, which must be {"type":"auth",…}.
func (c *conn) authenticate() (*mesh.Principal, string, access.Credential, error) {
	none := fault.New(fault.Unauthorized, "send a credential")
	_ = c.socket.SetReadDeadline(time.Now().Add(c.t.Limits.Auth))
	kind, msg, err := c.socket.ReadMessage()
	if err != nil || kind != websocket.TextMessage {
		return nil, "", access.Credential{}, none
	}
	f, err := parseFrame(msg)
	if err != nil {
		return nil, "", access.Credential{}, err
	}
	defer f.release()
	if f.kind != "auth" {
		return nil, "", access.Credential{}, none
	}
	cred := f.credential()
	cred.RemoteAddr = c.remote
	if cred.IsZero() {
		return nil, "", cred, none
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.t.Limits.Auth)
	defer cancel()
	p, token, err := c.t.door.Identity.Principal(ctx, cred)
	if err == nil {
		_, err = c.t.door.Rates.Take(p)
	}
	if err != nil {
		return nil, "", cred, err
	}
	return p, token, cred, c.socket.SetReadDeadline(time.Time{})
}

// read handles frames until the connection ends.
func (c *conn) read() {
	for {
		kind, r, err := c.socket.NextReader()
		if err != nil {
			if errors.Is(err, websocket.ErrReadLimit) {
				c.linger()
			}
			return
		}
		c.hear()
		if kind != websocket.TextMessage {
			c.finish(websocket.CloseUnsupportedData, "text frames only")
			continue
		}
		m := messages.Get().(*message)
		if m.b, err = appendAll(m.b[:0], r); err != nil {
			m.release()
			return
		}
		if !c.bucket.take(time.Now()) {
			c.refuse(m.b, fault.New(fault.RateLimited, "more than %d messages a second", c.t.Limits.Rate).After(time.Second))
			m.release()
			continue
		}
		if !c.handle(m) {
			return
		}
	}
}

// message is a received text, from a pool: small ones come often.
type message struct{ b []byte }

var messages = sync.Pool{New: func() any { return &message{b: make([]byte, 0, 512)} }}

func (m *message) release() {
	if cap(m.b) <= 16<<10 {
		messages.Put(m)
	}
}

func appendAll(dst []byte, r io.Reader) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// watch pings, renews rights and ends the connection for reasons that do not
// come from its client.
func (c *conn) watch() {
	l := &c.t.Limits
	tick := time.NewTicker(min(l.Ping, l.Pong) / 2)
	defer tick.Stop()
	var pinged time.Time
	for {
		select {
		case <-c.ctx.Done():
			c.cancelRead() // the server's patience is over, or serve has ended
			return
		case <-c.stopping:
			c.finish(CloseRestart, "shutdown")
			return
		case e := <-c.live.Ended():
			c.finish(closeCode(e), e.Reason)
			return
		case now := <-tick.C:
			if e, ok := c.live.Check(c.ctx, now); !ok {
				c.finish(closeCode(e), e.Reason)
				return
			}
			heard := time.Unix(0, c.heard.Load())
			switch {
			case pinged.After(heard) && now.Sub(pinged) >= l.Pong:
				c.finish(CloseHeartbeat, "heartbeat")
				return
			case !pinged.After(heard) && now.Sub(heard) >= l.Ping:
				pinged = now
				_ = c.out.Write(pingFrame)
			}
		}
	}
}

func closeCode(e live.Ending) int {
	switch e.Reason {
	case "slow":
		return CloseSlow
	case "revoked":
		return CloseRevoked
	case "shutdown":
		return CloseRestart
	case "renew":
		return CloseUnauthorized
	}
	return websocket.CloseInternalServerErr
}

// finish sends the close frame, once, and gives the client a second to answer
// it; then reading fails and serve ends.
func (c *conn) finish(code int, reason string) {
	c.ending.Do(func() {
		if len(reason) > 120 {
			reason = reason[:120]
		}
		b := websocket.FormatCloseMessage(code, reason)
		_ = eventstream.Writer{Conn: c.out.Conn, Patience: min(c.out.Patience, 2*time.Second)}.Write(appendFrame(nil, opClose, b))
		_ = c.socket.SetReadDeadline(time.Now().Add(time.Second))
	})
}

// linger lets the client read our close frame before the connection goes: a
// socket closed with unread input is reset.
func (c *conn) linger() {
	_ = c.out.Conn.SetReadDeadline(time.Now().Add(time.Second))
	if half, ok := c.out.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.CopyN(io.Discard, onlyReader{c.out.Conn}, 4<<20)
}

type onlyReader struct{ net.Conn }

// bucket bounds the rate of messages; it is used by the reading goroutine.
type bucket struct {
	rate, burst int
	left        float64
	at          time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.left = min(float64(b.burst), b.left+now.Sub(b.at).Seconds()*float64(b.rate))
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
