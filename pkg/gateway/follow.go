package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/identity"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// identities is the process's identity.Identity from the moment that it is
// there; until then nobody can be told apart, and nobody is let in.
type identities struct {
	now atomic.Pointer[identity.Identity]
}

// Principal turns a credential into a principal and the token that says so.
// Errors: those of access.Exchanger, UNAVAILABLE before the auth service has
// been reached.
func (l *Link) Principal(ctx context.Context, c access.Credential) (*mesh.Principal, string, error) {
	if id := l.identities.now.Load(); id != nil {
		return id.Principal(ctx, c)
	}
	return nil, "", fault.New(fault.Unavailable, "the gateway has not reached the auth service yet")
}

// verify tells whether a token is still good. Errors: those of access.Verifier,
// UNAVAILABLE.
func (i *identities) verify(token string) (*mesh.Principal, error) {
	if id := i.now.Load(); id != nil {
		return id.Verify(token)
	}
	return nil, fault.New(fault.Unavailable, "the gateway has not reached the auth service yet")
}

func (i *identities) trusted() bool {
	id := i.now.Load()
	return id != nil && id.Trusted()
}

// Follow learns the projects and who may be believed, and goes on in goroutines
// of work until ctx ends. arrived is called once each has been learnt.
func (l *Link) Follow(ctx context.Context, work *sync.WaitGroup, arrived func()) {
	var missing sync.WaitGroup
	missing.Add(2)
	work.Go(func() { l.followCatalogs(ctx, missing.Done) })
	work.Go(func() { l.followIdentity(ctx, missing.Done) })
	work.Go(func() {
		missing.Wait()
		if ctx.Err() == nil {
			arrived()
		}
	})
}

func (l *Link) followCatalogs(ctx context.Context, arrived func()) {
	done := sync.OnceFunc(arrived)
	defer done()
	b, err := bus.OpenBucket(ctx, l.Client.Conn(), bus.BucketCatalogs, bus.BucketConfig{})
	if err != nil { // only when ctx ended
		return
	}
	b.Watch(ctx, func(key string, value []byte, deleted bool) {
		if err := l.Projects.Apply(key, value, deleted); err != nil {
			l.log.Error("a catalog was left as it was", telemetry.KeyProject, key, telemetry.KeyError, err.Error())
		}
	}, func() {
		l.Projects.SetLoaded()
		done()
	})
}

// followIdentity starts pkg/identity, which waits for the auth service, and
// tells revocations to what is open.
func (l *Link) followIdentity(ctx context.Context, arrived func()) {
	done := sync.OnceFunc(arrived)
	defer done()
	for ctx.Err() == nil {
		id, err := identity.Start(ctx, l.Client.Conn(), l.Client, l.log)
		if err == nil {
			id.Count(l.metrics.AuthCache)
			defer id.Close()
			defer id.OnRevoke(func(who string) {
				l.Feed.Revoke(who)
				l.Hub.Revoke(who)
			})()
			l.identities.now.Store(id)
			done()
			<-ctx.Done()
			return
		}
		if ctx.Err() == nil {
			l.log.Warn("the auth service cannot be reached yet", telemetry.KeyError, err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
