package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/deadline"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// Options are the settings of a Server; zero values are replaced by defaults.
type Options struct {
	Log     *slog.Logger
	Metrics *telemetry.Metrics
	// MaxBody is the largest request body in bytes. The default leaves room for
	// what surrounds it in a NATS message of 8 MB.
	MaxBody int
	// MaxBodies bounds the memory for all bodies over 64 KiB at a time, in bytes;
	// what does not fit is answered with OVERLOADED. Default: 32 of the largest.
	MaxBodies int64
	// MaxHeader is the largest request line and headers together, in bytes; the
	// buffer of that size belongs to each connection.
	MaxHeader int
	// ReadTimeout bounds the arrival of one whole request, IdleTimeout the wait
	// for the next one, WriteTimeout the taking of a reply (of each part of a
	// streamed one).
	ReadTimeout, IdleTimeout, WriteTimeout time.Duration
	// RequestTimeout is how long a request may work.
	RequestTimeout time.Duration
	// Origins are the browser origins that may call; "*" is any, none is none.
	Origins []string
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if o.Log == nil {
		o.Log = Discard()
	}
	if o.MaxBody == 0 {
		o.MaxBody = 8<<20 - 64<<10
	}
	if o.MaxBodies == 0 {
		o.MaxBodies = 32 * int64(o.MaxBody)
	}
	if o.MaxHeader == 0 {
		o.MaxHeader = 8 << 10
	}
	set(&o.ReadTimeout, 15*time.Second)
	set(&o.IdleTimeout, 90*time.Second)
	set(&o.WriteTimeout, 30*time.Second)
	set(&o.RequestTimeout, 10*time.Second)
	return o
}

// Server serves a Mux over HTTP/1.1.
type Server struct {
	o         Options
	mux       *Mux
	fast      *fasthttp.Server
	life      context.Context
	end       context.CancelFunc
	deadlines *deadline.Group
	stopping  chan struct{}
	stopOnce  sync.Once
	streams   sync.WaitGroup
	mu        sync.Mutex // orders streams.Add before Shutdown's Wait
	closed    bool
	pool      sync.Pool
	bodies    budget
	silent    silentConns
}

// New returns a Server that is not listening yet.
func New(mux *Mux, o Options) *Server {
	s := &Server{o: o.withDefaults(), mux: mux, stopping: make(chan struct{})}
	s.life, s.end = context.WithCancel(context.Background())
	s.deadlines = deadline.NewGroup(s.life)
	s.pool.New = func() any { return &Exchange{Buf: make([]byte, 0, 1024)} }
	s.bodies.limit, s.bodies.body = s.o.MaxBodies, int64(s.o.MaxBody)
	s.bodies.life = s.o.ReadTimeout + s.o.RequestTimeout
	s.fast = &fasthttp.Server{
		Handler:               s.Handle,
		ErrorHandler:          s.malformed,
		HeaderReceived:        s.bodies.take,
		Logger:                silent{},
		ReadBufferSize:        s.o.MaxHeader,
		WriteBufferSize:       onePage,
		MaxRequestBodySize:    s.o.MaxBody,
		ReadTimeout:           s.o.ReadTimeout,
		WriteTimeout:          s.o.WriteTimeout,
		IdleTimeout:           s.o.IdleTimeout,
		NoDefaultServerHeader: true,
		NoDefaultContentType:  true,
		CloseOnShutdown:       true,
		SecureErrorLogMessage: true,
		// A multipart body is no form of ours; parsing it would only cost.
		DisablePreParseMultipartForm: true,
		// Streams outlive the hijack handler, so that fasthttp's buffers and
		// request go back to their pools at once.
		KeepHijackedConns: true,
	}
	return s
}

// onePage is how many bytes of a response leave in one write: with its head, a
// page of 20 to 50 records. A connection keeps a buffer of that size.
const onePage = 16 << 10

// Serve accepts connections until Shutdown.
func (s *Server) Serve(ln net.Listener) error {
	return s.fast.Serve(lingering{ln, &s.silent})
}

// Stop asks open streams to say goodbye and end.
func (s *Server) Stop() { s.stopOnce.Do(func() { close(s.stopping) }) }

// Shutdown stops accepting, ends streams, waits for requests until ctx ends and
// then drops what is left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Stop()
	over := make(chan struct{})
	go s.silent.closeUntil(over)
	err := s.fast.ShutdownWithContext(ctx)
	close(over)
	done := make(chan struct{})
	go func() { s.streams.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.end()
		<-done
	}
	s.end()
	return err
}

