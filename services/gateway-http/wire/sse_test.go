package wire_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/transporttest"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// source is an EventSource by hand, from the HTML standard, section 9.2.6.
type source struct {
	in     *bufio.Reader
	wire   *record
	lastID string
}

// message is what an EventSource dispatches.
type message struct{ event, data, id string }

func (s *source) next() (message, error) {
	var m message
	var data []string
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return m, err // what is not ended by an empty line is dropped
		}
		s.wire.add(line)
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if line == "" {
			if data == nil { // no data, no event
				m = message{}
				continue
			}
			m.data, m.id = strings.Join(data, "\n"), s.lastID
			return m, nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			m.event = value
		case "data":
			data = append(data, value)
		case "id":
			if !strings.Contains(value, "\x00") {
				s.lastID = value
			}
		}
	}
}

// TestSSE reads a stream with the standard library's client and the parser
// above.
func TestSSE(t *testing.T) {
	wire := &record{}
	h := house(t, "sse", nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.Addr+`/events?entity=Product,Maker&position=e-3&filter=%7B%22price%22%3A1%7D`, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", scripted.Key)
	req.Header.Set("Last-Event-ID", "e-7") // a browser repeats the URL as it was
	res, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %s %v", res.Status, res.Header)
	}
	if sub := h.Feed.LastSub(); strings.Join(sub.Entities, ",") != "Product,Maker" || string(sub.Filter) != `{"price":1}` || sub.From.String() != "e-7" || sub.Transport != "sse" {
		t.Errorf("subscribed to %+v", sub)
	}
	s := &source{in: bufio.NewReader(res.Body), wire: wire}
	hello, err := s.next()
	if err != nil || hello.event != "connected" || hello.id != "e-7" || !strings.HasPrefix(hello.data, `{"entities":["Product","Maker"],"connectedAt":"`) {
		t.Fatalf("the greeting is %+v, %v", hello, err)
	}
	if greeting := wire.take(); !strings.HasPrefix(greeting, "retry: 1000\n:ok\n\nid: e-7\n") {
		t.Errorf("the stream begins with %q", greeting)
	}
	transporttest.RunLive(t, transporttest.Live{
		Name: "sse", Publish: publish(t, h), Wire: wire.take,
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
			case m.id != e.Position:
				return transporttest.Event{}, fmt.Errorf("the id is %s, the position %s", m.id, e.Position)
			case e.Type == "gap":
				return transporttest.Event{Verb: m.event, Position: m.id}, nil
			case m.event != e.Event:
				return transporttest.Event{}, fmt.Errorf("the event is named %s, its data says %s", m.event, e.Event)
			}
			return transporttest.Event{Verb: strings.TrimPrefix(m.event, "entity."), Entity: e.Entity, ID: e.ID, JSON: m.data, Position: m.id}, nil
		},
	})
}
