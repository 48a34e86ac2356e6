package transporttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// Harness is a transport under test.
type Harness struct {
	// Name names the wire file, testdata/<Name>.wire.
	Name string
	// Serve starts the transport's server over behind and returns a client of
	// its wire: what the client is called with, behind shall be called with. It
	// cleans up with t.
	Serve func(t *testing.T, behind mesh.Caller) mesh.Caller
	// Wire returns what went over the wire since the last call, as text; nil
	// for a transport whose wire is recorded elsewhere.
	Wire func() string
	// Skip are the cases that the protocol cannot express, with the reason.
	Skip map[string]string
	// Lacks are the parts of requests and replies that the protocol has no
	// place for, with the reason: requestId, replayed, retryAfter.
	Lacks map[string]string
	// Repeats is set for a client that repeats OVERLOADED until its deadline:
	// how long it is given then. Zero means that it does not repeat.
	Repeats time.Duration
}

var update = flag.Bool("update", false, "rewrite golden and wire files")

// seen is a Caller that remembers the request and gives a prepared answer.
type seen struct {
	mu     sync.Mutex
	last   *mesh.Request
	answer func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error)
}

func (s *seen) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	c := *r
	c.Args = bytes.Clone(r.Args)
	s.mu.Lock()
	s.last = &c
	answer := s.answer
	s.mu.Unlock()
	return answer(ctx, r)
}

func (s *seen) next(answer func(context.Context, *mesh.Request) (*mesh.Reply, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.answer = nil, answer
}

func (s *seen) request() *mesh.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Run puts the transport through every case.
func Run(t *testing.T, h Harness) {
	behind := &seen{}
	client := h.Serve(t, behind)
	wire := &strings.Builder{}
	record := func(name string) {
		if h.Wire != nil {
			fmt.Fprintf(wire, "### %s\n%s\n\n", name, normal(h.Wire()))
		}
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if why := h.Skip[c.name]; why != "" {
				t.Skipf("skipped: %s over %s (%s)", c.name, h.Name, why)
			}
			roundTrip(t, h, behind, client, c)
			record(c.name)
		})
	}
	for _, row := range fault.Table {
		t.Run(string(row.Code)+" survives", func(t *testing.T) {
			survives(t, h, behind, client, row)
			record(string(row.Code))
		})
	}
	t.Run("a cause does not cross", func(t *testing.T) {
		leaksNothing(t, behind, client)
		record("a cause does not cross")
	})
	t.Run("an internal error is told once", func(t *testing.T) {
		tellsOnce(t, behind, client)
		record("an internal error is told once")
	})
	for _, c := range streamCases {
		t.Run(c.name, func(t *testing.T) {
			if why := h.Skip[c.name]; why != "" {
				t.Skipf("skipped: %s over %s (%s)", c.name, h.Name, why)
			}
			streams(t, behind, client, c)
			record(c.name)
		})
	}
	t.Run("a cancelled caller is let go", func(t *testing.T) { letsGo(t, behind, client) })
	if h.Wire != nil && !t.Failed() {
		compare(t, h.Name, wire.String())
		fmt.Printf("figure: {\"transport\":%q,\"cases\":%d,\"codes\":%d,\"streams\":%d,\"wireBytes\":%d}\n",
			h.Name, len(cases), len(fault.Table), len(streamCases), wire.Len())
	}
}

// requestID is that of every request of the suite. Wire files show it as it is;
// an id that somebody else made is shown as <uuid7>.
const requestID = "the-id-of-the-request"

// ask fills what every transport can carry.
func ask(c oneCase) *mesh.Request {
	r := &mesh.Request{Project: c.project, Entity: c.entity, Op: c.op, Args: []byte(c.args)}
	if r.Project == "" {
		r.Project = "default"
	}
	r.RequestID = requestID
	r.IdempotencyKey = c.key
	return r
}

func roundTrip(t *testing.T, h Harness, behind *seen, client mesh.Caller, c oneCase) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	behind.next(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: []byte(c.reply), Position: c.position, Replayed: c.replayed, Version: c.version}, nil
	})
	reply, err := client.Call(ctx, ask(c))
	if err != nil {
		t.Fatalf("the call failed: %v", err)
	}
	got := behind.request()
	if got == nil {
		t.Fatal("nothing arrived behind the transport")
	}
	want := ask(c)
	if got.Project != want.Project || got.Entity != want.Entity || got.Op != want.Op || got.IdempotencyKey != want.IdempotencyKey {
		t.Errorf("arrived: %s/%s.%s key %q, sent: %s/%s.%s key %q", got.Project, got.Entity, got.Op, got.IdempotencyKey, want.Project, want.Entity, want.Op, want.IdempotencyKey)
	}
	if got.RequestID != want.RequestID && h.Lacks["requestId"] == "" {
		t.Errorf("the request id %q became %q", want.RequestID, got.RequestID)
	}
	if !sameJSON(t, got.Args, []byte(c.args)) {
		t.Errorf("arguments\n arrived %s\n sent    %s", got.Args, c.args)
	}
	if string(reply.Body) != c.reply {
		t.Errorf("reply\n got  %s\n sent %s", reply.Body, c.reply)
	}
	if reply.Position != c.position || reply.Version != c.version {
		t.Errorf("position %v version %d, sent %v %d", reply.Position, reply.Version, c.position, c.version)
	}
	if reply.Replayed != c.replayed && h.Lacks["replayed"] == "" {
		t.Errorf("replayed %v, sent %v", reply.Replayed, c.replayed)
	}
}

