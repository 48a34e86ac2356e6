package wire_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
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

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/transporttest"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// socket is a WebSocket client by hand, from RFC 6455.
type socket struct {
	conn net.Conn
	in   *bufio.Reader
	wire *record
}

func dialSocket(t *testing.T, addr, target string, wire *record) *socket {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	key := base64.StdEncoding.EncodeToString(nonce)
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: octomesh\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nX-API-Key: %s\r\n\r\n", target, key, scripted.Key)
	s := &socket{conn, bufio.NewReader(conn), wire}
	res, err := http.ReadResponse(s.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) ||
		!strings.EqualFold(res.Header.Get("Upgrade"), "websocket") || !strings.EqualFold(res.Header.Get("Connection"), "upgrade") {
		t.Fatalf("the handshake was answered with %s %v", res.Status, res.Header)
	}
	return s
}

// send writes one masked frame (section 5.2).
func (s *socket) send(op byte, payload []byte) error {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	s.wire.add(fmt.Sprintf("> %s\n", payload))
	_, err := s.conn.Write(b)
	return err
}

// receive reads the next message that is no ping. A frame must be whole,
// unmasked and as short as its length allows.
func (s *socket) receive() (string, error) {
	for {
		var h [2]byte
		if _, err := io.ReadFull(s.in, h[:]); err != nil {
			return "", err
		}
		n, least := uint64(h[1]&0x7f), uint64(0)
		var err error
		switch n {
		case 126:
			n, err = s.length(2)
			least = 126
		case 127:
			n, err = s.length(8)
			least = 1 << 16
		}
		switch {
		case err != nil:
			return "", err
		case h[0]&0xf0 != 0x80, h[1]&0x80 != 0, n < least:
			return "", fmt.Errorf("a frame begins with % x", h)
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(s.in, b); err != nil {
			return "", err
		}
		switch op := h[0] & 0x0f; op {
		case 1:
			s.wire.add(fmt.Sprintf("< %s\n", b))
			return string(b), nil
		case 8:
			return "", fmt.Errorf("closed with %d %s", binary.BigEndian.Uint16(b), b[2:])
		case 9:
			if err := s.send(10, b); err != nil {
				return "", err
			}
		default:
			return "", fmt.Errorf("a frame of opcode %d", op)
		}
	}
}

func (s *socket) length(size int) (uint64, error) {
	var b [8]byte
	_, err := io.ReadFull(s.in, b[8-size:])
	return binary.BigEndian.Uint64(b[:]), err
}

// TestWS puts frames written by hand through the suite.
func TestWS(t *testing.T) {
	wire := &record{}
	transporttest.Run(t, transporttest.Harness{
		Name: "ws", Wire: wire.take,
		Serve: func(t *testing.T, behind mesh.Caller) mesh.Caller {
			s := dialSocket(t, house(t, "ws", behind).Addr, "/ws?events=0", wire)
			if hello, err := s.receive(); err != nil || !strings.HasPrefix(hello, `{"type":"connected","entities":["Product","Maker"],`) {
				t.Fatalf("the greeting is %s, %v", hello, err)
			}
			return &wsClient{s: s}
		},
	})
}

type wsClient struct {
	s *socket
	n int
}

func (c *wsClient) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	c.n++
	id := strconv.Itoa(c.n)
	m := fmt.Sprintf(`{"op":%q,"entity":%q,"reqId":%q`, r.Op, r.Entity, id)
	if r.Project != "default" {
		m += fmt.Sprintf(`,"project":%q`, r.Project)
	}
	if r.RequestID != "" {
		m += fmt.Sprintf(`,"requestId":%q`, r.RequestID)
	}
	if r.IdempotencyKey != "" {
		m += fmt.Sprintf(`,"idempotencyKey":%q`, r.IdempotencyKey)
	}
	if rest := strings.TrimPrefix(string(r.Args), "{"); rest != "}" {
		m += "," + rest
	} else {
		m += "}"
	}
	if err := c.s.send(1, []byte(m)); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.s.conn.SetReadDeadline(time.Now()) })
	defer stop()
	if r.Op == "stream" {
		return c.stream(id, r.RequestID)
	}
	got, err := c.s.receive()
	if err != nil {
		return nil, err
	}
	return response(id, r.RequestID, got)
}

