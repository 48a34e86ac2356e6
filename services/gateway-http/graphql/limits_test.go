package graphql

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fasthttp/websocket"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/run"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/replies"
)

// TestCostOfEachKind: subscriptions are held to the limit too, before anything
// is subscribed, and the limit is the door's.
func TestCostOfEachKind(t *testing.T) {
	h, g := furnished(t)
	const dear = `subscription { productChanged { data { lines(limit: 1000) { product { lines(limit: 1000) { n } } } } } }`
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		t.Errorf("the mesh was asked for %s.%s", r.Entity, r.Op)
		return nil, io.EOF
	})
	q, _ := json.Marshal(dear)
	if status, _, got := post(t, h, `{"query":`+string(q)+`}`, "Accept: text/event-stream"); status != 400 || !strings.Contains(got, "250000 is the limit") {
		t.Errorf("%d %s", status, got)
	}
	c := dial(t, h, subprotocol)
	if got := exchange(t, c, initMessage); got != `{"type":"connection_ack"}` {
		t.Fatal(got)
	}
	if got := exchange(t, c, `{"type":"subscribe","id":"s","payload":{"query":`+string(q)+`}}`); !strings.HasPrefix(got, `{"type":"error","id":"s"`) || !strings.Contains(got, "250000 is the limit") {
		t.Error(got)
	}
	if n := h.Feed.Len(); n != 0 {
		t.Errorf("%d subscriptions", n)
	}
	g.Limits.Cost = 50
	if got := ask(t, h, `{ products { id } }`, ""); !strings.Contains(got, "50 is the limit") {
		t.Error(got)
	}
	if got := exchange(t, c, `{"type":"subscribe","id":"q","payload":{"query":"{ products { id } }"}}`); !strings.Contains(got, "50 is the limit") {
		t.Error(got)
	}
}

// TestFullBatch: nothing is carried out whose answer has no room.
func TestFullBatch(t *testing.T) {
	h := house(t)
	long := strings.Repeat("x", run.MaxReply/2)
	deleted := 0
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if r.Op == "delete" {
			deleted++
			return &mesh.Reply{Body: []byte(`{"status":"ok","data":true}`)}, nil
		}
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":"` + long + `"}`)}, nil
	})
	const read, write = `{"query":"{ productCount }"}`, `{"query":"mutation { deleteProduct(id: 1) }"}`
	_, _, got := post(t, h, "["+strings.Join([]string{read, write, read, write}, ",")+"]")
	if deleted != 1 || strings.Count(got, `{"data":{"deleteProduct":true}}`) != 1 || !strings.HasSuffix(got, `"extensions":{"code":"PAYLOAD_TOO_LARGE"}}]}]`) {
		t.Errorf("%d are deleted; %d bytes: %.100s … %s", deleted, len(got), got, got[len(got)-200:])
	}
}

// TestTooManyRepresentations: there is a bound to them, whatever they cost.
func TestTooManyRepresentations(t *testing.T) {
	h := house(t)
	r := `[` + strings.Repeat(`{"__typename":"Product","id":"1"},`, 10_000) + `{"__typename":"Product","id":"1"}]`
	if got := ask(t, h, `query($r: [_Any!]!) { _entities(representations: $r) { __typename } }`, `{"r":`+r+`}`); !strings.Contains(got, "10000 is the limit") {
		t.Error(got)
	}
}

// TestManyViews: projects that come in turns do not drive each other's schemas
// out, and what is kept is weighed with its plans.
func TestManyViews(t *testing.T) {
	h, g := furnished(t)
	who, _, err := h.Identity.Principal(t.Context(), access.Credential{Key: scripted.Key})
	if err != nil {
		t.Fatal(err)
	}
	const projects = 70
	round := func() (made []*view) {
		for i := range projects {
			slug := fmt.Sprintf("p%d", i)
			if h.Door.Projects.Get(slug) == nil {
				if err := h.Door.Projects.Apply(slug, []byte(`{"id":"id-`+slug+`","slug":"`+slug+`","version":"v","schemas":[{"name":"A","collection":"a","fields":{"x":"string"}}]}`), false); err != nil {
					t.Fatal(err)
				}
			}
			v, err := g.viewOf(h.Door.Projects.Get(slug), who)
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, v)
		}
		return made
	}
	first, again := round(), round()
	kept := 0
	for i := range first {
		if first[i] == again[i] {
			kept++
		}
	}
	if kept < projects {
		t.Errorf("%d of %d views are kept", kept, projects)
	}
	c := &caller{view: first[0]}
	light := g.views.held()
	for i := range 2000 {
		if _, problems := g.compile(c, fmt.Sprintf("query q%d { %s }", i, many("a%d: aCount ", 20)), ""); problems != nil {
			t.Fatal(problems)
		}
	}
	if held := first[0].plans.held(); held > 2*planBytes || held < planBytes || g.views.held() < light+held-planBytes {
		t.Errorf("plans weigh %d, the views %d before and %d after", held, light, g.views.held())
	}
}

