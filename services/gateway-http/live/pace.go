package live

import "time"

// Gather is how far apart the writes of one busy stream are. The first event
// after a pause goes out at once; those that follow closely are gathered, since
// a system call for each event and subscriber is most of what fan-out costs.
const Gather = 5 * time.Millisecond

// Pace tells when the waiting events of a stream may be written. It belongs to
// the goroutine that writes.
type Pace struct {
	timer *time.Timer
	last  time.Time
}

// NewPace returns a Pace that allows a write at once.
func NewPace() *Pace {
	p := &Pace{timer: time.NewTimer(time.Hour)}
	p.timer.Stop()
	return p
}

// Now reports whether to write now; if not, Later fires when the time has come.
func (p *Pace) Now() bool {
	now := time.Now()
	if rest := Gather - now.Sub(p.last); rest > 0 {
		p.timer.Reset(rest)
		return false
	}
	p.last = now
	return true
}

// Later fires once after Now said no.
func (p *Pace) Later() <-chan time.Time { return p.timer.C }

// Stop ends the Pace.
func (p *Pace) Stop() { p.timer.Stop() }
