package queue_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errMine = errors.New("the unit's own")

func unit(err error) driver.Unit { return driver.Unit{Run: func(driver.Tx) error { return err }} }

// runs answers each job by running its unit.
func runs(group []*queue.Job) {
	for _, j := range group {
		j.Err = j.Unit.Guard(nil)
	}
}

// held is a queue whose lane stands still within its first group.
func held(t *testing.T, most int) (q *queue.Queue, sizes *[]int, release func()) {
	t.Helper()
	q, sizes = queue.New(), new([]int)
	entered, open := make(chan struct{}), make(chan struct{})
	var once sync.Once
	q.Lane(most, func(group []*queue.Job) {
		once.Do(func() { close(entered); <-open })
		*sizes = append(*sizes, len(group))
		runs(group)
	}, nil)
	var first sync.WaitGroup
	first.Go(func() {
		if err := q.Write(context.Background(), unit(errMine)); !errors.Is(err, errMine) {
			t.Errorf("the first unit: %v", err)
		}
	})
	<-entered
	return q, sizes, func() { close(open); first.Wait() }
}

// write starts n writers and returns when they wait.
func write(q *queue.Queue, all *sync.WaitGroup, n int, do func(i int)) {
	for i := range n {
		before := q.Waiting()
		all.Go(func() { do(i) })
		for q.Waiting() == before {
			runtime.Gosched()
		}
	}
}

// Units that wait go together, up to most; each caller has its own unit's error,
// and a panic is one.
func TestGroups(t *testing.T) {
	q, sizes, release := held(t, 4)
	var all sync.WaitGroup
	write(q, &all, 6, func(i int) {
		u, want := unit(nil), fault.Code("")
		if i == 2 {
			u.Run, want = func(driver.Tx) error { panic("in a unit") }, fault.Internal
		}
		if err := q.Write(context.Background(), u); fault.CodeOf(err) != want {
			t.Errorf("unit %d: %v", i, err)
		}
	})
	release()
	all.Wait()
	q.Close()
	if len(*sizes) != 3 || (*sizes)[1] != 4 || (*sizes)[2] != 2 {
		t.Errorf("groups of %v", *sizes)
	}
}

// Who gives up before the turn is not served; who is late is told at once.
func TestGivenUp(t *testing.T) {
	q, sizes, release := held(t, 4)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	write(q, &all, 1, func(int) {
		err := q.Write(ctx, driver.Unit{Run: func(driver.Tx) error { t.Error("it ran"); return nil }})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	cancel()
	all.Wait()
	if err := q.Write(ctx, unit(nil)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	release()
	q.Close()
	if len(*sizes) != 1 {
		t.Errorf("groups of %v", *sizes)
	}
	if err := q.Write(context.Background(), unit(nil)); fault.CodeOf(err) != fault.DBNotConnected {
		t.Errorf("after Close: %v", err)
	}
	q.Close()
}

// A full queue says so at once.
func TestFull(t *testing.T) {
	q, _, release := held(t, 64)
	var all sync.WaitGroup
	write(q, &all, queue.MaxWaiting, func(i int) {
		if err := q.Write(context.Background(), unit(nil)); err != nil {
			t.Errorf("unit %d: %v", i, err)
		}
	})
	err := q.Write(context.Background(), unit(nil))
	if fault.CodeOf(err) != fault.Overloaded || fault.From(err).RetryAfter <= 0 {
		t.Errorf("beyond: %v", err)
	}
	release()
	all.Wait()
	q.Close()
}

// Close waits for what waits, and for the ends of the lanes.
func TestClose(t *testing.T) {
	q, _, release := held(t, 1)
	var all sync.WaitGroup
	served, ends := 0, make(chan struct{}, 2)
	q.Lane(1, runs, func() { ends <- struct{}{} })
	for range 20 {
		if err := q.Write(context.Background(), unit(nil)); err != nil { // by the second lane
			t.Error(err)
		}
		served++
	}
	release()
	all.Wait()
	q.Close()
	if len(ends) != 1 || served != 20 {
		t.Errorf("%d ends, %d served", len(ends), served)
	}
}
