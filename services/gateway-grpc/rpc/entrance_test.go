package rpc_test

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names knows one credential in each form.
type names struct{}

func (names) Principal(_ context.Context, c access.Credential) (*mesh.Principal, string, error) {
	if c.RemoteAddr != "127.0.0.1" {
		return nil, "", fault.New(fault.Internal, "from %q", c.RemoteAddr)
	}
	if c.Key == "good" || c.Bearer == "good" || c.User == "u" && c.Password == "p:w" {
		return &mesh.Principal{ID: "k:1", Kind: mesh.Key}, "token", nil
	}
	if c.Key == "slow" {
		return &mesh.Principal{ID: "k:2", Kind: mesh.Key, Rate: mesh.Rate{Calls: 1, Seconds: 3600, Burst: 1}}, "token", nil
	}
	return nil, "", fault.New(fault.Unauthorized, "who is that?")
}

// serve starts a server all of whose calls handle gets, and returns a
// connection to it.
func serve(t *testing.T, handle func(e *rpc.Entrance, ss grpc.ServerStream) error, with ...func(*rpc.Entrance)) *grpc.ClientConn {
	t.Helper()
	projects := gateway.NewProjects()
	projects.SetLoaded()
	for _, slug := range []string{gateway.DefaultProject, "shop"} {
		projects.Put(&gateway.Project{ID: slug, Slug: slug, Version: "v1"})
	}
	e := &rpc.Entrance{Identity: names{}, Projects: projects, Rates: access.NewLimiter(), Log: slog.New(slog.DiscardHandler)}
	for _, f := range with {
		f(e)
	}
	server := rpc.NewServer(e, func(_ any, ss grpc.ServerStream) error { return handle(e, ss) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	cc, err := grpc.NewClient(ln.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cc.Close()
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return cc
}

// ask makes a call with metadata "name: value" and a text as its message.
func ask(t *testing.T, cc *grpc.ClientConn, text string, opts []grpc.CallOption, headers ...string) (string, metadata.MD, error) {
	t.Helper()
	ctx := t.Context()
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		ctx = metadata.AppendToOutgoingContext(ctx, name, value)
	}
	var header metadata.MD
	var out wrapperspb.StringValue
	err := cc.Invoke(ctx, "/x.Y/Z", wrapperspb.String(text), &out, append(opts, grpc.Header(&header))...)
	return out.Value, header, err
}

func TestEnter(t *testing.T) {
	var got *rpc.Caller
	cc := serve(t, func(e *rpc.Entrance, ss grpc.ServerStream) (err error) {
		var in rpc.Message
		if err := ss.RecvMsg(&in); err != nil {
			return err
		}
		defer in.Free()
		if got, err = e.Enter(ss.Context(), "grpc", ""); err != nil {
			return err
		}
		return ss.SendMsg(&rpc.Message{Bytes: append([]byte(nil), in.Bytes...)})
	})
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, c := range []struct {
		headers []string
		want    string // id of the principal, project, idempotency key, trace; or a code
	}{
		{nil, " default  "},
		{[]string{"x-api-key: good"}, "k:1 default  "},
		{[]string{"x-api-key: good", "x-project: shop", "idempotency-key: once", "traceparent: " + trace}, "k:1 shop once " + trace},
		{[]string{"authorization: Bearer good"}, "k:1 default  "},
		{[]string{"authorization: basic dTpwOnc="}, "k:1 default  "},
		{[]string{"x-api-key: good", "x-api-key: good"}, "k:1 default  "},
		{[]string{"x-api-key: good", "x-api-key: bad"}, "INVALID_REQUEST"},
		{[]string{"x-api-key: bad"}, "UNAUTHORIZED"},
		{[]string{"x-api-key: b ad"}, "AUTH_ERROR"},
		{[]string{"authorization: Digest good"}, "AUTH_ERROR"},
		{[]string{"authorization: Basic %"}, "AUTH_ERROR"},
		{[]string{"x-project: nowhere"}, "UNKNOWN_PROJECT"},
		{[]string{"x-project: a b"}, "UNKNOWN_PROJECT"},
		{[]string{"idempotency-key: " + strings.Repeat("k", 129)}, "INVALID_REQUEST"},
		{[]string{"traceparent: 00-zz"}, " default  "},
	} {
		got = nil
		text, header, err := ask(t, cc, "ping", nil, append(c.headers, "x-request-id: r1")...)
		if err != nil {
			if reason := reason(t, err); reason != c.want {
				t.Errorf("%q: %v, want %s", c.headers, err, c.want)
			}
			continue
		}
		id := ""
		if got.Principal != nil {
			id = got.Principal.ID
		}
		if is := id + " " + got.Project.Slug + " " + got.Header.IdempotencyKey + " " + got.Header.TraceParent; is != c.want || text != "ping" {
			t.Errorf("%q: %q, want %q", c.headers, is, c.want)
		}
		if ids := header["x-request-id"]; len(ids) != 1 || ids[0] != "r1" || got.Header.RequestID != "r1" || got.Header.Transport != "grpc" {
			t.Errorf("%q: %v %+v", c.headers, header, got.Header)
		}
	}
	// The caller's rate.
	for _, want := range []string{"", "RATE_LIMITED"} {
		_, header, err := ask(t, cc, "ping", nil, "x-api-key: slow")
		if reason(t, err) != want || len(header["ratelimit-limit"]) != 1 || len(header["x-request-id"]) != 1 {
			t.Errorf("%v %v, want %s", err, header, want)
		}
	}
	// Compressed, and too large.
	if text, _, err := ask(t, cc, strings.Repeat("ä", 10000), []grpc.CallOption{grpc.UseCompressor(gzip.Name)}); err != nil || len(text) != 20000 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if _, _, err := ask(t, cc, strings.Repeat("x", rpc.MaxMessage), nil); status.Code(err) != codes.ResourceExhausted {
		t.Error(err)
	}
}

// reason is the fault's code in a status, which must be the code's own image.
func reason(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			if info.Domain != rpc.Domain || uint32(status.Code(err)) != fault.Code(info.Reason).Image().GRPC || info.Metadata["request_id"] == "" {
				t.Errorf("%v with %v", err, info)
			}
			return info.Reason
		}
	}
	return "no reason: " + err.Error()
}

