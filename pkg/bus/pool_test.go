package bus

import "testing"

// The places of a full pool go to who has the fewest.
func TestPoolSharesFairly(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	started := make(chan *share, 100)
	p := pool{limit: 8, maxQueue: 100, maxBytes: 1 << 20, run: func(j *job) {
		started <- j.share
		<-release
	}}
	defer p.close()
	first, second := p.join(), p.join()
	for range 20 { // the first fills what one share may have
		if !p.submit(&job{share: first}) {
			t.Fatal("refused")
		}
	}
	for range 20 {
		if !p.submit(&job{share: second}) {
			t.Fatal("refused")
		}
	}
	count := map[*share]int{}
	for range 8 {
		count[<-started]++
	}
	if count[first] != 6 || count[second] != 2 {
		t.Fatalf("at first %d and %d run", count[first], count[second])
	}
	// As places become free, the second catches up.
	for range 6 {
		release <- struct{}{}
		count[<-started]++
	}
	p.mu.Lock()
	l, h := first.running, second.running
	p.mu.Unlock()
	if l+h != 8 || l < 3 || h < 3 {
		t.Errorf("now %d and %d run", l, h)
	}
	quiet := p.quiet()
	go func() {
		for range 26 + 8 {
			release <- struct{}{}
		}
	}()
	<-quiet
	if p.waitingJobs() != 0 {
		t.Error("jobs are left")
	}
}

func TestPoolRefusesWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	p := pool{limit: 1, maxQueue: 2, maxBytes: 100, run: func(*job) { <-release }}
	defer p.close()
	s := p.join()
	for i, want := range []bool{true, true, false, true, false} { // running, large waits, too large, small waits, too many
		size := []int{1, 90, 50, 5, 1}[i]
		if got := p.submit(&job{share: s, size: size}); got != want {
			t.Errorf("job %d: %v", i, got)
		}
	}
	quiet := p.quiet()
	close(release)
	<-quiet
}