// TestKnownTexts: a hash that comes with its text stores it once.
func TestKnownTexts(t *testing.T) {
	g := New(nil, nil)
	op := operation{query: "{__typename}", hash: "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38"}
	if ok, err := g.document(&op); !ok || err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = g.document(&op) }); n != 0 {
		t.Errorf("%v allocations for a text that is known", n)
	}
	op.query = "{ __typename }"
	if _, err := g.document(&op); err == nil {
		t.Error("a known hash takes another text")
	}
}

// parts is a reply in parts, made as they are asked for. last is closed when the
// last one is asked for, which then waits.
type parts struct {
	n    int // of 1 MB, the first and the last of which close the reply's object
	sent *atomic.Int64
	wait <-chan struct{}
	last chan<- struct{}
	at   int
}

func (p *parts) Next(ctx context.Context) ([]byte, error) {
	const head, tail = `{"status":"ok","data":[{"id":"1","note":"`, `"}]}`
	if p.at == p.n {
		return nil, io.EOF
	}
	b := bytes.Repeat([]byte{'x'}, 1<<20)
	if p.at == 0 {
		copy(b, head)
	}
	if p.at++; p.at == p.n {
		copy(b[len(b)-len(tail):], tail)
		if p.wait != nil {
			close(p.last)
			select {
			case <-p.wait:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	if p.sent != nil {
		p.sent.Add(int64(len(b)))
	}
	return b, nil
}

func (p *parts) Close() error { return nil }

// TestRepliesAreBounded: what all root fields, all relations and all documents of
// a request fetch has one bound, and who passes it says so.
func TestRepliesAreBounded(t *testing.T) {
	h := house(t)
	var sent atomic.Int64
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if r.Op == "count" {
			return &mesh.Reply{Body: []byte(`{"status":"ok","data":7}`)}, nil
		}
		return &mesh.Reply{Chunks: &parts{n: 20, sent: &sent}}, nil
	})
	for what, query := range map[string]string{
		"root fields": `{"query":"{ n: productCount ` + many("f%d: products { id } ", 19) + `}"}`,
		"relations":   `{"query":"{ n: productCount ` + many("f%d: products { lines(limit: 1) { n } } ", 6) + `}"}`,
		"documents":   `[{"query":"{ n: productCount }"},` + strings.TrimSuffix(many(`{"query":"{ f%d: products { id } }"},`, 9), ",") + `]`,
	} {
		sent.Store(0)
		_, _, got := post(t, h, query)
		if n := sent.Load(); n > 4*replies.Limit+20<<20 { // one part more from each
			t.Errorf("%s: %d bytes are fetched", what, n)
		}
		if !strings.Contains(got, `"PAYLOAD_TOO_LARGE"`) || !strings.Contains(got, `over 64 MB together`) || !strings.Contains(got, `"n":7`) {
			t.Errorf("%s: %.300s", what, got)
		}
	}
}

// TestOperationsOfASocketShare: what goes on side by side on a connection has one
// bound, and what is over gives its part back.
func TestOperationsOfASocketShare(t *testing.T) {
	h := house(t)
	wait, held := make(chan struct{}), make(chan struct{})
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if r.Entity == "Maker" {
			return &mesh.Reply{Chunks: &parts{n: 40, wait: wait, last: held}}, nil
		}
		return &mesh.Reply{Chunks: &parts{n: 30}}, nil
	})
	c := dial(t, h, subprotocol)
	if got := exchange(t, c, initMessage); got != `{"type":"connection_ack"}` {
		t.Fatal(got)
	}
	const second = `{"type":"subscribe","id":"b","payload":{"query":"{ products { id } }"}}`
	if err := c.WriteMessage(websocket.TextMessage, []byte(`{"type":"subscribe","id":"a","payload":{"query":"{ makers { id } }"}}`)); err != nil {
		t.Fatal(err)
	}
	<-held
	if got := exchange(t, c, second); !strings.Contains(got, `"PAYLOAD_TOO_LARGE"`) {
		t.Error(got)
	}
	_ = exchange(t, c) // complete
	close(wait)
	if got := exchange(t, c); got != `{"type":"next","id":"a","payload":{"data":{"makers":[{"id":"1"}]}}}` {
		t.Error(got)
	}
	_ = exchange(t, c)
	if got := exchange(t, c, second); got != `{"type":"next","id":"b","payload":{"data":{"products":[{"id":"1"}]}}}` {
		t.Error(got)
	}
}
