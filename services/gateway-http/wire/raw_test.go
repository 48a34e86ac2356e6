package wire_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// answering answers everything with one record.
var answering = mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
	return &mesh.Reply{Body: []byte(`{"status":"ok","data":{"id":"1","_version":3,"title":null}}`), Version: 3}, nil
})

const record1 = `{"status":"ok","data":{"id":"1","_version":3,"title":null}}`

// TestRawHTTP sends bytes as no library would, and reads every reply off one
// connection where the protocol promises that.
func TestRawHTTP(t *testing.T) {
	h := house(t, "rest", answering)
	key := "X-API-Key: " + scripted.Key + "\r\n"
	const get = "GET /api/v1/products/1 HTTP/1.1\r\nHost: x\r\n"
	for _, c := range []struct {
		name, bytes string
		want        []string // status and body of each reply; "" for any body
	}{
		{"pipelined", get + key + "\r\n" + get + key + "\r\n", []string{"200 " + record1, "200 " + record1}},
		{
			"in pieces of a chunked body", "POST /api/v1/products HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n" + key + "\r\n5\r\n{\"tit\r\n8\r\nle\":\"x\"}\r\n0\r\n\r\n" + get + key + "\r\n",
			[]string{"201 " + record1, "200 " + record1},
		},
		{"names in any case", "GET /api/v1/products/1 HTTP/1.1\r\nhOsT: x\r\nx-api-KEY: " + scripted.Key + "\r\n\r\n", []string{"200 " + record1}},
		{"as a bearer", get + "Authorization: bearer " + scripted.Key + "\r\n\r\n", []string{"200 " + record1}},
		{"HEAD has no body", "HEAD /api/v1/products/1 HTTP/1.1\r\nHost: x\r\n" + key + "\r\n" + get + key + "\r\n", []string{"200 ", "200 " + record1}},
		{"known version", get + key + "If-None-Match: \"3\"\r\n\r\n", []string{"304 "}},
		{"old protocol", "GET /api/v1/products/1 HTTP/1.0\r\n" + key + "\r\n", []string{"200 " + record1}},
		{"two lengths", "POST /api/v1/products HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n" + key + "\r\n{} ", []string{"400 "}},
		{"length and chunks", "POST /api/v1/products HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n" + key + "\r\n0\r\n\r\n", []string{"400 "}},
		{"a folded header is a space", get + "X-Project: sh\r\n op\r\n" + key + "\r\n", []string{"404 "}},
		{"a space before the colon", get + "X-Project : shop\r\n" + key + "\r\n", []string{"400 "}},
		{"no host", "GET /api/v1/products/1 HTTP/1.1\r\n" + key + "\r\n", []string{"400 "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", h.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(conn, c.bytes); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(conn)
			for i, want := range c.want {
				method := map[bool]string{true: http.MethodHead}[i == 0 && strings.HasPrefix(c.bytes, "HEAD")]
				res, err := http.ReadResponse(in, &http.Request{Method: method})
				if err != nil {
					t.Fatalf("reply %d: %v", i, err)
				}
				body, err := io.ReadAll(res.Body)
				if err != nil {
					t.Fatalf("reply %d: %v", i, err)
				}
				if got := fmt.Sprintf("%d %s", res.StatusCode, body); got != want && !(strings.HasSuffix(want, " ") && strings.HasPrefix(got, want)) {
					t.Errorf("reply %d\n got  %s\n want %s", i, got, want)
				}
			}
		})
	}
}

