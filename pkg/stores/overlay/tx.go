package overlay

import (
	"context"
	"slices"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// tx is the group as one unit sees it.
type tx struct {
	g     *Group
	unit  int
	first int64 // the first seq given in this unit, 0 if none
	open  bool
}

var _ driver.Tx = (*tx)(nil)

func (t *tx) check() error {
	if !t.open {
		return fault.New(fault.Internal, "the transaction has ended")
	}
	return nil
}

// Load implements driver.Tx.
func (t *tx) Load(e *schema.Entity, id string) (schema.Row, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	r, err := t.find(e, id)
	if err != nil || r == nil {
		return nil, err
	}
	return slices.Clone(r.Row), nil
}

// find returns what is known of an entity's row; nil if there is none, else its
// Row is not nil.
func (t *tx) find(e *schema.Entity, id string) (*Record, error) {
	g := t.g
	at := place{e.Collection, id}
	if r := g.rows[at]; r != nil && (r.written || r.Entity == e) {
		if r.Entity != e || r.Row == nil {
			return nil, nil
		}
		return r, nil
	}
	where := query.And{query.Compare{Column: e.Columns[0], Op: query.Eq, Value: schema.TextOf(id)}}
	if c := sqlgen.Discriminator(e); c != nil {
		where = append(where, query.Compare{Column: c, Op: query.Eq, Value: schema.TextOf(e.DiscriminatorValue)})
	}
	var r *Record
	err := g.base.Select(context.Background(), &query.Select{Entity: e, Projection: whole(e), Where: where}, func(row driver.Row) error {
		r = &Record{Entity: e, ID: id, Row: copyRow(e, row)}
		return nil
	})
	if err != nil || r == nil {
		return nil, err
	}
	r.Before = r.Row
	g.rows[at] = r // stays when the unit fails: it is what the database has
	return r, nil
}

func whole(e *schema.Entity) *query.Projection {
	return &query.Projection{Columns: e.Columns, Key: "\x00whole"}
}

func copyRow(e *schema.Entity, r driver.Row) schema.Row {
	row := make(schema.Row, len(e.Columns))
	for i := range row {
		row[i] = r.Value(i)
	}
	return row
}

// Insert implements driver.Tx.
func (t *tx) Insert(e *schema.Entity, row schema.Row) error {
	if err := t.check(); err != nil {
		return err
	}
	id := row[0].Text()
	row = slices.Clone(row)
	if c := sqlgen.Discriminator(e); c != nil {
		row[c.Index] = schema.TextOf(e.DiscriminatorValue)
	}
	old := t.g.rows[place{e.Collection, id}]
	if old != nil && old.Row != nil {
		return t.g.of(e)[0].conflict()
	}
	if err := t.claim(e, id, nil, row, old != nil); err != nil {
		return err
	}
	t.g.put(e, id, row)
	return nil
}

// Update implements driver.Tx.
func (t *tx) Update(e *schema.Entity, row schema.Row, set []*schema.Column) error {
	if err := t.check(); err != nil || len(set) == 0 {
		return err
	}
	id := row[0].Text()
	r, err := t.find(e, id)
	if err != nil || r == nil {
		return err
	}
	next := slices.Clone(r.Row)
	for _, c := range set {
		next[c.Index] = row[c.Index]
	}
	if err := t.claim(e, id, r.Row, next, true); err != nil {
		return err
	}
	t.g.put(e, id, next)
	return nil
}

// Delete implements driver.Tx.
func (t *tx) Delete(e *schema.Entity, id string) error {
	if err := t.check(); err != nil {
		return err
	}
	r, err := t.find(e, id)
	if err != nil || r == nil {
		return err
	}
	if err := t.claim(e, id, r.Row, nil, true); err != nil {
		return err
	}
	t.g.put(e, id, nil)
	return nil
}

// Append implements driver.Tx.
func (t *tx) Append(c *mesh.Change) error {
	if err := t.check(); err != nil {
		return err
	}
	g := t.g
	if c.IdempotencyKey != "" {
		if err := t.use(c.Principal, c.IdempotencyKey); err != nil {
			return err
		}
	}
	last := g.last
	c.Seq = last + 1
	if t.first == 0 {
		t.first = c.Seq
	}
	if c.Tx == 0 {
		c.Tx = t.first
	}
	g.last = c.Seq
	kept := *c
	g.changes = append(g.changes, &kept)
	g.did(func() { g.last, g.changes = last, g.changes[:len(g.changes)-1] })
	if c.IdempotencyKey != "" {
		t.keep(c.Principal, c.IdempotencyKey, &driver.Stored{Hash: c.RequestHash, Change: &kept, Seq: c.Seq})
	}
	return nil
}

// Replay implements driver.Tx.
func (t *tx) Replay(principal, key string) (*driver.Stored, error) {
	if err := t.check(); err != nil || key == "" {
		return nil, err
	}
	k := principal + "\x00" + key
	if s := t.g.keys[k]; s != nil || t.g.asked[k] {
		return s, nil
	}
	s, err := t.g.base.Replay(principal, key)
	if err == nil && s == nil {
		t.g.asked[k] = true
	}
	return s, err
}

// use refuses a key that was used.
func (t *tx) use(principal, key string) error {
	s, err := t.Replay(principal, key)
	if err != nil || s == nil {
		return err
	}
	return fault.Wrap(driver.ErrReplay, fault.Conflict, "the idempotency key was used meanwhile; send the request again")
}

func (t *tx) keep(principal, key string, s *driver.Stored) {
	k := principal + "\x00" + key
	t.g.keys[k] = s
	t.g.did(func() { delete(t.g.keys, k) })
}

// StoreReply implements driver.Tx. The reply's position is the last seq given.
func (t *tx) StoreReply(principal, key string, hash, body []byte, at time.Time) error {
	if err := t.check(); err != nil {
		return err
	}
	if err := t.use(principal, key); err != nil {
		return err
	}
	g := t.g
	r := Reply{principal, key, slices.Clone(hash), slices.Clone(body), g.last, at}
	g.replies = append(g.replies, r)
	g.did(func() { g.replies = g.replies[:len(g.replies)-1] })
	t.keep(principal, key, &driver.Stored{Hash: r.Hash, Body: r.Body, Seq: r.Seq})
	return nil
}
