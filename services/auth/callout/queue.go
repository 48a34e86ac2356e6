package callout

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// queue hands requests to a few goroutines, the newest first. In a storm that
// is larger than what can be answered in time, first come first served would
// answer everybody just after the server has given up on him, for ever; so the
// newest are let in, and the old ones dropped unread, whose clients are already
// trying again.
type queue struct {
	handle   func(*nats.Msg)
	atOnce   int
	patience time.Duration

	mu      sync.Mutex
	waiting []arrival
	running int
	closed  bool
	wg      sync.WaitGroup
}

type arrival struct {
	m  *nats.Msg
	at time.Time
}

// maxWaiting bounds the memory of a storm.
const maxWaiting = 8192

func (q *queue) put(m *nats.Msg) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if len(q.waiting) >= maxWaiting {
		n := copy(q.waiting, q.waiting[maxWaiting/2:])
		clear(q.waiting[n:])
		q.waiting = q.waiting[:n]
	}
	q.waiting = append(q.waiting, arrival{m, time.Now()})
	if q.running < q.atOnce {
		q.running++
		q.wg.Go(q.work)
	}
}

func (q *queue) work() {
	for {
		m := q.take()
		if m == nil {
			return
		}
		q.handle(m)
	}
}

// take returns the newest request that somebody still waits for. With none it
// ends the goroutine that asks.
func (q *queue) take() *nats.Msg {
	q.mu.Lock()
	defer q.mu.Unlock()
	last := len(q.waiting) - 1
	if last < 0 || q.closed || time.Since(q.waiting[last].at) > q.patience {
		clear(q.waiting) // all others are older still
		q.waiting = q.waiting[:0]
		q.running--
		return nil
	}
	m := q.waiting[last].m
	q.waiting[last] = arrival{}
	q.waiting = q.waiting[:last]
	return m
}

// close drops what waits and waits for what is being handled.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wg.Wait()
}