func TestStatus(t *testing.T) {
	secret := "pq: secret"
	for _, row := range fault.Table {
		e := fault.New(row.Code, "what \xff went wrong").With([]map[string]string{{"field": "a", "reason": "too old"}}).After(3 * time.Second)
		err := rpc.Status(fault.Wrap(context.Canceled, row.Code, "%s", e.Message).With(e.Details).After(e.RetryAfter), "r1")
		if got := reason(t, err); got != string(row.Code) || strings.Contains(err.Error(), "context") {
			t.Errorf("%s: %v", row.Code, err)
		}
		var violations, retry bool
		for _, d := range status.Convert(err).Details() {
			switch d := d.(type) {
			case *errdetails.BadRequest:
				violations = d.FieldViolations[0].Field == "a" && d.FieldViolations[0].Description == "too old"
			case *errdetails.RetryInfo:
				retry = d.RetryDelay.AsDuration() == 3*time.Second
			}
		}
		if violations == (row.Code == fault.Internal) || !retry { // an INTERNAL one has no details
			t.Errorf("%s: %v", row.Code, status.Convert(err).Details())
		}
	}
	if err := rpc.Status(errorString(secret), "r1"); strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "r1") || status.Code(err) != codes.Internal {
		t.Error(err)
	}
	huge := fault.New(fault.ValidationError, "much").With(strings.Repeat("x", 1<<20))
	if s := status.Convert(rpc.Status(huge, "r1")); len(s.Details()) != 1 || len(s.Proto().String()) > 1000 {
		t.Error("details of a megabyte were sent")
	}
}

// What a status says fits what clients take of trailers, whatever it is.
func TestStatusFits(t *testing.T) {
	var fields []map[string]string
	for range 100 {
		fields = append(fields, map[string]string{"field": "a", "reason": "too old"})
	}
	err := rpc.Status(fault.New(fault.ValidationError, "%s", strings.Repeat("é", 10000)).With(fields).After(time.Second), "r1")
	s := status.Convert(err)
	if size := 3*len(s.Message()) + base64.StdEncoding.EncodedLen(proto.Size(s.Proto())); size > 8<<10 || !utf8.ValidString(s.Message()) {
		t.Errorf("%d bytes, message of %d", size, len(s.Message()))
	}
	if reason(t, err) != "VALIDATION_ERROR" || len(s.Details()) != 2 {
		t.Error(s.Details())
	}
}

type errorString string

func (e errorString) Error() string { return string(e) }

// A panic is the call's alone, and its text is not sent.
func TestPanic(t *testing.T) {
	cc := serve(t, func(*rpc.Entrance, grpc.ServerStream) error { panic("secret") })
	for range 2 {
		if _, _, err := ask(t, cc, "", nil); reason(t, err) != "INTERNAL" || strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	}
}

func TestUnknown(t *testing.T) {
	cc := serve(t, func(_ *rpc.Entrance, ss grpc.ServerStream) error { return rpc.Unknown(nil, ss) })
	if _, _, err := ask(t, cc, "", nil); reason(t, err) != "UNKNOWN_OP" {
		t.Error(err)
	}
}
