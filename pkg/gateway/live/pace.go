package live

import (
	"sync/atomic"
	"time"
)

// The writes of one busy stream lie apart by what a write costs times the
// connections that are open, at most Gather: a system call for each event and
// subscriber is most of what fan-out to many costs, and nothing to a few. The
// first event after a pause goes out at once.
const (
	Gather   = 5 * time.Millisecond
	eachCost = 10 * time.Microsecond
)

// Pace tells when the waiting events of a stream may be written. It belongs to
// the goroutine that writes.
type Pace struct {
	open  *atomic.Int64 // connections
	timer *time.Timer
	last  time.Time
}

// Pace returns a Pace for a stream of the connection; it allows a write at once.
func (c *Conn) Pace() *Pace {
	p := &Pace{open: &c.hub.open, timer: time.NewTimer(time.Hour)}
	p.timer.Stop()
	return p
}

// Now reports whether to write now; if not, Later fires when the time has come.
func (p *Pace) Now() bool {
	now := time.Now()
	apart := min(Gather, time.Duration(p.open.Load())*eachCost)
	if rest := apart - now.Sub(p.last); rest > 0 {
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
