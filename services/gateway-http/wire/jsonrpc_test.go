package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/transporttest"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// post sends a JSON body by hand and reads the head of the reply. What follows
// is read from the response's body, and conn is for the caller to close.
func post(ctx context.Context, wire *record, addr, target string, r *mesh.Request, head, body string) (*http.Response, net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	if r.Project != "default" {
		target = "/" + r.Project + target
	}
	request := "POST " + target + " HTTP/1.1\r\nHost: octomesh\r\nX-API-Key: " + scripted.Key + "\r\nX-Request-Id: " + r.RequestID + "\r\n" + head
	if r.IdempotencyKey != "" {
		request += "Idempotency-Key: " + r.IdempotencyKey + "\r\n"
	}
	request += "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	wire.add("> " + request + "\n")
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, nil, err
	}
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, writer(func(b []byte) { wire.add(string(b)) }))), nil)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return res, conn, nil
}

// TestJSONRPC puts request objects written by hand through the suite.
func TestJSONRPC(t *testing.T) {
	wire := &record{}
	transporttest.Run(t, transporttest.Harness{Name: "jsonrpc", Wire: wire.take, Serve: func(t *testing.T, behind mesh.Caller) mesh.Caller {
		return &rpcClient{addr: house(t, "jsonrpc", behind).Addr, wire: wire}
	}})
}

type rpcClient struct {
	addr string
	wire *record
	n    int
}

func (c *rpcClient) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	c.n++
	ask := fmt.Sprintf(`{"jsonrpc":"2.0","method":"%s.%s","params":%s,"id":%d}`, r.Entity, r.Op, r.Args, c.n)
	res, conn, err := post(ctx, c.wire, c.addr, "/rpc", r, "", ask)
	if err != nil {
		return nil, err
	}
	start := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{`, c.n)
	if len(res.TransferEncoding) > 0 {
		return arrayReply(res, conn, start+`"data":[`, "]}}")
	}
	defer conn.Close()
	body, err := io.ReadAll(res.Body)
	c.wire.add("\n")
	if err != nil || res.StatusCode != 200 {
		return nil, fmt.Errorf("status %d: %s (%w)", res.StatusCode, body, err)
	}
	inner, ok := bytes.CutPrefix(body, []byte(start))
	if !ok {
		return nil, c.refusal(body)
	}
	reply, err := answer(res.Header, append([]byte(`{"status":"ok",`), bytes.TrimSuffix(inner, []byte{'}'})...))
	if err == nil {
		versioned(reply)
	}
	return reply, err
}

// versioned reads the version off a reply that is one record.
func versioned(reply *mesh.Reply) {
	var b struct {
		Data struct {
			Version int64 `json:"_version"`
		}
	}
	if json.Unmarshal(reply.Body, &b) == nil {
		reply.Version = b.Data.Version
	}
}

// refusal reads an error object, whose number must be the table's.
func (c *rpcClient) refusal(body []byte) error {
	var b struct {
		Version string `json:"jsonrpc"`
		ID      int
		Error   struct {
			Code    int
			Message string
			Data    struct {
				Code, Message, RequestID string
				Details                  any
				RetryAfter               int
			}
		}
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return err
	}
	d := b.Error.Data
	e := &fault.Error{Code: fault.Code(d.Code), Message: d.Message, Details: d.Details, RetryAfter: time.Duration(d.RetryAfter) * time.Second}
	if b.Version != "2.0" || b.ID != c.n || b.Error.Message != d.Message || b.Error.Code != e.Code.Image().JSONRPC || d.RequestID == "" {
		return fmt.Errorf("no error response: %s", body)
	}
	return e
}

// arrayReply reads a chunked reply that is an array between start and end, and
// makes lines of its elements again.
func arrayReply(res *http.Response, conn net.Conn, start, end string) (*mesh.Reply, error) {
	head := make([]byte, len(start))
	if _, err := io.ReadFull(res.Body, head); err != nil || string(head) != start {
		conn.Close()
		return nil, fmt.Errorf("the reply begins with %s, not %s (%w)", head, start, err)
	}
	return &mesh.Reply{Chunks: &arrayChunks{in: bufio.NewReader(res.Body), conn: conn, end: end}}, nil
}

type arrayChunks struct {
	in   *bufio.Reader
	conn net.Conn
	end  string
}

// Next reads up to the end of an object; no text of the suite has a brace in it.
func (c *arrayChunks) Next(context.Context) ([]byte, error) {
	line, err := c.in.ReadString('}')
	switch {
	case err != nil:
		return nil, io.ErrUnexpectedEOF
	case line == c.end[:2]:
		rest, err := io.ReadAll(c.in)
		if err != nil || string(rest) != c.end[2:] {
			return nil, fmt.Errorf("ended by %q, %w", rest, errors.Join(err, io.ErrUnexpectedEOF))
		}
		return nil, io.EOF
	}
	return []byte(strings.TrimPrefix(line, ",") + "\n"), nil
}

func (c *arrayChunks) Close() error { return c.conn.Close() }