// sameJSON compares two documents exactly: numbers by their text, null apart
// from absence, members in any order.
func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	decode := func(src []byte) any {
		if len(bytes.TrimSpace(src)) == 0 {
			return map[string]any{}
		}
		d := json.NewDecoder(bytes.NewReader(src))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Errorf("%q is no JSON: %v", src, err)
		}
		return v
	}
	return reflect.DeepEqual(decode(a), decode(b))
}

// survives sends a code through the transport. The message of INTERNAL may be
// continued with the request id, and it has no details.
func survives(t *testing.T, h Harness, behind *seen, client mesh.Caller, row fault.Image) {
	t.Helper()
	const message = "what went wrong: é <&>"
	patience := 10 * time.Second
	if row.Code == fault.Overloaded && h.Repeats > 0 {
		patience = h.Repeats
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	wait := time.Duration(0)
	if row.Retry {
		wait = 30 * time.Second
	}
	behind.next(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return nil, fault.New(row.Code, message).With(map[string]string{"field": "name"}).After(wait)
	})
	// A write without a key, so that no layer repeats it.
	_, err := client.Call(ctx, ask(oneCase{entity: "Product", op: "create", args: `{"data":{"name":"x"}}`}))
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("came back as %v", err)
	}
	if f.Code != row.Code || f.Message != message && (row.Code != fault.Internal || !strings.HasPrefix(f.Message, message)) {
		t.Errorf("came back as %s %q", f.Code, f.Message)
	}
	if d, _ := json.Marshal(f.Details); string(d) != `{"field":"name"}` && row.Code != fault.Internal {
		t.Errorf("lost its details: %s", d)
	}
	if f.RetryAfter != wait && h.Lacks["retryAfter"] == "" {
		t.Errorf("asks to wait %v, sent %v", f.RetryAfter, wait)
	}
}

func leaksNothing(t *testing.T, behind *seen, client mesh.Caller) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	behind.next(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return nil, errors.New("driver: password authentication failed for postgres://root:hunter2@db")
	})
	_, err := client.Call(ctx, ask(oneCase{entity: "Product", op: "create", args: `{"data":{"name":"x"}}`}))
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Internal {
		t.Fatalf("an uncoded failure came back as %v", err)
	}
	if strings.Contains(string(f.AppendReply(nil)), "hunter2") {
		t.Errorf("the cause crossed: %v", f)
	}
}

// tellsOnce sends what a worker says of an internal error, which names the
// request id already: every door must show the same text.
func tellsOnce(t *testing.T, behind *seen, client mesh.Caller) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	const text = "something went wrong on our side; the log has it under request id "
	behind.next(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		return nil, fault.New(fault.Internal, "%s%s", text, r.RequestID)
	})
	_, err := client.Call(ctx, ask(oneCase{entity: "Product", op: "create", args: `{"data":{"name":"x"}}`}))
	if f := fault.From(err); f == nil || f.Code != fault.Internal || f.Message != text+behind.request().RequestID {
		t.Errorf("came back as %v, sent %s%s", err, text, behind.request().RequestID)
	}
}

func letsGo(t *testing.T, behind *seen, client mesh.Caller) {
	arrived, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	var once sync.Once
	behind.next(func(ctx context.Context, _ *mesh.Request) (*mesh.Reply, error) {
		once.Do(func() { close(arrived) })
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil, fault.New(fault.Cancelled, "gone")
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := client.Call(ctx, ask(oneCase{entity: "Product", op: "create", args: `{"data":{"name":"x"}}`}))
		done <- err
	}()
	<-arrived
	cancel()
	if err := <-done; err == nil {
		t.Error("a cancelled call succeeded")
	}
}

// What differs from run to run is replaced before bytes are compared.
var changing = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`(?m)^Date: .*$`), "Date: <date>"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "<host>"},
	{regexp.MustCompile(`(_INBOX_[a-zA-Z]+)[A-Za-z0-9_.-]*`), "$1.<inbox>"},
	{regexp.MustCompile(`_R_\.[A-Za-z0-9_.-]+`), "_R_.<inbox>"},
	{regexp.MustCompile(`_CREDIT\.[A-Za-z0-9_.-]+`), "_CREDIT.<stream>"},
	{regexp.MustCompile(`"ttl":\d+`), `"ttl":<ms>`},
	{regexp.MustCompile(`"connectedAt":"[^"]+"`), `"connectedAt":"<time>"`},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`), "<uuid7>"},
}

func normal(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	for _, c := range changing {
		s = c.pattern.ReplaceAllString(s, c.with)
	}
	// A wire file is text: a byte that is no UTF-8 is shown by its number.
	var b strings.Builder
	for i, r := range s {
		if r == utf8.RuneError && s[i] >= utf8.RuneSelf && !strings.HasPrefix(s[i:], "\ufffd") {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else {
			b.WriteRune(r)
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".wire")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("no recorded wire (go test -update records one, read it before you commit it): %v", err)
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		a, b := "<end>", "<end>"
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Fatalf("%s, line %d\n got  %s\n want %s", path, i+1, a, b)
		}
	}
}
