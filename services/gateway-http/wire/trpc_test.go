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
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/transporttest"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// TestTRPC puts requests as tRPC's links send them through the suite: alone, in
// a batch, and in a batch answered in lines. Only the first two are recorded.
func TestTRPC(t *testing.T) {
	for _, form := range []string{"trpc", "trpc-batch", "trpc-lines"} {
		t.Run(form, func(t *testing.T) {
			wire := &record{}
			h := transporttest.Harness{Name: form, Serve: func(t *testing.T, behind mesh.Caller) mesh.Caller {
				return &trpcClient{addr: house(t, "trpc", behind).Addr, wire: wire, form: form}
			}}
			if form != "trpc-lines" {
				h.Wire = wire.take
			}
			if form != "trpc" {
				h.Lacks = map[string]string{"replayed": "a header speaks of one call"}
				const why = "a batch has its replies whole"
				h.Skip = map[string]string{"a stream": why, "a stream of nothing": why, "a stream that is refused": why, "a stream that breaks": why}
			}
			transporttest.Run(t, h)
		})
	}
}

type trpcClient struct {
	addr, form string
	wire       *record
}

// reads are the operations that tRPC's clients call by GET.
var reads = map[string]bool{"findAll": true, "findOne": true, "findById": true, "count": true, "search": true, "aggregate": true, "stream": true}

func (c *trpcClient) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	name, input, head := r.Entity+"."+r.Op, string(r.Args), ""
	q := url.Values{}
	if c.form != "trpc" {
		q.Set("batch", "1")
		input = `{"0":` + strings.TrimSuffix(input, "}")
		if r.IdempotencyKey != "" { // a header would get an ending for each call
			if !strings.HasSuffix(input, "{") {
				input += ","
			}
			input += `"idempotencyKey":"` + r.IdempotencyKey + `"`
		}
		input += "}}"
	}
	if c.form == "trpc-lines" {
		head = "trpc-accept: application/jsonl\r\n"
	}
	res, conn, err := c.send(ctx, r, name, input, q, head)
	if err != nil {
		return nil, err
	}
	const start = `{"result":{"data":`
	if r.Op == "stream" && len(res.TransferEncoding) > 0 {
		return arrayReply(res, conn, start+`{"status":"ok","data":[`, "]}}}")
	}
	defer conn.Close()
	body, err := io.ReadAll(res.Body)
	c.wire.add("\n")
	if err != nil {
		return nil, err
	}
	cut := func(from, to string) {
		var begins, ends bool
		body, begins = bytes.CutPrefix(body, []byte(from))
		body, ends = bytes.CutSuffix(body, []byte(to))
		if !begins || !ends {
			err = fmt.Errorf("no batch of one: %s…%s", from, body)
		}
	}
	switch c.form {
	case "trpc-batch":
		cut("[", "]")
	case "trpc-lines":
		cut("{\"0\":[[0],[null,0,0]]}\n[0,0,[[", "]]]\n")
	}
	if err != nil {
		return nil, err
	}
	inner, ok := bytes.CutPrefix(body, []byte(start))
	if !ok {
		return nil, c.refusal(name, res.StatusCode, body)
	}
	reply, err := answer(res.Header, bytes.TrimSuffix(inner, []byte("}}")))
	if err != nil {
		return nil, err
	}
	versioned(reply)
	if c.form != "trpc" {
		var b struct{ Metadata struct{ Position string } }
		if err := json.Unmarshal(reply.Body, &b); err != nil {
			return nil, err
		}
		if b.Metadata.Position != "" {
			reply.Position, err = mesh.ParsePosition(b.Metadata.Position)
		}
	}
	return reply, err
}

