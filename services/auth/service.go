package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/identity"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/store"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
	"github.com/octomesh/octomesh/services/auth/callout"
	"github.com/octomesh/octomesh/services/auth/keyring"
	"github.com/octomesh/octomesh/services/auth/keys"
	"github.com/octomesh/octomesh/services/auth/projects"
	"github.com/octomesh/octomesh/services/auth/scopes"
	"github.com/octomesh/octomesh/services/auth/system"
	"github.com/octomesh/octomesh/services/auth/throttle"
	"github.com/octomesh/octomesh/services/auth/tickets"
)

// flushEvery is how often uses of keys are written down.
const flushEvery = 10 * time.Second

// revocationsLive is how long the bucket keeps a revocation: longer than any
// token, and short enough that the bucket stays small.
const revocationsLive = time.Hour

// Service is the auth service.
type Service struct {
	Config
	Deps
	ready chan struct{}

	signer   *access.Signer
	verifier *access.Verifier
	store    *store.Store
	records  *system.Records
	list     *projects.List
	registry *scopes.Registry
	keys     *keys.Manager
	office   *tickets.Office
	throttle *throttle.Throttle
	expiries expiries
	seeds    struct{ issuer, curve string }

	nc          *nats.Conn
	revocations *bus.Bucket
	kicks       *kicks
	wg          sync.WaitGroup
}

// New returns a Service that is not running.
func New(c Config, d Deps) (*Service, error) {
	if d.Dialer == nil {
		return nil, fmt.Errorf("the auth service needs a Dialer")
	}
	if c.AdminKey != "" {
		if _, err := access.ParseKey(c.AdminKey); err != nil {
			return nil, fmt.Errorf("OCTOMESH_ADMIN_KEY: %w", err)
		}
	}
	d.defaults()
	return &Service{Config: c, Deps: d, ready: make(chan struct{}), throttle: throttle.New(throttle.Options{Now: d.Now})}, nil
}

// Name returns the service's name.
func (s *Service) Name() string { return "auth" }

// Ready is closed when credentials can be exchanged.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Check tells what keeps a ready auth service from answering just now.
func (s *Service) Check(context.Context) error {
	if !s.nc.IsConnected() {
		return errors.New("there is no connection to NATS")
	}
	return nil
}

// Run works until ctx ends.
func (s *Service) Run(ctx context.Context) (err error) {
	life, stop := context.WithCancel(ctx)
	defer s.wg.Wait()
	defer stop()
	if err := s.open(life); err != nil {
		return err
	}
	defer func() {
		// What was used since the last time is written down after the last use.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if e := s.keys.Flush(end); e != nil {
			s.Log.Warn("uses of keys could not be written down", "err", e)
		}
		if e := s.store.Close(); e != nil && err == nil {
			err = e
		}
	}()
	if bus.Await(ctx, s.Dialer, s.Log) != nil {
		return nil
	}
	if s.nc, err = s.Dialer.Dial("control"); err != nil {
		return fmt.Errorf("NATS cannot be reached: %w", err)
	}
	defer s.nc.Close()
	if s.System != nil {
		nc, err := s.System.Dial("system")
		if err != nil {
			return fmt.Errorf("NATS cannot be reached in the role system: %w", err)
		}
		defer nc.Close()
		s.kicks = newKicks(callout.NewKicker(nc), s.Log)
		defer s.kicks.close()
		defer s.verifier.OnRevoke(s.kicks.revoked)()
	}
	if err := s.share(life); err != nil {
		return s.orderly(ctx, err)
	}
	defer s.expiries.close()
	if err := s.watchExpiries(life); err != nil {
		return s.orderly(ctx, err)
	}
	stops, err := s.serve()
	defer func() {
		for i := len(stops) - 1; i >= 0; i-- {
			stops[i]()
		}
	}()
	if err != nil {
		return s.orderly(ctx, err)
	}
	close(s.ready)
	s.work(life)
	return nil
}

// orderly hides an error that only tells of the end of ctx.
func (s *Service) orderly(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// open reads the keys of the house and opens the system store.
func (s *Service) open(ctx context.Context) error {
	if err := s.loadSeeds(); err != nil {
		return err
	}
	cat, err := system.Catalog()
	if err != nil {
		return err
	}
	conn, err := sqlite.Open(ctx, s.path("system.db"), cat, sqlite.Options{Sync: "full"})
	if err != nil {
		return fmt.Errorf("the system store: %w", err)
	}
	if s.store, err = store.Open(ctx, conn, cat, store.Options{Now: s.Now}); err != nil {
		_ = conn.Close() // the first error counts
		return fmt.Errorf("the system store: %w", err)
	}
	s.records = system.New(mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
		return s.store.Call(ctx, r, nil)
	}))
	if err := s.prepare(ctx); err != nil {
		_ = s.store.Close()
		return err
	}
	return nil
}

