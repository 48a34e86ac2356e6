package entityrpc_test

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/octomesh/octomesh/pkg/gateway/scripted"
	"github.com/octomesh/octomesh/services/gateway-grpc/web"
)

// rawWeb lets a client of package web send and get messages as their bytes.
type rawWeb struct{}

func (rawWeb) Name() string                  { return "proto" }
func (rawWeb) Marshal(v any) ([]byte, error) { return *v.(*raw), nil }

func (rawWeb) Unmarshal(b []byte, v any) error {
	if m, ok := v.(proto.Message); ok { // a status of gRPC-Web's
		return proto.Unmarshal(b, m)
	}
	*v.(*raw) = bytes.Clone(b)
	return nil
}

// watchWeb opens a Watch over HTTP/1.1.
func (h *house) watchWeb(options ...connect.ClientOption) *connect.ServerStreamForClient[raw] {
	t := h.t
	t.Helper()
	server := web.NewServer(web.New(h.services.Entrance, h.services, h.services.Handle, nil))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	tr := &http.Transport{}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	c := connect.NewClient[raw, raw](&http.Client{Transport: tr}, "http://"+ln.Addr().String()+"/mostajs.ProductService/Watch", append(options, connect.WithCodec(rawWeb{}))...)
	in := connect.NewRequest(&raw{})
	in.Header().Set("X-Api-Key", scripted.Key)
	s, err := c.CallServerStream(t.Context(), in)
	check(t, err)
	return s
}

// webEnding is the fault in an error, as ends has it.
func webEnding(err error) string {
	var e *connect.Error
	if errors.As(err, &e) {
		for _, d := range e.Details() {
			if v, err := d.Value(); err == nil {
				if info, ok := v.(*errdetails.ErrorInfo); ok {
					return info.Reason + " " + info.Metadata["details"]
				}
			}
		}
	}
	return "no reason"
}

func TestWatchWeb(t *testing.T) {
	for name, options := range map[string][]connect.ClientOption{"connect": nil, "gRPC-Web": {connect.WithGRPCWeb()}} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			s := h.watchWeb(options...)
			next := func() string {
				t.Helper()
				if !s.Receive() {
					t.Fatal(s.Err())
				}
				m := dynamicpb.NewMessage(h.method("ProductService", "Watch").Output())
				check(t, proto.Unmarshal(*s.Msg(), m))
				return shown(m)
			}
			if got := next(); got != `type:"position" position:"e-7"` {
				t.Error(got)
			}
			h.feed.Publish(published("created", "p1", "", 8), 10)
			if got := next(); !strings.Contains(got, `id:"p1"`) || s.ResponseHeader().Get("X-Request-Id") == "" {
				t.Error(got, s.ResponseHeader())
			}
			h.hub.Revoke("k:AAAAAAAA")
			// The writer may not have reported the last message yet: then it comes again.
			if s.Receive() || !strings.HasPrefix(webEnding(s.Err()), `UNAUTHORIZED {"position":"e-`) {
				t.Error(s.Err(), webEnding(s.Err()))
			}
			check(t, s.Close())
			if h.feed.Len() > 0 || h.hub.Len() > 0 {
				t.Error("it is still known")
			}
		})
	}
}

// A Watch that ends while its first message is leaving.
func TestWatchWebEndsAtOnce(t *testing.T) {
	for range 20 {
		h := open(t)
		close(h.stop)
		s := h.watchWeb()
		for s.Receive() {
		}
		if got := webEnding(s.Err()); !strings.HasPrefix(got, "UNAVAILABLE ") {
			t.Error(got, s.Err())
		}
		check(t, s.Close())
	}
}
