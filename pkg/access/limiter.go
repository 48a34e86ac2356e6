package access

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// rememberedRates is how many principals a Limiter keeps count of at least, and
// half of how many at most. One that is forgotten starts anew: it has not called
// for as long as that many others needed to call.
const rememberedRates = 8192

// Limiter holds principals to their Rate, each by a token bucket: Burst calls at
// once, and one more each Seconds/Calls. It counts the calls that pass this
// process, no others: behind n gateways a principal has n times its Rate. It is
// safe for concurrent use.
//
// A bucket is one number, the moment at which it will be full again (the generic
// cell rate algorithm), so that a call costs a look-up and a compare-and-swap.
type Limiter struct {
	now  func() time.Duration // since some moment; never steps back
	full *generations[string, *atomic.Int64]
}

// Allowance is what a principal has left after a call. The zero Allowance is
// that of one without a limit.
type Allowance struct {
	Limit     int           // calls at once, after a rest
	Remaining int           // calls left at this moment
	Reset     time.Duration // until Limit calls are left again, without further ones
}

// NewLimiter returns a Limiter that has counted nothing.
func NewLimiter() *Limiter {
	start := time.Now()
	return &Limiter{
		now:  func() time.Duration { return time.Since(start) },
		full: newGenerations[string, *atomic.Int64](rememberedRates),
	}
}

// Take counts one call of p. Errors: RATE_LIMITED with the time to wait; such a
// call costs nothing.
func (l *Limiter) Take(p *mesh.Principal) (Allowance, error) {
	if p == nil || p.Rate == (mesh.Rate{}) || p.ID == "" {
		return Allowance{}, nil
	}
	bucket, ok := l.full.get(p.ID)
	if !ok {
		bucket = l.full.add(strings.Clone(p.ID), new(atomic.Int64))
	}
	every := max(1, time.Duration(p.Rate.Seconds)*time.Second/time.Duration(max(1, p.Rate.Calls)))
	room := every * time.Duration(p.Rate.Burst)
	for {
		now, old := l.now(), bucket.Load()
		full := max(time.Duration(old), now) + every
		a := Allowance{Limit: p.Rate.Burst, Remaining: int((room - (full - now)) / every), Reset: full - now}
		if wait := full - now - room; wait > 0 {
			a.Remaining, a.Reset = 0, max(0, time.Duration(old)-now)
			return a, fault.New(fault.RateLimited, "the credential may call %d times in %d s, %d at once", p.Rate.Calls, p.Rate.Seconds, p.Rate.Burst).After(wait)
		}
		if bucket.CompareAndSwap(old, int64(full)) {
			return a, nil
		}
	}
}
