package octomesh

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A native client reads op stream as docs/events.md tells: an inbox, chunks, and
// credit for each of them, with a key that may read one project and no more.
func TestNativeStreamAsDocumented(t *testing.T) {
	s := twoShops(t)
	k := keyFor(t, s, "shop", []string{"read"}, []string{"nats"})
	const records = 40
	label := strings.Repeat("x", 100<<10) // more than the eight chunks that come unasked
	for i := range records {
		if status, body := s.send(t, "POST", "/shop/api/v1/items", fmt.Sprintf(`{"n":%d,"label":%q}`, i, label), "X-API-Key", s.Key); status != 201 {
			t.Fatalf("%d %s", status, body)
		}
	}
	nc := native(t, s, k.Secret)
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest("mostajs.stream.shop.Item.stream", inbox, []byte(`{"sort":"n"}`)); err != nil {
		t.Fatal(err)
	}
	var body []byte
	chunks := 0
	for {
		m, err := sub.NextMsg(10 * time.Second)
		if err != nil {
			t.Fatalf("after %d chunks: %v", chunks, err)
		}
		part := m.Header.Get("Octo-Part")
		switch {
		case m.Header.Get("Nats-Service-Error") != "" || m.Header.Get("Status") != "":
			t.Fatalf("%v %s", m.Header, m.Data)
		case part == "start" && chunks > 0, part == "" && len(m.Data) == 0, part == "" && len(m.Data) > 512<<10:
			t.Fatalf("after %d chunks came %v and %d bytes", chunks, m.Header, len(m.Data))
		case part == "" && m.Reply != "":
			chunks++
			body = append(body, m.Data...)
			if err := nc.Publish(m.Reply, []byte("1")); err != nil {
				t.Fatal(err)
			}
		}
		if part == "end" {
			break
		}
	}
	if m, err := sub.NextMsg(10 * time.Second); err != nil || len(m.Data) > 0 || len(m.Header) > 0 {
		t.Errorf("the last message: %v %v", m, err)
	}
	lines := bytes.Split(bytes.TrimSpace(body), []byte("\n"))
	if len(lines) != records || chunks <= 8 {
		t.Fatalf("%d lines in %d chunks", len(lines), chunks)
	}
	if !bytes.Contains(lines[records-1], []byte(`"n":39`)) {
		t.Errorf("the last line is %.100s", lines[records-1])
	}
}
