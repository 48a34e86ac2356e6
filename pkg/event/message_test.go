package event

import (
	"bytes"
	"encoding/json"
	"runtime"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/octomesh/octomesh/pkg/mesh"
)

var sample = mesh.Change{
	Seq: 9, Entity: "A", ID: "a1", Verb: mesh.Updated, Changed: []string{"n"},
	After: []byte(`{"id":"a1","_version":2,"n":1,"note":"{\"[,:"}`), Old: []byte(`{"_version":1,"n":0}`), At: time.UnixMilli(0),
}

func live(c mesh.Change, prev int64) *nats.Msg {
	m := NewMessage("p", "e0", prev, &c, 1<<20)
	m.Header.Set(SequenceHeader, "17")
	return m
}

func TestFromLive(t *testing.T) {
	m, ok := FromLive(live(sample, 7))
	if !ok || m.Project != "p" || m.Entity != "A" || m.ID != "a1" || m.Verb != mesh.Updated || m.Prev != 7 || m.Position != (mesh.Position{Epoch: "e0", Seq: 9}) {
		t.Fatalf("%+v", m)
	}
	if string(m.data) != string(sample.After) || string(m.old) != string(sample.Old) || string(m.changed) != `["n"]` {
		t.Fatalf("spans: %s %s %s", m.data, m.old, m.changed)
	}
	if bytes.Contains(m.whole, []byte(`"op"`)) || !json.Valid(m.whole) {
		t.Fatalf("a subscriber would see %s", m.whole)
	}
}

// Only what the stream has stored is an event: a client can make a service's
// reply arrive on a live subject, with a body of its choice.
func TestForgedLiveMessagesAreRefused(t *testing.T) {
	for name, change := range map[string]func(*nats.Msg){
		"not stored":            func(m *nats.Msg) { m.Header.Del(SequenceHeader) },
		"no id":                 func(m *nats.Msg) { m.Header.Del(IDHeader) },
		"lower-case headers":    func(m *nats.Msg) { m.Header = nats.Header{"nats-sequence": {"1"}, "nats-msg-id": {"p:e0:9"}} },
		"no prev":               func(m *nats.Msg) { m.Header.Del(PrevHeader) },
		"prev not before":       func(m *nats.Msg) { m.Header.Set(PrevHeader, "9") },
		"negative prev":         func(m *nats.Msg) { m.Header.Set(PrevHeader, "-1") },
		"id of another change":  func(m *nats.Msg) { m.Header.Set(IDHeader, "p:e0:10") },
		"id of another project": func(m *nats.Msg) { m.Header.Set(IDHeader, "q:e0:9") },
		"id of no form":         func(m *nats.Msg) { m.Header.Set(IDHeader, "p:e0") },
		"no JSON":               func(m *nats.Msg) { m.Data = []byte("hello") },
		"another object":        func(m *nats.Msg) { m.Data = []byte(`{"status":"ok","data":[]}`) },
		"empty":                 func(m *nats.Msg) { m.Data = nil },
	} {
		m := live(sample, 7)
		change(m)
		if _, ok := FromLive(m); ok {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample.AppendEvent(nil, "p", "e0", 0))
	f.Add(sample.AppendEvent(nil, "p", "e0", 10))
	f.Add([]byte(`{"id":"a","position":"e-1","op":{"a":[1,"]"]},"event":"entity.x","entity":"E"}`))
	f.Add([]byte(`[{"a":1},`))
	f.Fuzz(func(t *testing.T, b []byte) {
		valid := json.Valid(b)
		m, err := Decode(bytes.Clone(b))
		if err != nil || !valid {
			return
		}
		if !json.Valid(m.whole) {
			t.Fatalf("%s became %s", b, m.whole)
		}
		for _, match := range []Match{Unfiltered, Enter, Leave} {
			in := &interest{}
			if e := m.encode(in, match, len(b)+64); !json.Valid(e.JSON) {
				t.Fatalf("%s became %s", b, e.JSON)
			}
		}
	})
}

// BenchmarkDecode takes apart what a relay sends.
func BenchmarkDecode(b *testing.B) {
	text := sample.AppendEvent(nil, "p", "e0", 0)
	scratch := make([]byte, len(text))
	b.ReportAllocs()
	for b.Loop() {
		copy(scratch, text)
		if _, err := Decode(scratch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFanOut is one event for 1,000 streams that one goroutine reads.
func BenchmarkFanOut(b *testing.B) {
	const streams = 1000
	for _, filter := range []string{"", `{"n":1}`} {
		b.Run("filter="+filter, func(b *testing.B) {
			cat := catalog(b)
			f := newFeed(FeedOptions{Catalog: func(string) (*Project, bool) { return &Project{Slug: "p", Catalog: cat}, true }}, newWorld())
			p := newProject(f, "p", cat)
			p.refs, p.last = streams, mesh.Position{Epoch: "e0"}
			g := NewGroup()
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for range streams {
				if _, err := p.join(b.Context(), Subscription{Project: "p", Entities: []string{"A"}, Filter: json.RawMessage(filter), Group: g}, cat); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			var ready []*Stream
			got, seq := 0, int64(0)
			for b.Loop() {
				c := sample
				seq++
				c.Seq = seq
				m, err := Decode(c.AppendEvent(nil, "p", "e0", 0))
				if err != nil {
					b.Fatal(err)
				}
				p.deliver(m)
				<-g.C()
				ready = g.Take(ready[:0])
				for _, s := range ready {
					if e, ok := s.Pop(); ok && len(e.JSON) > 0 {
						got++
					}
				}
			}
			if want := int(seq) * streams; got != want {
				b.Fatalf("%d deliveries, not %d", got, want)
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/streams, "B/stream")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(got), "ns/delivery")
		})
	}
}
