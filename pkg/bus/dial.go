package bus

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Dialer hands out connections to the mesh, already in a service's role. The
// all-in-one binary's Dialer connects in process, URL's over the network; that
// is the only difference between the two ways to run.
type Dialer interface {
	// Dial opens a connection of its own for one purpose (calls, streams,
	// events, …), which names it in the server's monitoring.
	Dial(purpose string, opts ...nats.Option) (*nats.Conn, error)
}

// URL dials a NATS server over the network.
type URL struct {
	// Addr is one or several server addresses, separated by commas.
	Addr string
	// Service is the name of the connecting service.
	Service string
	// Role is the role in MESH (RoleGateway, …), which decides where replies
	// arrive; empty to use NATS's own inboxes, on a server without accounts.
	Role string
	// Seed is the nkey seed of the role; empty to connect without.
	Seed string
	// Options are set before those of Dial.
	Options []nats.Option
}

// Dial connects and keeps reconnecting for ever.
func (u URL) Dial(purpose string, opts ...nats.Option) (*nats.Conn, error) {
	all := []nats.Option{
		nats.Name(u.Service + "/" + purpose),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // nats.go's own prints
	}
	if u.Role != "" {
		all = append(all, nats.CustomInboxPrefix(InboxPrefix(u.Role)))
	}
	if u.Seed != "" {
		kp, err := nkeys.FromSeed([]byte(u.Seed))
		if err != nil {
			return nil, fmt.Errorf("the nkey seed of %s cannot be read: %w", u.Service, err)
		}
		pub, err := kp.PublicKey()
		if err != nil {
			return nil, err
		}
		all = append(all, nats.Nkey(pub, kp.Sign))
	}
	all = append(append(all, u.Options...), opts...)
	return nats.Connect(u.Addr, all...)
}

// Await returns as soon as d can connect, however long its server takes to come
// up: separate processes start in any order. The error is ctx's.
func Await(ctx context.Context, d Dialer, log *slog.Logger) error {
	for tries := 0; ; tries++ {
		nc, err := d.Dial("await")
		if err == nil {
			nc.Close()
			return nil
		}
		if log != nil && tries%8 == 2 { // a server that starts at the same time is no news
			log.Warn("NATS cannot be reached yet", "err", err.Error())
		}
		t := time.NewTimer(backoff(tries, 50*time.Millisecond, 2*time.Second))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}