// TestStreamsOverHTTP10 asks for a stream as a client that knows no chunks (RFC
// 9112 section 6.1): it gets the bytes as they are, until the end of the
// connection, which is a reset where the stream broke.
func TestStreamsOverHTTP10(t *testing.T) {
	for _, c := range []struct {
		name, method string
		err          error
		want         string
	}{
		{"whole", "GET", nil, "{\"id\":\"1\"}\n{\"id\":\"2\"}\n"},
		{"broken", "GET", fault.New(fault.Unavailable, "no"), ""},
		{"without a body", "HEAD", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			closed := make(chan struct{})
			h := house(t, "rest", mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
				return &mesh.Reply{Chunks: &scripted.Chunks{Parts: []string{"{\"id\":\"1\"}\n", "{\"id\":\"2\"}\n"}, Err: c.err, Closed: closed}}, nil
			}))
			conn, err := net.Dial("tcp", h.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(conn, c.method+" /api/v1/products/stream HTTP/1.0\r\nConnection: keep-alive\r\nX-API-Key: "+scripted.Key+"\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			all, err := io.ReadAll(conn)
			<-closed
			if c.err != nil {
				if err == nil {
					t.Errorf("it ends as if it were whole: %s", all)
				}
				return
			}
			head, body, _ := strings.Cut(string(all), "\r\n\r\n")
			if err != nil || body != c.want || !strings.HasPrefix(head, "HTTP/1.1 200") {
				t.Errorf("%v\n%s", err, all)
			}
			if strings.Contains(head, "Transfer-Encoding") || !strings.Contains(head, "\r\nConnection: close") || !strings.Contains(head, "\r\nX-Request-Id: ") || !strings.Contains(head, "\r\nX-Content-Type-Options: nosniff") {
				t.Error(head)
			}
		})
	}
}

// madeID is a request id that the gateway made.
var madeID = regexp.MustCompile(`"requestId":"[0-9a-f-]{36}",`)

// TestRawFrames sends frames as no library would (RFC 6455, sections 5.1 to
// 5.6 and 7.4.1).
func TestRawFrames(t *testing.T) {
	h := house(t, "ws", answering)
	for _, c := range []struct{ name, bytes, want string }{
		{"a ping between fragments", "\x01\x82\x00\x00\x00\x00{\"" + "\x89\x82\x00\x00\x00\x00hi" + "\x80\xab\x00\x00\x00\x00" + `op":"findById","entity":"Product","id":"1"}`, "10 hi"},
		{"fragments", "\x01\x82\x00\x00\x00\x00{\"" + "\x80\xab\x00\x00\x00\x00" + `op":"findById","entity":"Product","id":"1"}`, `1 {"type":"response","status":"ok",` + strings.TrimPrefix(record1, `{"status":"ok",`)},
		{"a close is answered", "\x88\x82\x00\x00\x00\x00\x03\xe8", "8 1000"},
		{"no mask", "\x81\x02{}", "8 1002"},
		{"a reserved bit", "\xc1\x82\x00\x00\x00\x00{}", "8 1002"},
		{"a reserved opcode", "\x83\x82\x00\x00\x00\x00{}", "8 1002"},
		{"a fragmented ping", "\x09\x82\x00\x00\x00\x00hi", "8 1002"},
		{"a continuation of nothing", "\x80\x82\x00\x00\x00\x00{}", "8 1002"},
		{"over the limit", "\x81\xff\x00\x00\x00\x00\x7f\x00\x00\x00\x00\x00\x00\x00", "8 1009"},
		{"binary", "\x82\x82\x00\x00\x00\x00{}", "8 1003"},
		{"no JSON", "\x81\x81\x00\x00\x00\x00{", `1 {"type":"response","status":"error","error":{"code":"PARSE_ERROR"`},
		{"no UTF-8", "\x81\x83\x00\x00\x00\x00\"\xff\"", `1 {"type":"response","status":"error","error":{"code":"PARSE_ERROR"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := dialSocket(t, h.Addr, "/ws?events=0", &record{})
			if _, err := s.receive(); err != nil {
				t.Fatal(err)
			}
			_ = s.conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(s.conn, c.bytes); err != nil {
				t.Fatal(err)
			}
			var head [2]byte
			if _, err := io.ReadFull(s.in, head[:]); err != nil {
				t.Fatal(err)
			}
			n := uint64(head[1])
			if n == 126 {
				var err error
				if n, err = s.length(2); err != nil {
					t.Fatal(err)
				}
			}
			b := make([]byte, n)
			if _, err := io.ReadFull(s.in, b); err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%d %s", head[0]&0x0f, madeID.ReplaceAll(b, nil))
			if head[0]&0x0f == 8 && len(b) >= 2 {
				got = fmt.Sprintf("8 %d", binary.BigEndian.Uint16(b))
			}
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
