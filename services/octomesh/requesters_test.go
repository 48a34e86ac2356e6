package octomesh

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/octomesh/octomesh/clients/go"
)

const (
	requesterCount = 64
	callDeadline   = 10 * time.Second
)

// requesters are 64 goroutines of the Go client that read and write without a
// pause, and keep the books of what was acknowledged.
type requesters struct {
	t      testing.TB
	c      *client.Client
	tag    string // of its records
	cancel context.CancelFunc
	wg     sync.WaitGroup
	all    []*requester

	done, failed atomic.Int64
	slowest      atomic.Int64 // ns
	mu           sync.Mutex
	errs         []error
}

// requester owns one account.
type requester struct {
	n        int
	account  string
	deposits int // acknowledged
	entries  int
	doubtful int // failed writes, each of which may have happened
}

// request starts them over c, whose retries are those of any user of it.
func request(t testing.TB, c *client.Client) *requesters {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &requesters{t: t, c: c, cancel: cancel, tag: fmt.Sprint(time.Now().UnixNano())}
	for i := range requesterCount {
		one := &requester{n: i, account: fmt.Sprintf("r%02d", i)}
		start := account{Owner: "r"}
		if a, err := client.Upsert[account](t.Context(), c, "Account", client.Filter{"id": one.account}, start); err != nil || a.Balance != 0 {
			t.Fatalf("%v %v", a, err)
		}
		r.all = append(r.all, one)
	}
	for _, one := range r.all {
		r.wg.Go(func() { r.work(ctx, one) })
	}
	t.Cleanup(func() { cancel(); r.wg.Wait() })
	return r
}

// work mixes two reads, a create, a keyed increment and a page.
func (r *requesters) work(ctx context.Context, one *requester) {
	for i := one.n; ctx.Err() == nil; i++ {
		call, cancel := context.WithTimeout(context.Background(), callDeadline)
		began := time.Now()
		var err error
		write := false
		switch i % 5 {
		case 0, 2:
			_, err = client.FindByID[account](call, r.c, "Account", one.account, nil)
		case 1:
			write = true
			if _, err = client.Create[entry](call, r.c, "Entry", entry{Text: r.tag + one.account}); err == nil {
				one.entries++
			}
		case 3:
			write = true
			key := fmt.Sprintf("%s-%d-%d", one.account, i, began.UnixNano())
			if _, err = client.Increment[account](call, r.c, "Account", one.account, "balance", 1, client.WithIdempotencyKey(key)); err == nil {
				one.deposits++
			}
		case 4:
			_, err = client.FindAll[account](call, r.c, "Account", client.Query{Filter: client.Filter{"balance": client.Filter{"$gte": 0}}, Limit: 5})
		}
		cancel()
		for took := int64(time.Since(began)); ; {
			old := r.slowest.Load()
			if took <= old || r.slowest.CompareAndSwap(old, took) {
				break
			}
		}
		r.done.Add(1)
		if err == nil {
			continue
		}
		if write {
			one.doubtful++
		}
		r.failed.Add(1)
		r.mu.Lock()
		if len(r.errs) < 8 {
			r.errs = append(r.errs, fmt.Errorf("after %v: %w", time.Since(began).Round(time.Millisecond), err))
		}
		r.mu.Unlock()
	}
}

// pass waits until that many more requests are answered.
func (r *requesters) pass(n int64) {
	r.t.Helper()
	ctx := within(r.t, time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for until := r.done.Load() + n; r.done.Load() < until; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("%d requests in a minute, of %d awaited", r.done.Load()-until+n, n)
		}
	}
}

// everyone waits until each requester has most likely been answered anew, and
// returns how long that took.
func (r *requesters) everyone() time.Duration {
	began := time.Now()
	r.pass(2 * requesterCount)
	return time.Since(began)
}

// close stops them and holds the records against the books: nothing failed,
// nothing acknowledged is lost, nothing was applied twice.
func (r *requesters) close(what string, more map[string]any) {
	r.t.Helper()
	r.cancel()
	r.wg.Wait()
	ctx := within(r.t, time.Minute)
	lost, doubled, writes := 0, 0, 0
	for _, one := range r.all {
		a, err := client.FindByID[account](ctx, r.c, "Account", one.account, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		n, err := r.c.Count(ctx, "Entry", client.Filter{"text": r.tag + one.account})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, diff := range []int{int(a.Balance) - one.deposits, n - one.entries} {
			lost += max(0, -diff)
			doubled += max(0, diff-one.doubtful)
		}
		writes += one.deposits + one.entries
	}
	f := map[string]any{
		"what": what, "requesters": requesterCount, "requests": r.done.Load(), "failed": r.failed.Load(),
		"acknowledged": writes, "lost": lost, "doubled": doubled, "slowest_ms": time.Duration(r.slowest.Load()).Milliseconds(),
	}
	for k, v := range more {
		f[k] = v
	}
	figure(f)
	if r.failed.Load() > 0 {
		r.t.Errorf("%s: %d of %d requests failed: %v", what, r.failed.Load(), r.done.Load(), errors.Join(r.errs...))
	}
	if lost > 0 || doubled > 0 {
		r.t.Errorf("%s: %d acknowledged writes lost, %d applied twice", what, lost, doubled)
	}
}
