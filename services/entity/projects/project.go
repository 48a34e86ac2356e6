package projects

import (
	"context"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/entity/relay"
)

// Definition is what the auth service tells of a project (octo.auth.projects).
type Definition struct {
	ID       string   `json:"id"`
	Slug     string   `json:"slug"`
	Dialect  string   `json:"dialect"`
	URI      string   `json:"uri"`
	Schemas  jsonText `json:"schemas"`
	Strategy string   `json:"strategy"`
}

// jsonText is JSON that is kept as it came.
type jsonText []byte

// UnmarshalJSON keeps a copy.
func (t *jsonText) UnmarshalJSON(b []byte) error {
	*t = append((*t)[:0], b...)
	return nil
}

// Project is one project that is served.
type Project struct {
	ID, Slug string
	Dialect  string
	Store    *store.Store

	gate   *gate
	relay  *relay.Relay
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	version string        // in force
	changed chan struct{} // closed when another one is
	seen    []string      // versions that are known not to be coming
}

// The pace of what goes on beside the calls.
const (
	trimEvery    = 30 * time.Second
	relayStart   = 3 * time.Second        // before calls are taken without a relay
	relayFinish  = time.Second            // to publish what is left at a stop
	catalogWait  = 200 * time.Millisecond // for a catalog that a caller knows already
	seenVersions = 32
	callsFinish  = 10 * time.Second // for calls under way when the project is withdrawn
)

// start opens the database and starts the relay. Errors: those of the dialect,
// VALIDATION_ERROR for schemas that are none, UNSUPPORTED.
func start(ctx context.Context, o *Options, d *Definition) (*Project, error) {
	cat, err := schema.Parse(d.Schemas)
	if err != nil {
		return nil, err
	}
	dialect, err := Find(o.Dialects, d.Dialect)
	if err != nil {
		return nil, err
	}
	conn, err := dialect.Open(ctx, o, d, cat)
	if err != nil {
		return nil, err
	}
	p := &Project{ID: d.ID, Slug: d.Slug, Dialect: d.Dialect, gate: newGate(), version: cat.Version, changed: make(chan struct{})}
	exclusive := conn.Capabilities().Exclusive
	ro := relay.Options{Project: d.Slug, Log: conn, Conn: o.Relay, Logger: o.Log, Metrics: o.Metrics, Replicas: o.Replicas}
	if !exclusive {
		ro.Owner = o.Owner
	}
	p.relay = relay.New(ro)
	committed := func(int64) { p.relay.Ring() }
	if !exclusive && o.Bell != nil {
		committed = func(int64) { o.Bell(d.Slug) } // another process may lead; it comes back here if none does
	}
	p.Store, err = store.Open(ctx, conn, cat, store.Options{
		CursorKey: o.CursorKey, Retention: o.Retention, OnCommit: committed,
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.cancel = cancel
	p.done.Go(func() {
		if err := p.relay.Run(life); err != nil {
			o.Log.Error("the relay of the project does not run", telemetry.KeyProject, p.Slug, telemetry.KeyError, err.Error())
		}
	})
	p.done.Go(func() { p.trim(life, o) })
	p.done.Go(func() { p.warn(life, o, cat) })
	if exclusive {
		// The relay may give the log another epoch, which positions begin with.
		wait := time.NewTimer(relayStart)
		defer wait.Stop()
		select {
		case <-p.relay.Started():
		case <-wait.C:
			o.Log.Warn("the project is served before its events can be published", telemetry.KeyProject, p.Slug)
		case <-ctx.Done():
		}
	}
	return p, nil
}

// trim keeps the change log to its retention.
func (p *Project) trim(ctx context.Context, o *Options) {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		upTo := p.relay.Published()
		if upTo == 0 {
			continue // another process leads, or nothing is published yet
		}
		if _, err := p.Store.Trim(ctx, upTo); err != nil && ctx.Err() == nil {
			o.Log.Warn("the change log could not be trimmed", telemetry.KeyProject, p.Slug, telemetry.KeyError, err.Error())
		}
	}
}

// warnedMost bounds what is logged of one database or one catalog.
const warnedMost = 20

// warn logs what differs in the tables and can be lived with.
func (p *Project) warn(ctx context.Context, o *Options, cat *schema.Catalog) {
	conn, ok := p.Store.Conn().(driver.Examiner)
	if !ok {
		return
	}
	x, err := conn.Examine(ctx, cat)
	if err != nil {
		if ctx.Err() == nil {
			o.Log.Warn("the tables could not be compared with the schemas", telemetry.KeyProject, p.Slug, telemetry.KeyError, err.Error())
		}
		return
	}
	for i, m := range x.Warnings {
		if i == warnedMost {
			o.Log.Warn("more columns differ; octomesh doctor --tables lists them", telemetry.KeyProject, p.Slug, "count", len(x.Warnings)-i)
			return
		}
		o.Log.Warn("a column differs from one of our own", telemetry.KeyProject, p.Slug, "table", m.Table, "column", m.Column, "found", m.Found, "wanted", m.Wanted, "do", m.Do)
	}
}

// stop waits for the calls under way, lets the relay publish what is left, for a
// moment, and closes the database.
func (p *Project) stop() error {
	p.gate.close(callsFinish)
	late := time.Now().Add(relayFinish)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for time.Now().Before(late) {
		at, err := p.Store.Position(context.Background())
		if err != nil || p.relay.Published() == 0 || p.relay.Published() >= at.Seq {
			break
		}
		<-look.C
	}
	p.cancel()
	p.done.Wait()
	return p.Store.Close()
}

// Version is the version of the catalog in force.
func (p *Project) Version() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.version
}

// Await waits for a moment until the catalog of that version is in force, if
// it can still be coming: a gateway may have heard of it first. It returns
// without an error in any case, since an older catalog can serve most calls.
func (p *Project) Await(ctx context.Context, version string) {
	p.mu.Lock()
	if version == "" || version == p.version || p.known(version) {
		p.mu.Unlock()
		return
	}
	changed := p.changed
	p.mu.Unlock()
	t := time.NewTimer(catalogWait)
	defer t.Stop()
	for {
		select {
		case <-changed:
		case <-t.C:
			p.mu.Lock()
			p.remember(version)
			p.mu.Unlock()
			return
		case <-ctx.Done():
			return
		}
		p.mu.Lock()
		if p.version == version {
			p.mu.Unlock()
			return
		}
		changed = p.changed
		p.mu.Unlock()
	}
}

func (p *Project) known(version string) bool {
	for _, v := range p.seen {
		if v == version {
			return true
		}
	}
	return false
}

// remember is called with mu held.
func (p *Project) remember(version string) {
	if !p.known(version) {
		p.seen = append(p.seen, version)
		p.seen = p.seen[max(0, len(p.seen)-seenVersions):]
	}
}

// swap puts another catalog in force.
func (p *Project) swap(ctx context.Context, cat *schema.Catalog) error {
	if err := p.Store.SwapCatalog(ctx, cat); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remember(p.version) // gateways that still have it need not wait
	p.version = cat.Version
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}
