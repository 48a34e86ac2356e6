package bus

import (
	"sync"
)

// pool runs jobs in a bounded number of goroutines and shares them fairly among
// projects: a free place goes to the waiting project that has the fewest places,
// and one project alone never gets the last quarter of them
// while others are served too.
type pool struct {
	run func(*job)

	mu       sync.Mutex
	limit    int // places
	maxQueue int // jobs that may wait, each project
	maxBytes int // of all waiting jobs together
	running  int
	queued   int
	bytes    int
	members  int // projects
	waiting  []*share
	idle     chan struct{} // made by whoever waits for the end of all work
	turn     int           // where the search for the next job starts
	spare    []chan *job   // goroutines without a job, the last one that got free at the end
	closed   bool
}

// maxSpare is how many goroutines are kept for later. A database's code needs a
// deep stack, and growing one anew for each request was a tenth of the CPU of a
// read.
const maxSpare = 64

// share is one project's part of the pool.
type share struct {
	running int
	queue   []*job // first in, first out, from head
	head    int
	waits   bool // is in pool.waiting
}

func (p *pool) join() *share {
	p.mu.Lock()
	p.members++
	p.mu.Unlock()
	return new(share)
}

func (p *pool) leave() {
	p.mu.Lock()
	p.members--
	p.mu.Unlock()
}

// most is how many places one share may have.
func (p *pool) most() int {
	if p.members < 2 {
		return p.limit
	}
	return max(1, p.limit-p.limit/4)
}

// submit starts or queues a job; false means that too much waits already.
func (p *pool) submit(j *job) bool {
	s := j.share
	p.mu.Lock()
	if p.running < p.limit && s.running < p.most() && s.empty() {
		p.running++
		s.running++
		if n := len(p.spare); n > 0 {
			next := p.spare[n-1]
			p.spare = p.spare[:n-1]
			p.mu.Unlock()
			next <- j
			return true
		}
		p.mu.Unlock()
		go p.work(j)
		return true
	}
	if len(s.queue)-s.head >= p.maxQueue || p.bytes+j.size > p.maxBytes && p.queued > 0 {
		p.mu.Unlock()
		return false
	}
	s.push(j)
	p.queued++
	p.bytes += j.size
	if !s.waits {
		s.waits = true
		p.waiting = append(p.waiting, s)
	}
	p.mu.Unlock()
	return true
}

// work runs a job, then others as long as some wait, and stays for later ones.
func (p *pool) work(j *job) {
	next := make(chan *job, 1)
	for j != nil {
		for j != nil {
			s := j.share
			p.run(j) // j may be another request's from here on
			j = p.next(s)
		}
		if p.rest(next) {
			j = <-next
		}
	}
}

// rest keeps a goroutine that gets its next job from next; false when there are
// enough.
func (p *pool) rest(next chan *job) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.spare) >= maxSpare {
		return false
	}
	p.spare = append(p.spare, next)
	return true
}

// close lets the resting goroutines go; those that work end after their job.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, next := range p.spare {
		close(next)
	}
	p.spare = nil
}

// next gives back the place of done and takes the next job for it.
func (p *pool) next(done *share) *job {
	p.mu.Lock()
	defer p.mu.Unlock()
	done.running--
	best, most := -1, p.most()
	for n := range p.waiting {
		i := (p.turn + n) % len(p.waiting)
		s := p.waiting[i]
		if s.running >= most {
			continue
		}
		if best < 0 || s.running < p.waiting[best].running {
			best = i
		}
	}
	if best < 0 {
		p.running--
		if p.running == 0 && p.queued == 0 && p.idle != nil {
			close(p.idle)
			p.idle = nil
		}
		return nil
	}
	s := p.waiting[best]
	j := s.pop()
	p.queued--
	p.bytes -= j.size
	s.running++
	p.turn = best + 1
	if s.empty() {
		s.waits = false
		p.waiting = append(p.waiting[:best], p.waiting[best+1:]...)
	}
	return j
}

// quiet returns a channel that is closed once nothing runs and nothing waits.
func (p *pool) quiet() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == 0 && p.queued == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	return p.idle
}

func (p *pool) waitingJobs() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queued
}

func (s *share) empty() bool { return s.head == len(s.queue) }

func (s *share) push(j *job) {
	if s.head > 0 && len(s.queue) == cap(s.queue) {
		n := copy(s.queue, s.queue[s.head:])
		clear(s.queue[n:])
		s.queue, s.head = s.queue[:n], 0
	}
	s.queue = append(s.queue, j)
}

func (s *share) pop() *job {
	j := s.queue[s.head]
	s.queue[s.head] = nil
	s.head++
	if s.empty() {
		s.queue, s.head = s.queue[:0], 0
	}
	return j
}
