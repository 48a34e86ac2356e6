package bus

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
)

// LeaseOptions configure Hold. The defaults go with LeaseConfig.
type LeaseOptions struct {
	Renew time.Duration // how often the lease is renewed (0.7 s)
	Give  time.Duration // age of the last renewal at which leading ends (1.3 s)
	Retry time.Duration // how often others try to get it (0.5 s)
}

// LeaseConfig is the bucket for leases: a value lives 2 s, so that who renewed
// it last at 1.3 s before is surely alone until then.
func LeaseConfig(replicas int) BucketConfig {
	return BucketConfig{Create: true, TTL: 2 * time.Second, Replicas: replicas, Memory: true}
}

// Lease is the right to be the only one, for a short while.
type Lease struct{ renewed atomic.Pointer[time.Time] }

// Renewed returns when the last renewal that succeeded was asked for. Who does
// something that only the leader may do looks at it right before.
func (l *Lease) Renewed() time.Time { return *l.renewed.Load() }

// Hold waits for the lease, calls lead while it holds it and ends lead's context
// when it is lost, over and over until ctx ends. When lead returns by itself the
// lease is given back at once, and asked for again after Retry.
func Hold(ctx context.Context, b *Bucket, key, owner string, o LeaseOptions, lead func(ctx context.Context, l *Lease)) {
	for to, d := range map[*time.Duration]time.Duration{
		&o.Renew: 700 * time.Millisecond, &o.Give: 1300 * time.Millisecond, &o.Retry: 500 * time.Millisecond,
	} {
		if *to == 0 {
			*to = d
		}
	}
	for ctx.Err() == nil {
		asked := time.Now()
		try, cancel := context.WithTimeout(ctx, o.Give)
		rev, err := b.Create(try, key, []byte(owner))
		cancel()
		if err == nil && time.Since(asked) < o.Give {
			l := &Lease{}
			l.renewed.Store(&asked)
			l.hold(ctx, b, key, owner, rev, o, lead)
		}
		t := time.NewTimer(backoff(16, o.Retry, o.Retry))
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// hold leads until lead returns, the lease is lost or ctx ends.
func (l *Lease) hold(ctx context.Context, b *Bucket, key, owner string, rev uint64, o LeaseOptions, lead func(context.Context, *Lease)) {
	leading, end := context.WithCancel(ctx)
	defer end()
	done := make(chan struct{})
	go func() {
		defer close(done)
		lead(leading, l)
	}()
	renew := time.NewTicker(o.Renew)
	defer renew.Stop()
	limit := time.AfterFunc(o.Give-time.Since(l.Renewed()), end)
	defer limit.Stop()
	// free gives the lease back, if it is still ours.
	free := func() {
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Renew)
		defer cancel()
		_ = b.Delete(free, key, rev)
	}
	for {
		select {
		case <-done:
			free()
			return
		case <-leading.Done():
			<-done
			if ctx.Err() != nil {
				free()
			}
			return
		case <-renew.C:
			asked := time.Now()
			try, cancel := context.WithTimeout(leading, o.Give-time.Since(l.Renewed()))
			next, err := b.Update(try, key, []byte(owner), rev)
			cancel()
			switch {
			case err == nil:
				rev = next
				if limit.Stop() || leading.Err() == nil {
					l.renewed.Store(&asked)
					limit.Reset(o.Give - time.Since(asked))
				}
			case fault.CodeOf(err) == fault.Conflict:
				end() // somebody else has it; the loop sees that leading ended
			}
		}
	}
}
