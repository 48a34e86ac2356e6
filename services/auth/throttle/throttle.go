// Package throttle slows down those who guess credentials: failures come in by
// remote address, and from an address with too many of them nothing is looked at
// until some time has passed.
package throttle

import (
	"net/netip"
	"sync"
	"time"
)

// Options are the limits; zero values are the defaults.
type Options struct {
	Burst int           // failures that are free; default 20
	Every time.Duration // one more is free each so often; default 1 s
	Max   int           // addresses remembered; default 10,000
	Now   func() time.Time
}

// Throttle counts failures. It is safe for concurrent use.
type Throttle struct {
	o  Options
	mu sync.Mutex
	// full is when an address's allowance is whole again. An entry in the past
	// says nothing and can be dropped.
	full map[netip.Prefix]time.Time
}

// New returns a Throttle.
func New(o Options) *Throttle {
	if o.Burst == 0 {
		o.Burst = 20
	}
	if o.Every == 0 {
		o.Every = time.Second
	}
	if o.Max == 0 {
		o.Max = 10_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Throttle{o: o, full: map[netip.Prefix]time.Time{}}
}

// Wait returns how long nothing is looked at from this address; zero means go
// on. An address that can't be read is not counted: it comes from our own
// processes.
func (t *Throttle) Wait(addr string) time.Duration {
	p, ok := prefix(addr)
	if !ok {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	at, known := t.full[p]
	if !known {
		return 0
	}
	return max(at.Sub(t.o.Now())-time.Duration(t.o.Burst-1)*t.o.Every, 0)
}

// Failed counts a failure.
func (t *Throttle) Failed(addr string) {
	p, ok := prefix(addr)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.o.Now()
	at, known := t.full[p]
	if !known && len(t.full) >= t.o.Max {
		t.makeRoom(now)
	}
	if at.Before(now) {
		at = now
	}
	// The debt is bounded, so that an address is never locked out for long.
	t.full[p] = minTime(at.Add(t.o.Every), now.Add(time.Duration(2*t.o.Burst)*t.o.Every))
}

// makeRoom drops what is whole again, and some entry if nothing is.
func (t *Throttle) makeRoom(now time.Time) {
	for p, at := range t.full {
		if at.Before(now) {
			delete(t.full, p)
		}
	}
	for p := range t.full {
		if len(t.full) < t.o.Max {
			return
		}
		delete(t.full, p)
	}
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// prefix names a client: its IPv4 address, or the /64 network of an IPv6 one,
// since one client commands all of that.
func prefix(addr string) (netip.Prefix, bool) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		ap, err := netip.ParseAddrPort(addr)
		if err != nil {
			return netip.Prefix{}, false
		}
		ip = ap.Addr()
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	return p, err == nil
}
