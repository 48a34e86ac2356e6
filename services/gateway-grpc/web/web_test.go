package web_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
	"github.com/octomesh/octomesh/services/gateway-grpc/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// methods are those of a service x.Texts: One, and Many which streams.
type methods struct{ file protoreflect.FileDescriptor }

func newMethods(t *testing.T) methods {
	t.Helper()
	text, yes := ".google.protobuf.StringValue", true
	name := func(s string) *string { return &s }
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: name("x.proto"), Package: name("x"), Syntax: name("proto3"), Dependency: []string{"google/protobuf/wrappers.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: name("Texts"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: name("One"), InputType: &text, OutputType: &text},
			{Name: name("Many"), InputType: &text, OutputType: &text, ServerStreaming: &yes},
		}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return methods{file}
}

func (m methods) Method(_ context.Context, name string) (protoreflect.MethodDescriptor, error) {
	if d := m.file.Services().Get(0).Methods().ByName(protoreflect.Name(name[strings.LastIndexByte(name, '/')+1:])); d != nil {
		return d, nil
	}
	return nil, nil
}

func (methods) Streams(name string) bool { return strings.HasSuffix(name, "/Many") }

type names struct{}

func (names) Principal(_ context.Context, c access.Credential) (*mesh.Principal, string, error) {
	if c.Key != "good" || c.RemoteAddr != "127.0.0.1" {
		return nil, "", fault.New(fault.Unauthorized, "who is that?")
	}
	return &mesh.Principal{ID: "k:1", Kind: mesh.Key}, "token", nil
}

// left is what became of the messages of calls that ended meanwhile, end what ends
// such a call.
var left, end = make(chan error, 1), make(chan struct{})

// texts sends what it got, twice where it streams; "fail" is refused, and so is
// the second of "fail late". "leave" ends while a message of 32 MB is leaving.
func texts(e *rpc.Entrance) grpc.StreamHandler {
	return func(_ any, ss grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(ss)
		if !strings.HasSuffix(method, "/One") && !strings.HasSuffix(method, "/Many") {
			return rpc.Unknown(nil, ss)
		}
		var in rpc.Message
		if err := ss.RecvMsg(&in); err != nil {
			return err
		}
		if err := ss.RecvMsg(&rpc.Message{}); !errors.Is(err, io.EOF) {
			return fault.Wrap(err, fault.InvalidRequest, "one message is taken")
		}
		if _, err := e.Enter(ss.Context(), "grpc", ""); err != nil {
			return err
		}
		if bytes.HasSuffix(in.Bytes, []byte("leave")) {
			if err := ss.SendHeader(nil); err != nil {
				return err
			}
			go func() {
				for {
					if err := ss.SendMsg(&rpc.Message{Bytes: make([]byte, 32<<20)}); err != nil {
						left <- err
						return
					}
				}
			}()
			<-end
			return nil
		}
		refusal := fault.New(fault.ValidationError, "no: é").With([]map[string]string{{"field": "a", "reason": "b"}})
		if bytes.HasSuffix(in.Bytes, []byte("fail")) {
			return refusal
		}
		rpc.ExchangeOf(ss.Context()).Tell("octo-position", "e1-7")
		out := rpc.Message{Bytes: bytes.Clone(in.Bytes)}
		if err := ss.SendMsg(&out); err != nil || method != "/x.Texts/Many" {
			return err
		}
		if bytes.HasSuffix(in.Bytes, []byte("fail late")) {
			return refusal
		}
		return ss.SendMsg(&out)
	}
}

