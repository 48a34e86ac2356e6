package transporttest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Event is a live event as it goes into a transport and as it must come out.
type Event struct {
	Verb     string // created, updated, deleted, upserted, or gap
	Entity   string
	ID       string
	JSON     string // the whole event object; "" for a gap
	Position string
}

// Live is a transport of live events under test, with one subscriber.
type Live struct {
	// Name names the wire file, testdata/<Name>.wire.
	Name string
	// Publish puts an event into the feed behind the transport.
	Publish func(Event)
	// Next waits for what reaches the subscriber next. Of a gap it gives Verb
	// and Position; Entity and ID are not on every wire and may be empty.
	Next func(ctx context.Context) (Event, error)
	// Wire returns what the subscriber received since the last call.
	Wire func() string
}

const eventStart = `{"type":"event","event":"entity.`

// liveCases are one of each kind, and what is easily lost on a wire.
var liveCases = []struct {
	name  string
	event Event
}{
	{"created", Event{"created", "Product", "1", eventStart + `created","project":"default","entity":"Product","id":"1","data":{"id":"1","_version":1,"title":"Chair","note":null},"position":"e-8","at":"2026-01-02T03:04:05.006Z"}`, "e-8"}},
	{"updated", Event{"updated", "Product", "1", eventStart + `updated","project":"default","entity":"Product","id":"1","data":{"id":"1","_version":2,"title":null},"changed":["title"],"position":"e-9","at":"2026-01-02T03:04:05.006Z"}`, "e-9"}},
	{"upserted", Event{"upserted", "Maker", "m", eventStart + `upserted","project":"default","entity":"Maker","id":"m","data":{"id":"m"},"changed":[],"inserted":true,"position":"e-10","at":"2026-01-02T03:04:05.006Z"}`, "e-10"}},
	{"deleted", Event{"deleted", "Product", "1", eventStart + `deleted","project":"default","entity":"Product","id":"1","data":{"id":"1","_version":3},"position":"e-11","at":"2026-01-02T03:04:05.006Z"}`, "e-11"}},
	{"leave shows the id alone", Event{"updated", "Product", "2", eventStart + `updated","project":"default","entity":"Product","id":"2","match":"leave","position":"e-12","at":"2026-01-02T03:04:05.006Z"}`, "e-12"}},
	{"truncated", Event{"updated", "Product", "3", eventStart + `updated","project":"default","entity":"Product","id":"3","truncated":true,"changed":["meta"],"position":"e-13","at":"2026-01-02T03:04:05.006Z"}`, "e-13"}},
	{"unicode and line ends", Event{"created", "Product", "é", eventStart + `created","project":"default","entity":"Product","id":"é","data":{"title":"é 😀 \n\r \u2028 ` + "\u2028" + ` \"<b>&"},"position":"e-14","at":"2026-01-02T03:04:05.006Z"}`, "e-14"}},
	{"a gap", Event{"gap", "", "", "", "e-90"}},
	{"after the gap", Event{"created", "Product", "4", eventStart + `created","project":"default","entity":"Product","id":"4","position":"e-91","at":"2026-01-02T03:04:05.006Z"}`, "e-91"}},
	{"longer than two bytes of length", Event{"created", "Product", "5", eventStart + `created","project":"default","entity":"Product","id":"5","data":{"title":"` + strings.Repeat("x", 70_000) + `"},"position":"e-92","at":"2026-01-02T03:04:05.006Z"}`, "e-92"}},
}

// RunLive puts the transport through every kind of event, and then through a
// burst, of which none may be missing, doubled or out of order.
func RunLive(t *testing.T, l Live) {
	wire := &strings.Builder{}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	arrives := func(name string, want Event) {
		t.Helper()
		got, err := l.Next(ctx)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Verb != want.Verb || got.Position != want.Position || got.JSON != want.JSON && want.Verb != "gap" {
			t.Errorf("%s\n got  %s %s %s\n sent %s %s %s", name, got.Verb, got.Position, got.JSON, want.Verb, want.Position, want.JSON)
		}
	}
	for _, c := range liveCases {
		l.Publish(c.event)
		arrives(c.name, c.event)
		fmt.Fprintf(wire, "### %s\n%s\n\n", c.name, normal(strings.ReplaceAll(l.Wire(), strings.Repeat("x", 70_000), "<70000 x>")))
	}
	burst := make([]Event, 200)
	for i := range burst {
		p := fmt.Sprintf("e-%d", 100+i)
		burst[i] = Event{"created", "Product", "b", fmt.Sprintf(`%screated","project":"default","entity":"Product","id":"b","position":%q}`, eventStart, p), p}
		l.Publish(burst[i])
	}
	for _, e := range burst {
		arrives("burst", e)
	}
	l.Wire()
	if !t.Failed() {
		compare(t, l.Name, wire.String())
		fmt.Printf("figure: {\"transport\":%q,\"events\":%d,\"burst\":%d}\n", l.Name, len(liveCases), len(burst))
	}
}
