package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRequestID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		s := NewRequestID()
		u, err := uuid.Parse(s)
		if err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 {
			t.Fatalf("%q is no UUIDv7: %v", s, err)
		}
		sec, _ := u.Time().UnixTime()
		if d := time.Since(time.Unix(sec, 0)); d < -time.Minute || d > time.Minute {
			t.Fatalf("%q tells the time %v ago", s, d)
		}
		if seen[s] || !ValidRequestID(s) {
			t.Fatalf("%q twice or invalid", s)
		}
		seen[s] = true
	}
}

func TestValidRequestID(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, strings.Repeat("x", 128): true, "!~": true,
		"": false, strings.Repeat("x", 129): false, "a b": false, "a\r\nb": false, "é": false, "a\x00": false, "\x7f": false,
	} {
		if ValidRequestID(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func TestParseTraceParent(t *testing.T) {
	good := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	tr, ok := ParseTraceParent(good)
	if !ok || tr.ID != good[3:35] || tr.Span != good[36:52] || !tr.Sampled {
		t.Fatalf("%+v %v", tr, ok)
	}
	if tr, ok = ParseTraceParent(good[:54] + "0"); !ok || tr.Sampled {
		t.Fatalf("%+v %v", tr, ok)
	}
	if _, ok = ParseTraceParent("cc" + good[2:] + "-what-the-future-will-be-like"); !ok {
		t.Error("a later version is refused")
	}
	for _, s := range []string{
		"", "00", "ff" + good[2:], good + "-x", strings.ToUpper(good), strings.Replace(good, "4bf", "xyz", 1),
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"01" + good[2:] + "x", "01" + good[2:] + "-\r\n",
	} {
		if _, ok := ParseTraceParent(s); ok {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestLoggerIsJSON(t *testing.T) {
	var buf bytes.Buffer
	log, _ := New("entity", Options{Output: &buf, Level: "warn"})
	log.Info("unseen")
	log.Warn("slow", KeyOp, "findAll")
	var line map[string]any
	if err := json.Unmarshal(buf.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["service"] != "entity" || line["op"] != "findAll" || line["level"] != "WARN" {
		t.Fatalf("%v", line)
	}
}

func TestNilMetrics(t *testing.T) {
	var m *Metrics
	m.For("x").Request("rest", "findAll", "ok", time.Second)
	m.WorkerQueue(func() int { return 1 })
	m.WriterBatch(1)
	m.RelayLag("default", 1)
	m.FeedSubscribers("sse", 1)
	m.FeedDropped("slow")
	m.Events(1)
	m.AuthCache("hit")
	m.Handler()
}

func TestListener(t *testing.T) {
	_, m := New("gateway-http", Options{Output: io.Discard})
	m.Request("rest", "findAll", "ok", 3*time.Millisecond)
	m.Request("rest", "findAll", "ok", 3*time.Millisecond)
	m.For("entity").Request("rest", "create", "CONFLICT", time.Millisecond)
	m.WorkerQueue(func() int { return 1 })
	m.WriterBatch(7)
	m.RelayLag("a", 2*time.Second)
	m.RelayLag("b", time.Second)
	m.FeedSubscribers("sse", 3)
	m.FeedDropped("slow")
	m.Events(5)
	m.AuthCache("hit")
	l := Listen("127.0.0.1:0", m, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	<-l.Ready()
	res, err := http.Get(fmt.Sprintf("http://%s/metrics", l.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	for _, want := range []string{
		`octomesh_requests_total{code="ok",op="findAll",service="gateway-http",transport="rest"} 2`,
		`octomesh_requests_total{code="CONFLICT",op="create",service="entity",transport="rest"} 1`,
		`octomesh_request_seconds_count{op="findAll",service="gateway-http",transport="rest"} 2`,
		`octomesh_worker_queue{service="gateway-http"} 1`,
		`octomesh_writer_batch_size_sum 7`,
		`octomesh_relay_lag_seconds 2`,
		`octomesh_feed_subscribers{transport="sse"} 3`,
		`octomesh_feed_dropped_total{reason="slow"} 1`,
		`octomesh_events_total 5`,
		`octomesh_auth_cache_total{result="hit"} 1`,
	} {
		if !bytes.Contains(body, []byte(want+"\n")) {
			t.Errorf("lacks %s", want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestTakenAddressIsNoFailure(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var buf bytes.Buffer
	log := NewLogger("x", Options{Output: &buf})
	l := Listen(ln.Addr().String(), nil, log)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	<-l.Ready()
	cancel()
	if err := <-done; err != nil || !strings.Contains(buf.String(), "OCTOMESH_METRICS_ADDR") {
		t.Fatalf("%v %s", err, &buf)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	m := newMetrics("x")
	for i := range maxSeries + 100 {
		m.Request("rest", fmt.Sprint(i), "ok", 0)
	}
	if n := len(*m.set.series.Load()); n > maxSeries {
		t.Fatalf("%d series", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	m := newMetrics("x")
	b.ReportAllocs()
	for b.Loop() {
		m.Request("rest", "findById", "ok", time.Millisecond)
	}
}

func BenchmarkRequestID(b *testing.B) {
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendRequestID(buf[:0])
	}
}
