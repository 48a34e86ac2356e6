package projects

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/entity/relay"
)

// Host is where projects are served; it is bus.Host.
type Host interface {
	Serve(p bus.Project, c mesh.Caller) error
	Withdraw(slug string) error
}

// Options are what a Set works with. All but Retention, SQLiteSync, Owner and Bell
// are required.
type Options struct {
	Dialects   []Dialect // what can be opened
	DataDir    string
	SQLiteSync string
	CursorKey  []byte
	Retention  time.Duration // of change logs; 0 = 24 h
	Replicas   int           // of the stream of events; 0 = 1
	Owner      string        // names this process in leases
	Host       Host
	Relay      *relay.Conn
	// Bell tells the leading relay of a project that something was committed;
	// used where several processes serve it.
	Bell func(slug string)
	// Ask returns the definitions of all projects.
	Ask func(ctx context.Context) ([]Definition, error)
	// Caller makes what serves a project's calls.
	Caller  func(p *Project) mesh.Caller
	Log     *slog.Logger
	Metrics *telemetry.Metrics
}

// Catalog is one project as the bucket of catalogs has it.
type Catalog struct {
	ID      string   `json:"id"`
	Slug    string   `json:"slug"`
	Version string   `json:"version"`
	Dialect string   `json:"dialect"`
	Schemas jsonText `json:"schemas"`
	Deleted bool     `json:"deleted"`
}

// Set is the projects of one worker. Each has a goroutine of its own, so that
// one whose database is slow or missing keeps no other waiting.
type Set struct {
	o      Options
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup

	asking sync.Mutex // one Sync at a time, so that a later answer counts

	mu       sync.Mutex
	keepers  map[string]*keeper // by id
	leaving  map[*keeper]struct{}
	catalogs map[string]shown // of the whole mesh, by slug
	closed   bool
	unfit    error
}

// shown is a project as discover tells of it.
type shown struct {
	id      string
	catalog *schema.Catalog
}

// New returns an empty Set; Close it.
func New(o Options) *Set {
	s := &Set{o: o, keepers: map[string]*keeper{}, leaving: map[*keeper]struct{}{}, catalogs: map[string]shown{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Sync asks for the definitions and serves them all, once. It returns when each
// has been tried; those that could not be opened are tried again meanwhile.
// Errors: those of Ask.
func (s *Set) Sync(ctx context.Context) error {
	tries, err := s.sync(ctx)
	if err != nil {
		return err
	}
	for _, try := range tries {
		select {
		case <-try:
		case <-ctx.Done():
			return fault.From(ctx.Err())
		}
	}
	return nil
}

func (s *Set) sync(ctx context.Context) (tries []chan struct{}, err error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	defs, err := s.o.Ask(ctx)
	if err != nil {
		return nil, err
	}
	owners := map[string]string{}
	for i := range defs {
		d := &defs[i]
		if owner, taken := owners[d.Slug]; taken {
			s.o.Log.Error("two projects have one name; the first of them is served", telemetry.KeyProject, d.Slug, "first", owner, "other", d.ID)
			continue
		}
		owners[d.Slug] = d.ID
		if k := s.serve(d); k != nil {
			tries = append(tries, k.try)
		}
	}
	return tries, nil
}

// serve hands a definition to the project's keeper. Another project that has the
// slug was deleted, even if its end has not been told here.
func (s *Set) serve(d *Definition) *keeper {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	for id, other := range s.keepers {
		if id != d.ID && other.slug == d.Slug {
			s.retire(id)
		}
	}
	o := order{definition: d}
	for other := range s.leaving {
		if other.slug == d.Slug {
			o.after = append(o.after, other.ended)
		}
	}
	if cat, err := schema.Parse(d.Schemas); err == nil {
		s.catalogs[d.Slug] = shown{d.ID, cat}
	}
	k := s.keepers[d.ID]
	if k == nil {
		k = &keeper{set: s, want: make(chan order, 1), try: make(chan struct{}), ended: make(chan struct{})}
		s.keepers[d.ID] = k
		s.done.Go(k.run)
	}
	k.slug = d.Slug
	k.tell(o)
	return k
}

// retire has a project withdrawn. The Set's lock is held.
func (s *Set) retire(id string) {
	if k := s.keepers[id]; k != nil {
		delete(s.keepers, id)
		s.leaving[k] = struct{}{}
		k.tell(order{})
	}
}

// Unfit is why the default project could not be opened at its first attempt, where
// no waiting helps: its settings are wrong, or name what this program does not
// have. Errors: INVALID_REQUEST, UNSUPPORTED.
func (s *Set) Unfit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unfit
}

// Changed takes a catalog that was published. A project that is new here is
// asked for at the auth service, which alone knows the database's address.
func (s *Set) Changed(value []byte) {
	var c Catalog
	if err := json.Unmarshal(value, &c); err != nil || c.Slug == "" {
		s.o.Log.Warn("a published catalog cannot be read", telemetry.KeyError, errText(err))
		return
	}
	s.mu.Lock()
	k := s.keepers[c.ID]
	old, had := s.catalogs[c.Slug]
	if c.Deleted {
		if had && old.id == c.ID {
			delete(s.catalogs, c.Slug)
		}
		s.retire(c.ID)
	}
	same := had && old.id == c.ID && old.catalog.Version == c.Version
	s.mu.Unlock()
	if c.Deleted || k != nil && same {
		return
	}
	s.done.Go(func() {
		wait := reopenFirst
		for s.ctx.Err() == nil {
			err := s.Sync(s.ctx)
			if err == nil {
				return
			}
			s.o.Log.Warn("the projects cannot be asked for", telemetry.KeyError, err.Error())
			sleep(s.ctx, wait)
			wait = min(2*wait, reopenMost)
		}
	})
}

func errText(err error) string {
	if err == nil {
		return "it names no project"
	}
	return err.Error()
}

// Each calls fn for every project of the mesh that is known here, in no order.
func (s *Set) Each(fn func(id, slug string, cat *schema.Catalog)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slug, c := range s.catalogs {
		fn(c.id, slug, c.catalog)
	}
}

// Close withdraws all projects and closes their databases. The host must have
// been drained.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.done.Wait()
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
