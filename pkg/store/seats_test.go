package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
)

// Seats that move are waited for, in the order in which the streams came; who
// finds them standing still is refused at once, and says when to come again.
func TestSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newSeats(2, time.Second)
		stand := func() *seat {
			t.Helper()
			m, err := p.stand()
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		a, b := stand(), stand()
		for _, m := range []*seat{a, b} {
			if err := m.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var mu sync.Mutex
		var order []string
		results := map[string]error{}
		start := time.Now()
		var all sync.WaitGroup
		await := func(name string, ctx context.Context) *seat {
			m := stand()
			all.Go(func() {
				err := m.wait(ctx)
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
				results[name] = err
			})
			synctest.Wait()
			return m
		}
		left, leave := context.WithCancel(t.Context())
		c := await("c", t.Context())
		await("left", left)
		d := await("d", t.Context())
		await("late", t.Context())
		pass(900 * time.Millisecond)
		a.leave()
		synctest.Wait()
		leave()
		synctest.Wait()
		pass(900 * time.Millisecond)
		c.leave()
		synctest.Wait()
		all.Wait()
		if len(order) != 4 || order[0] != "c" || order[1] != "left" || order[2] != "d" || order[3] != "late" {
			t.Errorf("the order was %v", order)
		}
		if results["c"] != nil || results["d"] != nil || !errors.Is(results["left"], context.Canceled) {
			t.Errorf("%v", results)
		}
		if f := fault.From(results["late"]); f.Code != fault.Overloaded || f.RetryAfter == 0 || time.Since(start) != 2800*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(start), results["late"])
		}
		if _, err := p.stand(); fault.CodeOf(err) != fault.Overloaded {
			t.Errorf("it found a seat: %v", err)
		}
		b.leave()
		d.leave()
		stand()
		stand()
		for range maxLine {
			stand()
		}
		if _, err := p.stand(); fault.CodeOf(err) != fault.Overloaded {
			t.Errorf("the line has no end: %v", err)
		}
	})
}

// pass lets time pass on the clock of a synctest bubble: none goes by outside.
func pass(d time.Duration) { <-time.After(d) }
