// Package load drives a server on this machine in a closed loop over keep-alive
// connections and says what it cost: requests and their latencies come out,
// with the CPU of the server's process and of everybody else.
package load

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Request fills one request; n counts from 0 over the whole life of a Load, so
// that unique values stay unique.
type Request func(n int64, r *fasthttp.Request)

// Load is one kind of request against one server.
type Load struct {
	Addr    string // host:port on the loopback
	PID     int    // the server's process
	Also    int    // its database's first process, which counts with its children; 0 = none
	Conns   int
	Request Request
	Status  int // that every answer must have

	fleet
}

// Result is one burst.
type Result struct {
	Requests int
	Wall     time.Duration
	CPU      time.Duration // of the server's process and its database's
	Others   float64       // cores used by neither server nor this process
	Body     int           // bytes of the last reply's body
	Latency  []time.Duration
}

// PerSecond is the rate.
func (r Result) PerSecond() float64 { return float64(r.Requests) / r.Wall.Seconds() }

// CPUPer is the server's processor time for one request.
func (r Result) CPUPer() time.Duration { return r.CPU / time.Duration(max(r.Requests, 1)) }

// Percentile returns a latency, p in 0…1.
func (r Result) Percentile(p float64) time.Duration {
	if len(r.Latency) == 0 {
		return 0
	}
	return r.Latency[int(p*float64(len(r.Latency)-1))]
}

// Burst sends requests for d and fails on the first wrong answer.
func (l *Load) Burst(d time.Duration) (Result, error) {
	conns, err := l.connect()
	if err != nil {
		return Result{}, err
	}
	return l.run(d, l.cpu, len(conns), func(i int, end time.Time) ([]time.Duration, int, error) {
		defer conns[i].net.Close()
		return l.loop(conns[i], end)
	})
}

// fleet is callers at work at the same time.
type fleet struct{ count atomic.Int64 }

// run lets n callers work until d is over; cpu is what the server has used.
func (f *fleet) run(d time.Duration, cpu func() time.Duration, n int, work func(i int, end time.Time) ([]time.Duration, int, error)) (Result, error) {
	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		lats   []time.Duration
		failed error
	)
	// One thread sends and reads what is ready in turns: with several, each
	// answer wakes one of them, at the expense of what is measured.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	body := 0
	res := Measure(cpu, func() {
		end := time.Now().Add(d)
		for i := range n {
			wg.Go(func() {
				lat, size, err := work(i, end)
				mu.Lock()
				defer mu.Unlock()
				lats, body = append(lats, lat...), max(body, size)
				if err != nil {
					failed = err
				}
			})
		}
		wg.Wait()
	})
	slices.Sort(lats)
	res.Requests, res.Body, res.Latency = len(lats), body, lats
	return res, failed
}

// Measure tells what work costs; cpu is what the server has used.
func Measure(cpu func() time.Duration, work func()) Result {
	used, busy, self, start := cpu(), Busy(), CPU(os.Getpid()), time.Now()
	work()
	r := Result{Wall: time.Since(start), CPU: cpu() - used}
	r.Others = (Busy() - busy - r.CPU - (CPU(os.Getpid()) - self)).Seconds() / r.Wall.Seconds()
	return r
}

func (l *Load) cpu() time.Duration {
	if l.Also == 0 {
		return CPU(l.PID)
	}
	return CPU(l.PID) + Family(l.Also)
}
