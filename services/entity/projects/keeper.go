package projects

import (
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// The pace of a project that cannot be opened.
const (
	reopenFirst = 250 * time.Millisecond
	reopenMost  = 5 * time.Second
	swapRetry   = time.Second
)

// keeper keeps one project served until it is withdrawn.
type keeper struct {
	set   *Set
	slug  string     // under the Set's lock: of the newest definition
	want  chan order // the newest
	once  sync.Once
	try   chan struct{} // closed after the first attempt to open
	ended chan struct{} // closed when the project is no longer served here
	told  string        // the last reason why a catalog was not taken
	mute  bool          // a catalog is in force that could not be announced
}

// order is what a keeper shall do next.
type order struct {
	definition *Definition // nil = withdraw
	// after are the ends of others that had the slug: subjects and the host know
	// a project by its slug alone, so they go before this one comes.
	after []<-chan struct{}
}

// tell replaces what the keeper shall do next. The Set's lock is held.
func (k *keeper) tell(o order) {
	select {
	case old := <-k.want:
		o.after = append(o.after, old.after...)
	default:
	}
	k.want <- o
}

// run is a keeper's life.
func (k *keeper) run() {
	s := k.set
	var d *Definition
	var p *Project
	defer func() {
		k.close(p)
		k.tried()
		s.mu.Lock()
		delete(s.leaving, k)
		s.mu.Unlock()
		close(k.ended)
	}()
	for {
		var again <-chan time.Time
		if d != nil && p == nil {
			again = k.reopen(&p, d)
		} else if d != nil && !k.fits(p, d) {
			again = time.After(swapRetry)
		}
		if d != nil {
			k.tried()
		}
		select {
		case o := <-k.want:
			if d = o.definition; d == nil {
				return
			}
			for _, end := range o.after {
				select {
				case <-end:
				case <-s.ctx.Done():
					return
				}
			}
			if p != nil && (p.Slug != d.Slug || p.Dialect != d.Dialect) {
				k.close(p)
				p = nil
			}
		case <-again:
		case <-s.ctx.Done():
			return
		}
	}
}

func (k *keeper) tried() { k.once.Do(func() { close(k.try) }) }

// reopen opens and serves the project; if it cannot, it returns when to try
// again. A database that another process holds is what a stand-by waits for.
func (k *keeper) reopen(into **Project, d *Definition) <-chan time.Time {
	s := k.set
	p, err := start(s.ctx, &s.o, d)
	if err == nil {
		if err = k.announce(p); err == nil {
			*into = p
			s.o.Log.Info("serving", telemetry.KeyProject, p.Slug, "dialect", p.Dialect, "catalog", p.Version())
			return nil
		}
		_ = p.stop()
	}
	if s.ctx.Err() != nil {
		return nil
	}
	select {
	case <-k.try: // told once, then quietly tried
		s.o.Log.Debug("the project still cannot be served", telemetry.KeyProject, d.Slug, telemetry.KeyError, err.Error())
	default:
		k.judge(d, err)
		s.o.Log.Warn("the project cannot be served yet", telemetry.KeyProject, d.Slug, telemetry.KeyError, err.Error(), "details", fault.From(err).Details)
	}
	if fault.CodeOf(err) == fault.DBNotConnected {
		return time.After(reopenFirst)
	}
	return time.After(reopenMost)
}

// judge keeps an error of the default project's first attempt that stays.
func (k *keeper) judge(d *Definition, err error) {
	f := fault.From(err)
	if d.Slug != subject.DefaultProject || f.Code != fault.InvalidRequest && f.Code != fault.Unsupported {
		return
	}
	k.set.mu.Lock()
	defer k.set.mu.Unlock()
	k.set.unfit = fault.Wrap(err, f.Code, "the default project cannot be opened: %s (DB_DIALECT is %s; mend it or SGBD_URI, or the project's entry in the file of projects)", f.Message, d.Dialect)
}

func (k *keeper) announce(p *Project) error {
	return k.set.o.Host.Serve(bus.Project{Slug: p.Slug, ID: p.ID, CatalogVersion: p.Version(), Dialect: p.Dialect}, p.gate.through(k.set.o.Caller(p)))
}

// fits puts the definition's catalog in force, if it is another one.
func (k *keeper) fits(p *Project, d *Definition) bool {
	s := k.set
	cat, err := schema.Parse(d.Schemas)
	if err == nil && cat.Version == p.Version() && !k.mute {
		return true
	}
	was := p.Store.Catalog()
	if err == nil && cat.Version != p.Version() {
		err = p.swap(s.ctx, cat)
		k.mute = k.mute || err == nil
	}
	if err == nil {
		err = k.announce(p)
		k.mute = err != nil
	}
	if err != nil {
		if text := err.Error(); s.ctx.Err() == nil && text != k.told { // once, though it is tried each second
			k.told = text
			s.o.Log.Error("the new catalog could not be put in force", telemetry.KeyProject, p.Slug, telemetry.KeyError, text, "details", fault.From(err).Details)
		}
		return false
	}
	k.told = ""
	safe, backfill, destructive := schema.Count(schema.Diff(was, cat)) // the auth service logs them one by one
	s.o.Log.Info("another catalog is in force", telemetry.KeyProject, p.Slug, "catalog", cat.Version, "safe", safe, "backfill", backfill, "destructive", destructive)
	return true
}

func (k *keeper) close(p *Project) {
	if p == nil {
		return
	}
	s := k.set
	if err := s.o.Host.Withdraw(p.Slug); err != nil {
		s.o.Log.Warn("the project could not be withdrawn", telemetry.KeyProject, p.Slug, telemetry.KeyError, err.Error())
	}
	if err := p.stop(); err != nil {
		s.o.Log.Error("the database could not be closed", telemetry.KeyProject, p.Slug, telemetry.KeyError, err.Error())
	}
}
