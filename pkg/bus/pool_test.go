package bus

import "testing"

// The places of a full pool go round by weight.
func TestPoolSharesByWeight(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	started := make(chan *share, 100)
	p := pool{limit: 8, maxQueue: 100, maxBytes: 1 << 20, run: func(j *job) {
		started <- j.share
		<-release
	}}
	defer p.close()
	light, heavy := p.join(1), p.join(3)
	for range 20 { // light comes first and fills what one share may have
		if !p.submit(&job{share: light}) {
			t.Fatal("refused")
		}
	}
	for range 20 {
		if !p.submit(&job{share: heavy}) {
			t.Fatal("refused")
		}
	}
	count := map[*share]int{}
	for range 8 {
		count[<-started]++
	}
	if count[light] != 6 || count[heavy] != 2 {
		t.Fatalf("at first %d and %d run", count[light], count[heavy])
	}
	// As places become free, heavy gets three for each of light.
	for range 6 {
		release <- struct{}{}
		count[<-started]++
	}
	p.mu.Lock()
	l, h := light.running, heavy.running
	p.mu.Unlock()
	if l+h != 8 || h < 4 {
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
	s := p.join(1)
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