// serve returns the address of a port that speaks all protocols.
func serve(t *testing.T) string {
	t.Helper()
	projects := gateway.NewProjects()
	projects.SetLoaded()
	projects.Put(&gateway.Project{ID: "1", Slug: gateway.DefaultProject})
	e := &rpc.Entrance{Identity: names{}, Projects: projects, Rates: access.NewLimiter(), Log: slog.New(slog.DiscardHandler)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	split := web.Split(ln)
	two := rpc.NewServer(e, texts(e))
	one := web.NewServer(web.New(e, newMethods(t), texts(e), []string{"https://page.example"}))
	done := make(chan error, 2)
	go func() { done <- two.Serve(split.HTTP2()) }()
	go func() { done <- one.Serve(split.HTTP1()) }()
	t.Cleanup(func() {
		two.Stop()
		_ = one.Close()
		split.Close()
		for range 2 {
			if err := <-done; err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		}
	})
	return ln.Addr().String()
}

func client(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func request(text, key string) *connect.Request[wrapperspb.StringValue] {
	r := connect.NewRequest(wrapperspb.String(text))
	r.Header().Set("X-Api-Key", key)
	r.Header().Set("X-Request-Id", "r1")
	return r
}

// wantRefusal holds an error to the fault that it was.
func wantRefusal(t *testing.T, err error, code connect.Code, reason string) {
	t.Helper()
	var e *connect.Error
	if !errors.As(err, &e) || e.Code() != code {
		t.Fatalf("%v, want %v", err, code)
	}
	for _, d := range e.Details() {
		if v, err := d.Value(); err == nil {
			if info, ok := v.(*errdetails.ErrorInfo); ok && info.Reason == reason {
				return
			}
		}
	}
	t.Errorf("%v does not say %s: %v", err, reason, e.Details())
}

func TestProtocols(t *testing.T) {
	addr := serve(t)
	for name, options := range map[string][]connect.ClientOption{
		"connect":          nil,
		"connect, JSON":    {connect.WithProtoJSON()},
		"gRPC-Web":         {connect.WithGRPCWeb()},
		"gRPC-Web, JSON":   {connect.WithGRPCWeb(), connect.WithProtoJSON()},
		"gRPC-Web, packed": {connect.WithGRPCWeb(), connect.WithSendGzip()},
	} {
		t.Run(name, func(t *testing.T) {
			one := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](client(t), "http://"+addr+"/x.Texts/One", options...)
			reply, err := one.CallUnary(t.Context(), request("é", "good"))
			if err != nil {
				t.Fatal(err)
			}
			if h := reply.Header(); reply.Msg.Value != "é" || h.Get("X-Request-Id") != "r1" || h.Get("Octo-Position") != "e1-7" {
				t.Errorf("%q %v", reply.Msg.Value, h)
			}
			_, err = one.CallUnary(t.Context(), request("fail", "good"))
			wantRefusal(t, err, connect.CodeInvalidArgument, "VALIDATION_ERROR")
			_, err = one.CallUnary(t.Context(), request("x", "bad"))
			wantRefusal(t, err, connect.CodeUnauthenticated, "UNAUTHORIZED")

			many := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](client(t), "http://"+addr+"/x.Texts/Many", options...)
			for text, want := range map[string]int{"two": 2, "fail": 0, "fail late": 1} {
				s, err := many.CallServerStream(t.Context(), request(text, "good"))
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for s.Receive() {
					if s.Msg().Value != text {
						t.Errorf("%q", s.Msg().Value)
					}
					n++
				}
				if n != want {
					t.Errorf("%s: %d messages", text, n)
				}
				if want == 2 && s.Err() != nil {
					t.Error(s.Err())
				} else if want < 2 {
					wantRefusal(t, s.Err(), connect.CodeInvalidArgument, "VALIDATION_ERROR")
				}
				_ = s.Close()
			}
		})
	}
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	var out wrapperspb.StringValue
	if err := cc.Invoke(metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "good"), "/x.Texts/One", wrapperspb.String("h2"), &out); err != nil || out.Value != "h2" {
		t.Errorf("gRPC on the same port: %q %v", out.Value, err)
	}
}

