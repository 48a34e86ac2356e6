package overlay

import (
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// Base is what the database holds before the group: it must not change while
// the group runs, nor before it is stored.
type Base interface {
	driver.Reader
	// Replay returns what an idempotency key has stored, or nil.
	Replay(principal, key string) (*driver.Stored, error)
}

// Group is what several units leave. One goroutine uses it.
type Group struct {
	base    Base
	last    int64 // the last seq given
	rows    map[place]*Record
	order   []*Record                     // as they were written first
	dirty   map[string]map[string]*Record // by collection and id
	taken   map[string]string             // key of a unique value -> id of the written row that has it
	uniques map[*schema.Entity][]unique
	links   map[string]*junction
	keys    map[string]*driver.Stored
	asked   map[string]bool // keys that the base does not have
	checks  []check
	changes []*mesh.Change
	replies []Reply
	undo    []func()
	marks   []int // of undo, where each unit began
}

type place struct{ table, id string }

// Record is a row as the group leaves it.
type Record struct {
	Entity *schema.Entity
	ID     string
	// Row is the whole row; nil if the group deletes it.
	Row schema.Row
	// Before is the row that the database has; nil if it has none.
	Before schema.Row
	// Stale tells that the database has a row of another entity there, which has
	// to go first.
	Stale bool
	// Was is, if Stale, the record with that row as its Before.
	Was *Record

	written bool
	since   int // how many checks there were when it was written first
}

// Reply is a reply that an idempotency key keeps.
type Reply struct {
	Principal, Key string
	Hash, Body     []byte
	Seq            int64
	At             time.Time
}

// NewGroup returns an empty group over a base whose change log ends at last.
func NewGroup(base Base, last int64) *Group {
	return &Group{
		base: base, last: last, rows: make(map[place]*Record), dirty: make(map[string]map[string]*Record),
		taken: make(map[string]string), uniques: make(map[*schema.Entity][]unique), links: make(map[string]*junction),
		keys: make(map[string]*driver.Stored), asked: make(map[string]bool),
	}
}

// Last is the last seq that was given.
func (g *Group) Last() int64 { return g.last }

// Changes are the changes of the group, in order.
func (g *Group) Changes() []*mesh.Change { return g.changes }

// Replies are the replies that the group keeps.
func (g *Group) Replies() []Reply { return g.replies }

// Records calls each with every row that the group has written, in the order in
// which they were written last.
func (g *Group) Records(each func(*Record) error) error {
	for _, r := range g.order {
		if g.rows[place{r.Entity.Collection, r.ID}] != r || r.Row == nil && r.Before == nil && !r.Stale {
			continue // written once more, or inserted and deleted
		}
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

// Empty reports whether there is nothing to store.
func (g *Group) Empty() bool {
	if len(g.changes) > 0 || len(g.replies) > 0 {
		return false
	}
	for _, d := range g.dirty {
		if len(d) > 0 {
			return false
		}
	}
	for _, j := range g.links {
		if len(j.state) > 0 {
			return false
		}
	}
	return true
}

// Run runs a unit. When it fails, nothing of it is left. Values that it takes
// are not known to be free before Check.
func (g *Group) Run(u driver.Unit) error {
	unit, asked := len(g.marks), len(g.checks)
	g.marks = append(g.marks, len(g.undo))
	t := &tx{g: g, unit: unit, open: true}
	err := t.do(u)
	if err == nil {
		return nil
	}
	// What failed may have failed because it went on after an insert of what was
	// there already: that comes first.
	if taken, failed := g.check(asked); failed == nil && taken >= 0 {
		err = g.checks[taken].fault()
	}
	g.back(g.marks[unit])
	return err
}

// do runs the unit; a panic in it must not take the neighbours along.
func (t *tx) do(u driver.Unit) error {
	defer func() { t.open = false }()
	return u.Guard(t)
}

// Check asks the database whether the values that the units took are free. If
// not, it undoes the first unit that took one which is not, and all behind it,
// and returns its number and its CONFLICT: those before it may be stored, those
// behind it have to be run again. -1 = all are free.
func (g *Group) Check() (unit int, conflict, err error) {
	n, err := g.check(0)
	if err != nil || n < 0 {
		return -1, nil, err
	}
	c := g.checks[n]
	g.back(g.marks[c.unit])
	g.marks = g.marks[:c.unit]
	return c.unit, c.fault(), nil
}

// back undoes what was done after a mark.
func (g *Group) back(mark int) {
	for i := len(g.undo) - 1; i >= mark; i-- {
		g.undo[i]()
		g.undo[i] = nil
	}
	g.undo = g.undo[:mark]
}

func (g *Group) did(undo func()) { g.undo = append(g.undo, undo) }

// put writes a row (nil deletes it) over what is known of it.
func (g *Group) put(e *schema.Entity, id string, row schema.Row) {
	at := place{e.Collection, id}
	old := g.rows[at]
	r := &Record{Entity: e, ID: id, Row: row, written: true, since: len(g.checks)}
	if old != nil {
		r.Before, r.Stale, r.Was = old.Before, old.Stale, old.Was
		if old.Entity != e && old.Before != nil {
			r.Before, r.Stale, r.Was = nil, true, old
		}
		if old.written {
			r.since = old.since
		}
	}
	written := g.dirty[e.Collection]
	if written == nil {
		written = make(map[string]*Record)
		g.dirty[e.Collection] = written
	}
	g.rows[at], written[id] = r, r
	g.order = append(g.order, r)
	g.did(func() {
		g.order = g.order[:len(g.order)-1]
		if old == nil {
			delete(g.rows, at)
		} else {
			g.rows[at] = old
		}
		if old != nil && old.written {
			written[id] = old
		} else {
			delete(written, id)
		}
	})
}

// take notes that the row of an id has (or, with "", has no longer) a value.
func (g *Group) take(key, id string) {
	old, had := g.taken[key]
	if id == "" {
		delete(g.taken, key)
	} else {
		g.taken[key] = id
	}
	g.did(func() {
		if had {
			g.taken[key] = old
		} else {
			delete(g.taken, key)
		}
	})
}