// response takes what stands before the status off a reply: what is left is the
// REST body.
func response(id, requestID, message string) (*mesh.Reply, error) {
	rest, ok := strings.CutPrefix(message, `{"type":"response","reqId":"`+id+`","requestId":"`+requestID+`",`)
	if !ok {
		return nil, fmt.Errorf("no reply to %s: %s", id, message)
	}
	rest, replayed := strings.CutPrefix(rest, `"replayed":true,`)
	var seconds int
	if wait, ok := strings.CutPrefix(rest, `"retryAfter":`); ok {
		text, after, _ := strings.Cut(wait, ",")
		var err error
		if seconds, err = strconv.Atoi(text); err != nil {
			return nil, err
		}
		rest = after
	}
	body := []byte("{" + rest)
	var b struct {
		Status   string
		Data     json.RawMessage
		Metadata struct{ Position string }
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, err
	}
	if b.Status != "ok" {
		err := refusal(nil, body)
		var e *fault.Error
		if errors.As(err, &e) {
			err = e.After(time.Duration(seconds) * time.Second)
		}
		return nil, err
	}
	reply := &mesh.Reply{Body: body, Replayed: replayed}
	var record struct {
		Version int64 `json:"_version"`
	}
	if json.Unmarshal(b.Data, &record) == nil {
		reply.Version = record.Version
	}
	if b.Metadata.Position == "" {
		return reply, nil
	}
	var err error
	reply.Position, err = mesh.ParsePosition(b.Metadata.Position)
	return reply, err
}

// stream waits for the first message: a refusal is the reply itself.
func (c *wsClient) stream(id, requestID string) (*mesh.Reply, error) {
	chunks := &wsChunks{c: c, id: id, requestID: requestID}
	if err := chunks.read(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return &mesh.Reply{Chunks: chunks}, nil
}

type wsChunks struct {
	c             *wsClient
	id, requestID string
	next          []byte
	end           error
}

func (w *wsChunks) read() error {
	got, err := w.c.s.receive()
	if err != nil {
		w.end = err
		return err
	}
	w.next = nil
	if list, ok := strings.CutPrefix(got, `{"type":"chunk","reqId":"`+w.id+`","data":`); ok {
		var lines []json.RawMessage
		w.end = json.Unmarshal([]byte(strings.TrimSuffix(list, "}")), &lines)
		for _, line := range lines {
			w.next = append(append(w.next, line...), '\n')
		}
		return w.end
	}
	if _, w.end = response(w.id, w.requestID, got); w.end == nil {
		w.end = io.EOF
	}
	return w.end
}

func (w *wsChunks) Next(context.Context) ([]byte, error) {
	if w.end != nil {
		return nil, w.end
	}
	b := w.next
	_ = w.read()
	return b, nil
}

func (w *wsChunks) Close() error { return nil }

// publish puts an event of the suite into the scripted feed.
func publish(t *testing.T, h *scripted.House) func(transporttest.Event) {
	return func(e transporttest.Event) {
		p, err := mesh.ParsePosition(e.Position)
		if err != nil {
			t.Fatal(err)
		}
		ev := event.Event{Type: e.Verb, Entity: e.Entity, ID: e.ID, Position: p}
		if e.Verb != event.Gap {
			ev.JSON = []byte(e.JSON)
		}
		h.Feed.Publish(ev, 1000)
	}
}

// TestWSEvents reads a subscription's events.
func TestWSEvents(t *testing.T) {
	wire := &record{}
	h := house(t, "ws", nil)
	s := dialSocket(t, h.Addr, "/ws?events=0", wire)
	if _, err := s.receive(); err != nil {
		t.Fatal(err)
	}
	if err := s.send(1, []byte(`{"type":"subscribe","reqId":"r","entity":"Product","filter":{"price":{"$gt":1}},"position":"e-7"}`)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.receive(); err != nil || got != `{"type":"subscribed","reqId":"r","sub":"1","position":"e-7"}` {
		t.Fatalf("subscribe was answered with %s, %v", got, err)
	}
	if sub := h.Feed.LastSub(); strings.Join(sub.Entities, ",") != "Product" || string(sub.Filter) != `{"price":{"$gt":1}}` || sub.From.String() != "e-7" || sub.Transport != "ws" {
		t.Errorf("subscribed to %+v", sub)
	}
	wire.take()
	transporttest.RunLive(t, transporttest.Live{
		Name: "ws-events", Publish: publish(t, h), Wire: wire.take,
		Next: func(ctx context.Context) (transporttest.Event, error) {
			stop := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Now()) })
			defer stop()
			got, err := s.receive()
			if err != nil {
				return transporttest.Event{}, err
			}
			rest, ok := strings.CutPrefix(got, `{"sub":"1",`)
			if !ok {
				return transporttest.Event{}, fmt.Errorf("no event of the subscription: %s", got)
			}
			var e struct{ Type, Event, Entity, ID, Position string }
			if err := json.Unmarshal([]byte(got), &e); err != nil {
				return transporttest.Event{}, err
			}
			if e.Type == "gap" {
				return transporttest.Event{Verb: "gap", Position: e.Position}, nil
			}
			return transporttest.Event{Verb: strings.TrimPrefix(e.Event, "entity."), Entity: e.Entity, ID: e.ID, JSON: "{" + rest, Position: e.Position}, nil
		},
	})
}