func (c *trpcClient) send(ctx context.Context, r *mesh.Request, name, input string, q url.Values, head string) (*http.Response, net.Conn, error) {
	if !reads[r.Op] {
		target := "/trpc/" + name
		if len(q) > 0 {
			target += "?" + q.Encode()
		}
		keyed := *r
		if c.form != "trpc" {
			keyed.IdempotencyKey = ""
		}
		return post(ctx, c.wire, c.addr, target, &keyed, head, input)
	}
	q.Set("input", input)
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return nil, nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	target := "/trpc/" + name + "?" + q.Encode()
	if r.Project != "default" {
		target = "/" + r.Project + target
	}
	request := "GET " + target + " HTTP/1.1\r\nHost: octomesh\r\nX-API-Key: " + scripted.Key + "\r\nX-Request-Id: " + r.RequestID + "\r\n" + head + "\r\n"
	c.wire.add("> " + request + "\n")
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, nil, err
	}
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, writer(func(b []byte) { c.wire.add(string(b)) }))), nil)
	return res, conn, err
}

// refusal reads an error, whose key must be the table's and whose status the
// key's.
func (c *trpcClient) refusal(name string, status int, body []byte) error {
	var b struct {
		Error struct {
			Message string
			Code    int
			Data    struct {
				Code, Path, RequestID string
				HTTPStatus            int
				RetryAfter            int
				Error                 struct {
					Code, Message string
					Details       any
				}
			}
		}
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return errors.Join(err, fmt.Errorf("%s", body))
	}
	d := b.Error.Data
	e := &fault.Error{Code: fault.Code(d.Error.Code), Message: b.Error.Message, Details: d.Error.Details, RetryAfter: time.Duration(d.RetryAfter) * time.Second}
	if c.form == "trpc-lines" {
		status = d.HTTPStatus
	}
	if d.Code != e.Code.Image().TRPC || d.HTTPStatus != status || d.Path != name || d.RequestID == "" || b.Error.Code >= 0 || d.Error.Message != b.Error.Message {
		return fmt.Errorf("no error of tRPC: %d %s", status, body)
	}
	return e
}

// TestTRPCEvents reads a subscription as tRPC's link does.
func TestTRPCEvents(t *testing.T) {
	wire := &record{}
	h := house(t, "trpc", nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q := url.Values{"input": {`{"filter":{"price":1},"position":"e-3","lastEventId":"e-5"}`}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.Addr+"/trpc/Product.events?"+q.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", scripted.Key)
	req.Header.Set("Last-Event-ID", "e-7")
	res, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("got %s %v", res.Status, res.Header)
	}
	if sub := h.Feed.LastSub(); strings.Join(sub.Entities, ",") != "Product" || string(sub.Filter) != `{"price":1}` || sub.From.String() != "e-7" || sub.Transport != "trpc" {
		t.Errorf("subscribed to %+v", sub)
	}
	s := &source{in: bufio.NewReader(res.Body), wire: wire}
	hello, err := s.next()
	if err != nil || hello.event != "connected" || hello.data != `{"reconnectAfterInactivityMs":45000}` {
		t.Fatalf("the greeting is %+v, %v", hello, err)
	}
	wire.take()
	transporttest.RunLive(t, transporttest.Live{
		Name: "trpc-events", Publish: publish(t, h), Wire: wire.take,
		Next: func(ctx context.Context) (transporttest.Event, error) {
			stop := context.AfterFunc(ctx, cancel)
			defer stop()
			m, err := s.next()
			if err != nil {
				return transporttest.Event{}, err
			}
			var e struct{ Type, Event, Entity, ID, Position string }
			if err := json.Unmarshal([]byte(m.data), &e); err != nil {
				return transporttest.Event{}, err
			}
			switch {
			case m.event != "" || m.id != e.Position:
				return transporttest.Event{}, fmt.Errorf("%+v is no message with its position", m)
			case e.Type == "gap":
				return transporttest.Event{Verb: "gap", Position: m.id}, nil
			}
			return transporttest.Event{Verb: strings.TrimPrefix(e.Event, "entity."), Entity: e.Entity, ID: e.ID, JSON: m.data, Position: m.id}, nil
		},
	})
}