// Handle answers one request of fasthttp's; it is the server's outermost handler.
func (s *Server) Handle(ctx *fasthttp.RequestCtx) {
	x := s.pool.Get().(*Exchange)
	x.reset(s, ctx, time.Now())
	defer s.bodies.give(&ctx.Request.Header)
	defer func() {
		if r := recover(); r != nil {
			ctx.Response.Reset()
			ctx.SetConnectionClose()
			x.SetHeader("X-Request-Id", x.RequestID)
			x.Fail(fault.Wrap(fmt.Errorf("panic: %v\n%s", r, debug.Stack()), fault.Internal, "something went wrong on our side"))
		}
		s.finish(x)
	}()
	x.identify()
	s.route(x)
}

func (s *Server) route(x *Exchange) {
	if ambiguous(&x.Ctx.Request.Header) {
		x.Ctx.SetConnectionClose()
		x.Fail(fault.New(fault.InvalidRequest, "send Content-Length or Transfer-Encoding, not both"))
		return
	}
	if x.doubled {
		x.Fail(fault.New(fault.InvalidRequest, "a header that says who asks for what was sent twice with different values"))
		return
	}
	var err error
	if x.Segments, x.path, err = split(x.segments[:0], x.path, x.Ctx.URI().PathOriginal()); err != nil {
		x.Fail(err)
		return
	}
	if s.crossOrigin(x) {
		return
	}
	if h := s.mux.find(x); h != nil {
		h(x)
		return
	}
	x.NotFound()
}

// finish counts, logs and recycles the exchange.
func (s *Server) finish(x *Exchange) {
	x.SetHeader("X-Content-Type-Options", "nosniff")
	if x.Code == "" {
		x.Code = "ok"
	}
	took := time.Since(x.started)
	if x.Transport != "" && !x.detached {
		s.o.Metrics.Request(x.Transport, x.Op, x.Code, took)
	}
	if x.cause != nil || x.Admin || took > telemetry.Slow {
		s.log(x, took)
	}
	if cap(x.Buf) > 64<<10 {
		x.Buf = nil
	}
	x.Ctx, x.lifetime = nil, nil
	s.pool.Put(x)
}

func (s *Server) log(x *Exchange, took time.Duration) {
	level, msg := slog.LevelInfo, "slow call"
	switch {
	case x.cause != nil && fault.Code(x.Code).HTTP() == fasthttp.StatusServiceUnavailable && x.Op == "health":
		msg = "not ready" // as each start is at first
	case x.cause != nil && fault.Code(x.Code).HTTP() >= 500:
		level, msg = slog.LevelError, "call failed"
	case x.cause != nil:
		msg = "call refused"
	case x.Admin:
		msg = "admin call"
	}
	args := []any{
		telemetry.KeyRequestID, x.RequestID, telemetry.KeyProject, x.LogProject, telemetry.KeyEntity, x.LogEntity,
		telemetry.KeyOp, x.Op, telemetry.KeyTransport, x.Transport, telemetry.KeyPrincipal, x.Principal,
		telemetry.KeyCode, x.Code, telemetry.KeyMillis, took.Milliseconds(),
	}
	if x.cause != nil {
		args = append(args, telemetry.KeyError, x.cause.Error())
	}
	s.o.Log.Log(context.Background(), level, msg, args...)
}

// malformed answers what never became a request. The connection is closed
// afterwards, lingering so that the answer is not lost to a reset while the
// client still sends.
func (s *Server) malformed(ctx *fasthttp.RequestCtx, err error) {
	x := &Exchange{}
	x.reset(s, ctx, time.Now())
	x.identify()
	linger(ctx.Conn())
	spent := s.bodies.give(&ctx.Request.Header)
	var small *fasthttp.ErrSmallBuffer
	var netErr net.Error
	switch {
	case spent && errors.Is(err, fasthttp.ErrBodyTooLarge):
		x.Fail(fault.New(fault.Overloaded, "too many large bodies are arriving; send it again").After(time.Second))
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		x.Fail(fault.New(fault.PayloadTooLarge, "the body is over the limit of %d bytes; bulk loads go in parts", s.o.MaxBody))
	case errors.As(err, &small):
		x.FailWith(fasthttp.StatusRequestHeaderFieldsTooLarge, fault.New(fault.PayloadTooLarge, "request line and headers are over the limit of %d bytes", s.o.MaxHeader))
	case errors.As(err, &netErr) && netErr.Timeout():
		x.FailWith(fasthttp.StatusRequestTimeout, fault.New(fault.Timeout, "the request did not arrive in time"))
	default:
		x.Fail(fault.New(fault.InvalidRequest, "this is not a well-formed HTTP/1.1 request"))
	}
	s.o.Metrics.Request("http", "malformed", x.Code, 0)
}

// silent drops fasthttp's own log lines: what matters in them is answered and
// counted by malformed.
type silent struct{}

func (silent) Printf(string, ...any) {}

// Discard returns a logger that drops everything.
func Discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
