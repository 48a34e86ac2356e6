package httpserver

import (
	"sync"
	"sync/atomic"
	"time"
)

// waits are the deadlines of one direction of a connection. fasthttp sets three
// for each request, and as a rule none of them matters: the request is there,
// the answer goes into the kernel's buffer. So a deadline is only noted, and set
// when the connection is about to be waited for, unless one is set that ends
// hardly earlier.
type waits struct {
	since   time.Time    // what the moments are counted from
	wanted  atomic.Int64 // ns; 0 = none
	holds   atomic.Int64 // what is set, likewise
	waiting atomic.Int32

	mu sync.Mutex // orders the sets
}

// slackPart of the time that is left is how much too early a deadline may come.
const slackPart = 32

// want notes a deadline; one that is waited for already gets it at once.
func (w *waits) want(t time.Time, set func(time.Time) error) error {
	at := int64(0)
	if !t.IsZero() {
		if at = int64(t.Sub(w.since)); at == 0 {
			at = 1
		}
	}
	w.wanted.Store(at)
	if w.waiting.Load() == 0 {
		return nil
	}
	return w.settle(set)
}

// begin is called before the connection is waited for, end afterwards.
func (w *waits) begin(set func(time.Time) error) error {
	w.waiting.Add(1)
	return w.settle(set)
}

func (w *waits) end() { w.waiting.Add(-1) }

func (w *waits) settle(set func(time.Time) error) error {
	if w.settled() {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.wanted.Load()
	var t time.Time
	if at != 0 {
		t = w.since.Add(time.Duration(at))
	}
	w.holds.Store(at)
	return set(t)
}

// settled reports whether what is set will do.
func (w *waits) settled() bool {
	wanted, holds := w.wanted.Load(), w.holds.Load()
	if wanted == holds {
		return true
	}
	return holds != 0 && wanted > holds && wanted-holds <= (wanted-int64(time.Since(w.since)))/slackPart
}