func (s *Service) prepare(ctx context.Context) (err error) {
	if s.list, err = projects.Load(ctx, s.records, s.Now); err != nil {
		return err
	}
	wanted, err := s.Projects()
	if err != nil {
		return err
	}
	s.list.Changed = s.changed
	if err := s.list.Sync(ctx, wanted); err != nil {
		return err
	}
	s.registry = scopes.NewRegistry(s.list)
	s.keys = keys.NewManager(s.records, s.registry, s, s.Now)
	s.keys.OnExpiry = s.expire
	return s.firstKey(ctx)
}

func (s *Service) loadSeeds() error {
	s.seeds.issuer, s.seeds.curve = s.IssuerSeed, s.CurveSeed
	if s.seeds.issuer == "" || s.seeds.curve == "" {
		ring, err := keyring.Open(s.path("nats"))
		if err != nil {
			return err
		}
		if s.seeds.issuer == "" {
			if s.seeds.issuer, err = ring.Issuer(); err != nil {
				return err
			}
		}
		if s.seeds.curve == "" {
			if s.seeds.curve, err = ring.Curve(); err != nil {
				return err
			}
		}
	}
	var err error
	if s.signer, err = access.NewSigner([]byte(s.seeds.issuer)); err != nil {
		return err
	}
	s.verifier, err = access.NewVerifier(s.signer.Public())
	return err
}

// share opens the buckets that all services read, follows the revocations and
// publishes the catalogs.
func (s *Service) share(ctx context.Context) (err error) {
	cfg := bus.BucketConfig{Create: true, Replicas: s.Replicas}
	mirror, changed := &projects.Mirror{}, make(chan struct{}, 1)
	nudge := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	filled := cfg
	filled.Refill = func() {
		mirror.Forget()
		nudge()
	}
	catalogs, err := bus.OpenBucket(ctx, s.nc, bus.BucketCatalogs, filled)
	if err != nil {
		return err
	}
	cfg.TTL = revocationsLive
	if s.revocations, err = bus.OpenBucket(ctx, s.nc, bus.BucketRevocations, cfg); err != nil {
		return err
	}
	s.office = tickets.New([]byte(s.seeds.issuer), usedTickets{s.revocations})
	loaded, published := make(chan struct{}), make(chan error, 1)
	s.wg.Go(func() { identity.Follow(ctx, s.revocations, s.verifier, func() { close(loaded) }) })
	s.wg.Go(func() {
		// Nothing is published before the bucket has told what it holds.
		catalogs.Watch(ctx, func(key string, value []byte, deleted bool) {
			mirror.Told(key, value, deleted)
			if deleted {
				nudge()
			}
		}, nudge)
	})
	s.wg.Go(func() { s.publish(ctx, catalogs, mirror, changed, published) })
	select {
	case <-loaded:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err = <-published:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return err
}

// publish keeps the bucket of catalogs as the list says, also when it is wiped.
// first is told the outcome of the first time.
func (s *Service) publish(ctx context.Context, b *bus.Bucket, mirror *projects.Mirror, changed <-chan struct{}, first chan<- error) {
	again := time.NewTicker(time.Second)
	defer again.Stop()
	failed := false
	for {
		select {
		case <-changed:
		case <-again.C:
			if !failed {
				continue
			}
		case <-ctx.Done():
			return
		}
		err := s.list.Publish(ctx, b, mirror)
		if failed = err != nil; failed && ctx.Err() == nil {
			s.Log.Warn("the catalogs could not be published; trying again", "err", err)
		}
		select {
		case first <- err:
		default:
		}
	}
}

// serve answers the control plane and the auth callout.
func (s *Service) serve() (stops []func(), err error) {
	for service, verbs := range map[string]map[string]bus.ControlFunc{"auth": s.authVerbs(), "admin": s.adminVerbs()} {
		stop, err := bus.ServeControl(s.nc, service, verbs)
		if err != nil {
			return stops, err
		}
		stops = append(stops, stop)
	}
	stop, err := callout.Serve(s.nc, callout.Options{
		Issuer: []byte(s.seeds.issuer), Curve: []byte(s.seeds.curve), Auth: s, Slugs: s.list, Log: s.Log, Now: s.Now,
	})
	if err != nil {
		return stops, err
	}
	return append(stops, stop), nil
}

// work does what is due from time to time until ctx ends.
func (s *Service) work(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	trim := time.NewTicker(time.Hour)
	defer trim.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.keys.Flush(ctx); err != nil && ctx.Err() == nil {
				s.Log.Warn("uses of keys could not be written down; trying again", "err", err)
			}
		case <-trim.C:
			if err := s.trim(ctx); err != nil && ctx.Err() == nil {
				s.Log.Warn("the system store's change log could not be trimmed", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *Service) trim(ctx context.Context) error {
	at, err := s.store.Position(ctx)
	if err == nil {
		_, err = s.store.Trim(ctx, at.Seq)
	}
	return err
}

// usedTickets writes down in the bucket of revocations which tickets were used.
type usedTickets struct{ bucket *bus.Bucket }

func (u usedTickets) Once(ctx context.Context, name string) (bool, error) {
	_, err := u.bucket.Create(ctx, identity.UsedTicket+"."+name, []byte("used"))
	if fault.CodeOf(err) == fault.Conflict {
		return false, nil
	}
	return err == nil, err
}
