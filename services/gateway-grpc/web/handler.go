package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/rs/cors"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// Methods knows what methods there are.
type Methods interface {
	// Method describes a method, "/mostajs.ProductService/FindAll", as the caller
	// of ctx may use it; nil if there is none. Errors: those of
	// rpc.Entrance.Enter.
	Method(ctx context.Context, name string) (protoreflect.MethodDescriptor, error)
	// Streams reports whether a method, if there is one of that name, replies with
	// a stream.
	Streams(name string) bool
}

// Handler serves gRPC-Web and Connect.
type Handler struct {
	entrance *rpc.Entrance
	methods  Methods
	serve    grpc.StreamHandler
	large    handlers // of messages as large as they may be
	small    handlers // of those that found the room for large ones taken
	errors   *connect.ErrorWriter
}

// handlers are connect's, for methods with one reply and for those with a stream.
type handlers struct{ one, many http.Handler }

// New returns the handler of all calls, which serve gets as gRPC's own server
// gives them. origins are those whose pages may call; "*" is all.
func New(e *rpc.Entrance, m Methods, serve grpc.StreamHandler, origins []string) http.Handler {
	h := &Handler{entrance: e, methods: m, serve: serve, errors: connect.NewErrorWriter()}
	h.large, h.small = h.handlers(rpc.MaxMessage), h.handlers(rpc.SmallMessage)
	if len(origins) == 0 {
		return h
	}
	// https://connectrpc.com/docs/cors
	return cors.New(cors.Options{
		AllowedOrigins: origins, AllowedMethods: []string{http.MethodPost}, MaxAge: 7200,
		AllowedHeaders: []string{
			"Content-Type", "Connect-Protocol-Version", "Connect-Timeout-Ms", "Grpc-Timeout", "X-Grpc-Web", "X-User-Agent",
			"X-Api-Key", "Authorization", "X-Project", "X-Request-Id", "Idempotency-Key", "Traceparent", "Octo-Min-Position", "If-Match",
		},
		ExposedHeaders: []string{
			"Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin", "X-Request-Id", "Octo-Position", "Octo-Version",
			"Idempotency-Replayed", "Ratelimit-Limit", "Ratelimit-Remaining", "Ratelimit-Reset",
		},
	}).Handler(h)
}

// handlers serve all methods: connect has no use for the name, the context's
// request tells it.
func (h *Handler) handlers(limit int) handlers {
	options := connect.WithHandlerOptions(codecs, connect.WithReadMaxBytes(limit))
	return handlers{connect.NewUnaryHandler("", h.unary, options), connect.NewServerStreamHandler("", h.stream, options)}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Count(r.URL.Path, "/") != 2 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("This port speaks gRPC, gRPC-Web and Connect: POST /<package>.<Service>/<Method>. The pages and REST are on the HTTP port.\n"))
		return
	}
	q := &request{method: r.URL.Path, conn: http.NewResponseController(w)}
	q.share.Open(&h.entrance.Room)
	with := h.large
	if n, known := size(r); !q.share.Hold(n) {
		if known {
			c := &call{request: q, header: http.Header{}, trailer: http.Header{}}
			_ = h.errors.Write(w, r, failed(h.call(r.Context(), c, r.Header, r.RemoteAddr, crowded), c))
			return
		}
		with = h.small
	}
	defer q.share.End()
	handler := with.one
	if h.methods.Streams(q.method) {
		handler = with.many
	}
	handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, q)))
	_ = q.conn.SetReadDeadline(time.Now().Add(readTime)) // for what the client has not sent yet
}

func (h *Handler) unary(ctx context.Context, r *connect.Request[message]) (*connect.Response[message], error) {
	reply := connect.NewResponse(&message{})
	c := arrived(ctx, r.Msg)
	c.methods, c.header, c.trailer = h.methods, reply.Header(), reply.Trailer()
	c.send = func(m *message) error { *reply.Msg = *m; return nil }
	if err := h.call(ctx, c, r.Header(), r.Peer().Addr, h.serve); err != nil {
		return nil, failed(err, c)
	}
	return reply, nil
}

func (h *Handler) stream(ctx context.Context, r *connect.Request[message], s *connect.ServerStream[message]) error {
	c := arrived(ctx, r.Msg)
	c.methods, c.header, c.trailer, c.send = h.methods, s.ResponseHeader(), s.ResponseTrailer(), s.Send
	if err := h.call(ctx, c, r.Header(), r.Peer().Addr, h.serve); err != nil {
		return failed(err, c)
	}
	return nil
}

func (h *Handler) call(ctx context.Context, c *call, header http.Header, from string, serve grpc.StreamHandler) error {
	defer c.end()
	md := make(metadata.MD, len(header))
	for name, values := range header {
		md[strings.ToLower(name)] = values
	}
	ctx = metadata.NewIncomingContext(ctx, md)
	if addr, err := net.ResolveTCPAddr("tcp", from); err == nil {
		ctx = peer.NewContext(ctx, &peer.Peer{Addr: addr})
	}
	c.ctx = grpc.NewContextWithServerTransportStream(ctx, transport{c})
	return h.entrance.Serve(c, func(srv any, ss grpc.ServerStream) error {
		c.ctx = ss.Context() // which knows the exchange
		return serve(srv, ss)
	})
}

// failed is a status as connect tells it, with the same code, message and details.
func failed(err error, c *call) error {
	s := status.Convert(err)
	e := connect.NewError(connect.Code(s.Code()), errors.New(s.Message()))
	for _, d := range s.Details() {
		if m, ok := d.(proto.Message); ok {
			if detail, err := connect.NewErrorDetail(m); err == nil {
				e.AddDetail(detail)
			}
		}
	}
	for name, values := range c.header {
		e.Meta()[name] = values
	}
	return e
}

// NewServer returns a server of HTTP/1.1 for h with the gateway's limits.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
}
