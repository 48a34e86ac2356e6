package callout

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestNewestFirstAndNoneTooLate(t *testing.T) {
	started, release := make(chan string, 10), make(chan struct{})
	q := &queue{atOnce: 1, patience: time.Minute, handle: func(m *nats.Msg) {
		started <- m.Subject
		<-release
	}}
	q.put(&nats.Msg{Subject: "a"})
	if got := <-started; got != "a" {
		t.Fatal(got)
	}
	for _, s := range []string{"old", "b", "c"} {
		q.put(&nats.Msg{Subject: s})
	}
	q.mu.Lock()
	q.waiting[0].at = time.Now().Add(-time.Hour)
	q.mu.Unlock()
	for _, want := range []string{"c", "b"} {
		release <- struct{}{}
		if got := <-started; got != want {
			t.Fatalf("%s before %s", got, want)
		}
	}
	close(release)
	q.close()
	if len(started) != 0 || len(q.waiting) != 0 {
		t.Fatalf("%d handled, %d waiting: the old one must be dropped", len(started), len(q.waiting))
	}
	q.put(&nats.Msg{Subject: "late"})
	if len(q.waiting) != 0 {
		t.Fatal("taken after close")
	}
}

func TestAStormIsBounded(t *testing.T) {
	release := make(chan struct{})
	q := &queue{atOnce: 1, patience: time.Minute, handle: func(*nats.Msg) { <-release }}
	for range 3 * maxWaiting {
		q.put(&nats.Msg{})
	}
	q.mu.Lock()
	n := len(q.waiting)
	q.mu.Unlock()
	if n > maxWaiting {
		t.Fatalf("%d wait", n)
	}
	go close(release)
	q.close()
}
