package entityrpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway/scripted"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// all reads a stream to its end and writes down what came.
func (s *stream) all() (string, error) {
	var list []string
	for {
		m, err := s.next()
		if errors.Is(err, io.EOF) {
			return strings.Join(list, ";"), nil
		}
		if err != nil {
			return strings.Join(list, ";"), err
		}
		list = append(list, shown(m))
	}
}

// shown is a message as its JSON-like text, without the spaces that vary.
func shown(m proto.Message) string { return strings.ReplaceAll(fmt.Sprint(m), "  ", " ") }

func TestStream(t *testing.T) {
	h := open(t)
	for _, c := range []struct {
		name  string
		parts []string
		body  string
		end   error
		want  string
	}{
		{name: "lines", parts: []string{`{"id":"1"}` + "\n" + `{"id":`, `"2","title":"` + "\xc3", "\xa9" + `"}` + "\n", "", "\n" + `{"id":"3"}` + "\n"}, want: `id:"1";id:"2" title:"é";id:"3"`},
		{name: "cut off", parts: []string{`{"id":"1"}` + "\n", `{"id":"2"}`}, want: `id:"1" INTERNAL`},
		{name: "nothing", parts: nil, want: ``},
		{name: "a body", body: `{"id":"1"}` + "\n", want: `id:"1"`},
		{name: "breaks", parts: []string{`{"id":"1"}` + "\n"}, end: fault.New(fault.DBNotConnected, "gone"), want: `id:"1" DB_NOT_CONNECTED`},
		{name: "another schema", parts: []string{`{"id":1}` + "\n"}, want: ` UNAVAILABLE`},
	} {
		t.Run(c.name, func(t *testing.T) {
			chunks := &scripted.Chunks{Parts: c.parts, Err: c.end, Closed: make(chan struct{})}
			h.mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
				if c.body != "" {
					close(chunks.Closed)
					return &mesh.Reply{Body: []byte(c.body)}, nil
				}
				return &mesh.Reply{Chunks: chunks}, nil
			})
			got, err := h.follow(as(t.Context(), scripted.Key), "ProductService", "Stream", `filter:"{}" sort:"id"`).all()
			if err != nil {
				got += " " + reason(err)
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			<-chunks.Closed
			if last := h.mesh.Last(); last.Op != "stream" || last.Args != `{"filter":{},"sort":"id"}` {
				t.Errorf("%+v", last)
			}
		})
	}
}

// endless is a reply that never ends, and says when it was given up.
type endless struct {
	n      int
	closed chan struct{}
}

func (e *endless) Next(ctx context.Context) ([]byte, error) {
	e.n++
	return []byte(strings.Repeat(`{"id":"1","title":"`+strings.Repeat("x", 1000)+`"}`+"\n", 256)), ctx.Err()
}

func (e *endless) Close() error { close(e.closed); return nil }

// A stream that its client leaves, or does not read, holds a chunk and no more.
func TestAbandonedStream(t *testing.T) {
	h := open(t)
	e := &endless{closed: make(chan struct{})}
	h.mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) { return &mesh.Reply{Chunks: e}, nil })
	ctx, cancel := context.WithCancel(as(t.Context(), scripted.Key))
	s := h.follow(ctx, "ProductService", "Stream", "")
	if _, err := s.next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-e.closed
	if e.n > 10 {
		t.Errorf("%d chunks were taken from the worker for a client that read one record", e.n)
	}
}

func TestExecute(t *testing.T) {
	h := open(t)
	ctx := as(t.Context(), scripted.Key)
	h.mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":[]}`)}, nil
	})
	out, err := h.ask(ctx, "EntityService", "Execute", `op:"transaction" entity:"_project" project:"shop" payload:"{\"operations\":[]}"`)
	check(t, err)
	if got, last := shown(out), h.mesh.Last(); got != `payload:"{\"status\":\"ok\",\"data\":[]}"` || last.Project != "shop" || last.Entity != "_project" || last.Args != `{"operations":[]}` {
		t.Errorf("%s %+v", got, last)
	}
	_, err = h.ask(ctx, "EntityService", "Execute", `op:"count" entity:"products"`)
	if last := h.mesh.Last(); err != nil || last.Entity != "Product" || last.Args != "{}" {
		t.Errorf("%v %+v", err, last)
	}
	_, err = h.ask(as(ctx, "", "octo-min-position", "e-7"), "EntityService", "Execute", `op:"count" entity:"products" payload:"{ }"`)
	if last := h.mesh.Last(); err != nil || last.Args != `{ "minPosition":"e-7"}` {
		t.Errorf("%v %+v", err, last)
	}
	h.mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: &scripted.Chunks{Parts: []string{"ab", "", "c"}}}, nil
	})
	got, err := h.follow(ctx, "EntityService", "ExecuteStream", `op:"export" entity:"_project"`).all()
	if err != nil || got != `payload:"ab";payload:"c"` {
		t.Error(got, err)
	}
}

