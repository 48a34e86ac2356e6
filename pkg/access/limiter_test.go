package access

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// frozen is a Limiter whose time a test moves.
func frozen() (l *Limiter, pass func(time.Duration)) {
	var now atomic.Int64
	l = NewLimiter()
	l.now = func() time.Duration { return time.Duration(now.Load()) }
	return l, func(d time.Duration) { now.Add(int64(d)) }
}

func limited(id string, calls, seconds, burst int) *mesh.Principal {
	return &mesh.Principal{ID: id, Kind: mesh.Key, Rate: mesh.Rate{Calls: calls, Seconds: seconds, Burst: burst}}
}

func TestLimiter(t *testing.T) {
	l, pass := frozen()
	p := limited("k:a", 60, 60, 3)
	take := func(remaining int, reset, wait time.Duration) {
		t.Helper()
		a, err := l.Take(p)
		if a != (Allowance{Limit: 3, Remaining: remaining, Reset: reset}) {
			t.Fatalf("left: %+v", a)
		}
		switch f := fault.From(err); {
		case wait == 0 && err != nil:
			t.Fatal(err)
		case wait > 0 && (err == nil || f.Code != fault.RateLimited || f.RetryAfter != wait):
			t.Fatalf("refused with %v, want to wait %v", err, wait)
		}
	}
	take(2, time.Second, 0)
	take(1, 2*time.Second, 0)
	take(0, 3*time.Second, 0)
	take(0, 3*time.Second, time.Second) // and a refused call costs nothing
	take(0, 3*time.Second, time.Second)
	pass(600 * time.Millisecond)
	take(0, 2400*time.Millisecond, 400*time.Millisecond)
	pass(400 * time.Millisecond)
	take(0, 3*time.Second, 0)
	pass(time.Hour) // a rest fills the bucket, and no more than that
	take(2, time.Second, 0)
	take(1, 2*time.Second, 0)
	take(0, 3*time.Second, 0)
	take(0, 3*time.Second, time.Second)
	if _, err := l.Take(limited("k:b", 60, 60, 3)); err != nil {
		t.Fatal("another one's calls were counted:", err)
	}
	p = limited("k:a", 60, 1, 3) // the key was given a faster rate
	pass(50 * time.Millisecond)
	if _, err := l.Take(p); fault.CodeOf(err) != fault.RateLimited {
		t.Fatalf("what was spent is spent: %v", err)
	}
}

func TestLimiterLetsOthersPass(t *testing.T) {
	l, _ := frozen()
	for _, p := range []*mesh.Principal{nil, anonymous, {ID: "k:a", Kind: mesh.Key}} {
		for range 3 {
			if a, err := l.Take(p); err != nil || a != (Allowance{}) {
				t.Fatalf("%+v %v", a, err)
			}
		}
	}
}

// Many at once get exactly what the bucket holds.
func TestLimiterCountsExactly(t *testing.T) {
	l, _ := frozen()
	p := limited("k:a", 1, 3600, 100)
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if _, err := l.Take(p); err == nil {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() != 100 {
		t.Fatalf("%d calls passed", passed.Load())
	}
}

func TestLimiterIsBounded(t *testing.T) {
	l, _ := frozen()
	for i := range 5 * rememberedRates {
		_, _ = l.Take(limited(fmt.Sprint("k:", i), 1, 60, 1))
	}
	if n := len(l.full.young) + len(l.full.old); n > 2*rememberedRates {
		t.Fatalf("%d buckets are kept", n)
	}
}

func BenchmarkLimiter(b *testing.B) {
	l := NewLimiter()
	p := limited("k:a", 1e6, 1, 1e6)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = l.Take(p)
	}
}
