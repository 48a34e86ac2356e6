package httpserver

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestWaits: a deadline is set when it is waited for and not hardly later than
// the one that holds, and at once where somebody waits already.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := waits{since: time.Now()}
		var sets []time.Time
		set := func(at time.Time) error {
			sets = append(sets, at)
			return nil
		}
		want := func(d time.Duration) {
			t.Helper()
			if err := w.want(time.Now().Add(d), set); err != nil {
				t.Fatal(err)
			}
		}
		begin := func(n int, d time.Duration) {
			t.Helper()
			if err := w.begin(set); err != nil {
				t.Fatal(err)
			}
			if len(sets) != n || n > 0 && !sets[n-1].Equal(time.Now().Add(d)) {
				t.Fatalf("set: %v, want %d of them, the last after %v", sets, n, d)
			}
		}
		begin(0, 0) // none is wanted
		w.end()
		want(90 * time.Second)
		want(15 * time.Second)
		want(90 * time.Second)
		begin(1, 90*time.Second)
		w.end()
		pass(2 * time.Second)
		want(90 * time.Second) // 2 s later
		begin(1, 88*time.Second)
		w.end()
		want(15 * time.Second) // earlier
		begin(2, 15*time.Second)
		w.end()
		pass(15 * time.Second)
		want(300 * time.Millisecond) // close to one that has passed
		begin(3, 300*time.Millisecond)
		want(-time.Second) // somebody waits
		begin(4, -time.Second)
		w.end()
		w.end()
		if err := w.want(time.Time{}, set); err != nil || len(sets) != 4 {
			t.Fatalf("none: %v, %v", sets, err)
		}
		_ = w.begin(set)
		if len(sets) != 5 || !sets[4].IsZero() {
			t.Fatalf("none: %v", sets)
		}
	})
}

// pass lets time pass on the clock of a synctest bubble: none goes by outside.
func pass(d time.Duration) { <-time.After(d) }

func BenchmarkWaits(b *testing.B) {
	w := waits{since: time.Now()}
	set := func(time.Time) error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		_ = w.want(time.Now().Add(90*time.Second), set)
		_ = w.begin(set)
		w.end()
	}
}