func published(verb, id, more string, seq int64) event.Event {
	return event.Event{
		Type: verb, Entity: "Product", ID: id, Position: mesh.Position{Epoch: "e", Seq: seq},
		JSON: fmt.Appendf(nil, `{"type":"event","event":"entity.%s","project":"default","entity":"Product","id":%q%s,"position":"e-%d","at":"2026-01-02T03:04:05.006Z"}`, verb, id, more, seq),
	}
}

func (s *stream) want(t *testing.T, want string) {
	t.Helper()
	m, err := s.next()
	if err != nil {
		t.Fatal(err)
	}
	if got := shown(m); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWatch(t *testing.T) {
	h := open(t)
	ctx, cancel := context.WithCancel(as(t.Context(), scripted.Key))
	defer cancel()
	s := h.follow(ctx, "ProductService", "Watch", `filter:"{\"stock\":1}" position:"e-40"`)
	s.want(t, `type:"position" position:"e-40"`)
	if sub := h.feed.LastSub(); strings.Join(sub.Entities, ",") != "Product" || string(sub.Filter) != `{"stock":1}` || sub.From.String() != "e-40" || sub.Transport != "grpc" || sub.Principal.ID != "k:AAAAAAAA" {
		t.Errorf("%+v", sub)
	}
	h.feed.Publish(published("updated", "p1", `,"data":{"id":"p1","stock":1},"changed":["stock","title"],"match":"enter"`, 41), 10)
	h.feed.Publish(published("upserted", "p2", `,"truncated":true,"changed":[],"inserted":true`, 42), 10)
	h.feed.Publish(event.Event{Type: event.Gap, Position: mesh.Position{Epoch: "e", Seq: 50}}, 10)
	const at = `at:"2026-01-02T03:04:05.006Z"`
	s.want(t, `type:"updated" id:"p1" record:{id:"p1" stock:1} changed:"stock" changed:"title" match:"enter" position:"e-41" `+at)
	s.want(t, `type:"upserted" id:"p2" inserted:true position:"e-42" `+at+` truncated:true`)
	s.want(t, `type:"gap" position:"e-50"`)
	// Another schema while it is open.
	check(t, h.projects.Apply("default", []byte(`{"id":"id-default","slug":"default","version":"v2","schemas":[{"name":"Product","collection":"products","fields":{"stock":"string"}}],
		"numbers":{"Product":{"message":"Product","fields":{"id:string":1,"stock:string":99}}}}`), false))
	h.feed.Publish(published("created", "p3", `,"data":{"id":"p3","stock":"s"}`, 51), 10)
	m, err := s.next()
	check(t, err)
	if b := m.Get(m.Descriptor().Fields().ByName("record")).Message().GetUnknown(); string(b) != "\x9a\x06\x01s" {
		t.Errorf("%q", b)
	}
	// One that does not have the entity any more.
	check(t, h.projects.Apply("default", []byte(`{"id":"id-default","slug":"default","version":"v3","schemas":[{"name":"Other","collection":"others","fields":{"stock":"string"}}]}`), false))
	h.feed.Publish(published("created", "p4", ``, 52), 10)
	if _, err := s.next(); reason(err) != "UNKNOWN_ENTITY" {
		t.Error(err)
	}
}

func TestWatchAll(t *testing.T) {
	h := open(t)
	h.feed.Gap = true
	ctx, cancel := context.WithCancel(as(t.Context(), scripted.Key))
	defer cancel()
	s := h.follow(ctx, "EntityService", "Watch", `entities:"Product" entities:"makers" project:"shop"`)
	s.want(t, `type:"gap" position:"e-7"`)
	if sub := h.feed.LastSub(); sub.Project != "shop" || strings.Join(sub.Entities, ",") != "Product,makers" {
		t.Errorf("%+v", sub)
	}
	h.feed.Publish(published("deleted", "p1", `,"data":{"id":"p1"}`, 8), 10)
	s.want(t, `type:"deleted" id:"p1" data:"{\"id\":\"p1\"}" position:"e-8" at:"2026-01-02T03:04:05.006Z" entity:"Product" project:"default"`)
}

// ends waits for the end of a Watch and returns the code and the position.
func (s *stream) ends() string {
	for {
		if _, err := s.next(); err != nil {
			at := ""
			if info := infoOf(err); info != nil {
				at = info.Metadata["details"]
			}
			return reason(err) + " " + at
		}
	}
}

func TestWatchEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*house)
		want string
	}{
		"revoked":  {func(h *house) { h.hub.Revoke("k:AAAAAAAA") }, `UNAUTHORIZED {"position":"e-8"}`},
		"shutdown": {func(h *house) { close(h.stop) }, `UNAVAILABLE {"position":"e-8"}`},
		"slow":     {func(h *house) { h.feed.End(&event.Slow{}) }, `OVERLOADED {"position":"e-8"}`},
		"its feed": {func(h *house) { h.feed.End(fault.New(fault.Forbidden, "no more")) }, `FORBIDDEN {"position":"e-8"}`},
		"what waits": {func(h *house) {
			h.feed.Publish(published("created", "p2", "", 9), 10)
			h.feed.End(fault.New(fault.Unavailable, "x"))
		}, `UNAVAILABLE {"position":"e-9"}`},
		"another type": {func(h *house) { h.feed.Publish(published("created", "p2", `,"data":{"stock":"x"}`, 9), 10) }, `UNAVAILABLE {"position":"e-8"}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			s := h.follow(as(t.Context(), scripted.Key), "ProductService", "Watch", "")
			s.want(t, `type:"position" position:"e-7"`)
			h.feed.Publish(published("created", "p1", "", 8), 10)
			s.want(t, `type:"created" id:"p1" position:"e-8" at:"2026-01-02T03:04:05.006Z"`)
			c.end(h)
			if got := s.ends(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if h.feed.Len() > 0 || h.hub.Len() > 0 {
				t.Error("it is still known")
			}
		})
	}
}

func TestWatchRefused(t *testing.T) {
	h := open(t)
	for text, want := range map[string]string{`position:"x"`: "INVALID_REQUEST", `filter:"{"`: "PARSE_ERROR"} {
		if got := h.follow(as(t.Context(), scripted.Key), "ProductService", "Watch", text).ends(); got != want+" " {
			t.Errorf("%s: %s", text, got)
		}
	}
	for key, want := range map[string]string{"": "UNAUTHORIZED ", "wrong": "UNAUTHORIZED "} {
		if got := h.follow(as(t.Context(), key), "ProductService", "Watch", "").ends(); got != want {
			t.Errorf("%q: %s", key, got)
		}
	}
	if h.hub.Len() != 0 {
		t.Error("a refused Watch is still known")
	}
}

// A client that takes nothing is told so with the position, though its window is
// full; nobody else notices.
func TestWatchSlow(t *testing.T) {
	h := open(t)
	ctx, cancel := context.WithCancel(as(t.Context(), scripted.Key))
	defer cancel()
	s := h.follow(ctx, "ProductService", "Watch", "")
	s.want(t, `type:"position" position:"e-7"`)
	more := `,"data":{"id":"p","title":"` + strings.Repeat("x", 100<<10) + `"}`
	for seq := int64(8); h.feed.Len() > 0; seq++ {
		h.feed.Publish(published("created", "p", more, seq), 4)
	}
	last := int64(7)
	for {
		m, err := s.next()
		if err != nil {
			// The one event that was leaving may have come behind the position.
			told := fmt.Sprintf(`{"position":"e-%d"}`, last)
			before := fmt.Sprintf(`{"position":"e-%d"}`, last-1)
			if details := infoOf(err).Metadata["details"]; reason(err) != "OVERLOADED" || details != told && details != before {
				t.Errorf("%v %s, want %s", err, details, told)
			}
			return
		}
		last++
		if p := fmt.Sprint(m.Get(m.Descriptor().Fields().ByName("position"))); p != fmt.Sprintf("e-%d", last) {
			t.Fatalf("%s after e-%d", p, last-1)
		}
	}
}

// Who takes nothing is cut off though hardly anything happens.
func TestWatchStalled(t *testing.T) {
	h := open(t)
	h.services.Pause, h.services.Taking = 10*time.Millisecond, 50*time.Millisecond
	s := h.follow(as(t.Context(), scripted.Key), "ProductService", "Watch", "")
	<-h.feed.Opened() // a machine that stands still may cut it off before its first message
	more := `,"data":{"id":"p","title":"` + strings.Repeat("x", 100<<10) + `"}`
	for seq := range int64(3) { // the client's window and the server's buffer take two
		h.feed.Publish(published("created", "p", more, 8+seq), 4)
	}
	for h.feed.Len() > 0 {
		runtime.Gosched()
	}
	var err error
	for err == nil {
		_, err = s.next()
	}
	if info := infoOf(err); reason(err) != "OVERLOADED" || !strings.Contains(info.Metadata["details"], `"position"`) {
		t.Errorf("%v %v", err, info)
	}
}

// An idle Watch is told where it stands.
func TestWatchIdle(t *testing.T) {
	h := open(t)
	h.services.Pause = 1
	ctx, cancel := context.WithCancel(as(t.Context(), scripted.Key))
	defer cancel()
	s := h.follow(ctx, "ProductService", "Watch", "")
	for range 3 {
		s.want(t, `type:"position" position:"e-7"`)
	}
}

// A thousand streams on one connection, all left at once.
func TestManyAbandoned(t *testing.T) {
	h := open(t)
	ctx, cancel := context.WithCancel(as(t.Context(), scripted.Key))
	var open, begun sync.WaitGroup
	begun.Add(1000)
	for range 1000 {
		open.Go(func() {
			s := h.follow(ctx, "ProductService", "Watch", "")
			_, err := s.next()
			if begun.Done(); err != nil {
				t.Error(err)
			}
			if _, err := s.next(); status.Code(err) != codes.Canceled {
				t.Error(err)
			}
		})
	}
	begun.Wait()
	cancel()
	open.Wait()
}
