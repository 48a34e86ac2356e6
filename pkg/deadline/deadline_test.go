package deadline

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Calls keep their own deadlines, end with or soon after them, share what is
// below, and leave nothing behind.
func TestContextsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below, stop := context.WithCancel(t.Context())
		d := NewGroup(below)
		now := time.Now()
		for i := range 100 {
			at := now.Add(time.Second + time.Duration(i)*time.Millisecond)
			ctx := d.Until(at)
			if own, ok := ctx.Deadline(); !ok || !own.Equal(at) {
				t.Fatalf("the deadline is %v, not %v", own, at)
			}
			go func() {
				<-ctx.Done()
				if late := time.Since(at); late < 0 || late > Step {
					t.Errorf("a call was ended %v after its deadline", late)
				}
				if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
					t.Errorf("ended with %v", ctx.Err())
				}
			}()
		}
		if n := len(d.all); n > 7 {
			t.Errorf("100 deadlines within 100 ms have %d timers", n)
		}
		child, cancel := context.WithTimeout(d.Until(now.Add(time.Second)), time.Minute)
		defer cancel()
		<-child.Done()
		<-d.Until(now.Add(2 * time.Second)).Done()
		synctest.Wait()
		if len(d.all) != 0 {
			t.Errorf("%d contexts are left after their ends", len(d.all))
		}
		late := d.Until(now.Add(time.Hour))
		stop()
		<-late.Done()
		if !errors.Is(late.Err(), context.Canceled) {
			t.Errorf("the host's end came as %v", late.Err())
		}
		if past := d.Until(now); past.Err() == nil {
			t.Error("a deadline that has passed leaves time")
		}
		synctest.Wait()
	})
}

func BenchmarkUntil(b *testing.B) {
	below, stop := context.WithCancel(b.Context())
	defer stop()
	b.Run("shared", func(b *testing.B) {
		d := NewGroup(below)
		b.ReportAllocs()
		for b.Loop() {
			_ = d.Until(time.Now().Add(10 * time.Second)).Done()
		}
	})
	b.Run("own", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithDeadline(below, time.Now().Add(10*time.Second))
			_ = ctx.Done()
			cancel()
		}
	})
}