func TestPlainHTTP(t *testing.T) {
	addr, c := serve(t), client(t)
	for _, x := range []struct {
		request, body, header string
		status                int
		want                  string
	}{
		{"POST /x.Texts/One", `"hi"`, "Content-Type: application/json", 200, `"hi"`},
		{"POST /x.Texts/One", `"hi"`, "Content-Type: application/json; charset=utf-8", 200, `"hi"`},
		{"POST /x.Texts/One", `{"a":`, "Content-Type: application/json", 400, "invalid_argument"},
		{"POST /x.Texts/Two", `"hi"`, "Content-Type: application/json", 501, "unimplemented"},
		{"POST /x.Texts/One", `"` + strings.Repeat("x", rpc.MaxMessage) + `"`, "Content-Type: application/json", 429, "resource_exhausted"},
		{"POST /x.Texts/One", `hi`, "Content-Type: text/plain", 415, ""},
		{"GET /x.Texts/One", ``, "", 405, ""},
		{"GET /", ``, "", 404, "speaks gRPC"},
		{"GET /favicon.ico", ``, "", 404, "speaks gRPC"},
		{"OPTIONS /x.Texts/One", ``, "Origin: https://other.example", 204, ""},
	} {
		method, path, _ := strings.Cut(x.request, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, strings.NewReader(x.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Api-Key", "good")
		if name, value, ok := strings.Cut(x.header, ": "); ok {
			req.Header.Set(name, value)
		}
		if method == "OPTIONS" {
			req.Header.Set("Access-Control-Request-Method", "POST")
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != x.status || !strings.Contains(string(b), x.want) {
			t.Errorf("%s %s: %d %.200s %v", x.request, x.header, res.StatusCode, b, err)
		}
		if res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: a page of another origin may call", x.request)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, "http://"+addr+"/x.Texts/One", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Origin": "https://page.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-api-key,x-grpc-web"} {
		req.Header.Set(name, value)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.Header.Get("Access-Control-Allow-Origin") != "https://page.example" || !strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "x-api-key") {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

// TestSplit: connections that say nothing, little or rubbish hold nothing up and
// end with the port.
func TestSplit(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	split := web.Split(ln)
	dial := func(say string) net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, say); err != nil {
			t.Fatal(err)
		}
		return c
	}
	silent := dial("")
	hesitant := dial("PRI * HT")
	for say, from := range map[string]net.Listener{
		"PRI * HTTP/2.0\r\n": split.HTTP2(), "PRI * HTTP/1.1\r\n": split.HTTP1(), "POST / HTTP/1.1\r\n": split.HTTP1(), "\x00\x01": split.HTTP1(),
	} {
		dial(say)
		c, err := from.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(say))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != say {
			t.Errorf("%q: %q %v", say, got, err)
		}
		_ = c.Close()
	}
	if _, err := io.WriteString(hesitant, "TP/2.0"); err != nil {
		t.Fatal(err)
	}
	if c, err := split.HTTP2().Accept(); err != nil {
		t.Error(err)
	} else {
		_ = c.Close()
	}
	split.Close()
	_ = silent.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := silent.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a silent connection outlives the port: %v", err)
	}
	for _, b := range []net.Listener{split.HTTP1(), split.HTTP2()} {
		if _, err := b.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}

// TestLeavingMessage: a call whose message nobody takes ends, and nothing of it
// goes on.
func TestLeavingMessage(t *testing.T) {
	addr := serve(t)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const body = "\x00\x00\x00\x00\x07\x0a\x05leave"
	if _, err := fmt.Fprintf(c, "POST /x.Texts/Many HTTP/1.1\r\nHost: x\r\nX-Api-Key: good\r\nContent-Type: application/connect+proto\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	end <- struct{}{}
	if err := <-left; err == nil {
		t.Error("it was sent")
	}
}

// TestRoomForBodies: beyond the budget large bodies are refused, small ones are
// not, and the budget comes back.
func TestRoomForBodies(t *testing.T) {
	addr, c := serve(t), client(t)
	post := func(body io.Reader) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/x.Texts/One", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Api-Key", "good")
		req.Header.Set("Content-Type", "application/json")
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	large := `"` + strings.Repeat("x", 100<<10) + `"`
	var stalled []net.Conn
	for range 32 {
		s, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		stalled = append(stalled, s)
		if _, err := fmt.Fprintf(s, "POST /x.Texts/One HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", rpc.MaxMessage); err != nil {
			t.Fatal(err)
		}
		if res, err := http.ReadResponse(bufio.NewReader(s), nil); err != nil || res.StatusCode != http.StatusContinue {
			t.Fatalf("%v %v", res, err)
		}
	}
	if code, b := post(strings.NewReader(large)); code != http.StatusServiceUnavailable || !strings.Contains(b, "too many large requests") {
		t.Errorf("large: %d %.200s", code, b)
	}
	if code, b := post(strings.NewReader(`"x"`)); code != http.StatusOK {
		t.Errorf("small: %d %.200s", code, b)
	}
	for text, want := range map[string]int{large: http.StatusTooManyRequests, `"x"`: http.StatusOK} {
		if code, b := post(io.MultiReader(strings.NewReader(text))); code != want { // in chunks
			t.Errorf("%.10s in chunks: %d %.200s, want %d", text, code, b, want)
		}
	}
	for _, s := range stalled {
		_ = s.Close()
	}
	for late := time.Now().Add(10 * time.Second); ; {
		if code, b := post(strings.NewReader(large)); code == http.StatusOK {
			break
		} else if time.Now().After(late) {
			t.Fatalf("the budget does not come back: %d %.200s", code, b)
		}
	}
}
