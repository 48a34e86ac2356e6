package sqldb

import (
	"context"
	sqldriver "database/sql/driver"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// tx is the transaction of one run of a unit.
type tx struct {
	*session
	first  int64 // the first number drawn, 0 if none
	last   int64 // the last one
	open   bool  // the unit runs
	keyed  bool  // what the unit does is found again by its idempotency key
	looked bool  // the unit has read, so another's commit may change its mind
	wrote  bool  // the unit has changed something
	// appended tells that a change of the unit waits, or has waited, in group.
	appended bool
	// group is what the units of a shared transaction have in common, nil for one
	// that is alone.
	group  *appends
	locks  []string
	buf    []byte
	drawn  int64 // the last number taken from the counter, see draw
	behind bool  // the counter's row does not know it yet
}

var (
	_ driver.Tx     = (*tx)(nil)
	_ driver.Locker = (*tx)(nil)
)

// check refuses work behind the end of the transaction.
func (t *tx) check() error {
	if !t.open || t.lost || t.broken {
		return fault.New(fault.Internal, "the transaction has ended")
	}
	return nil
}

// Lock implements driver.Locker.
func (t *tx) Lock(name string) error {
	if err := t.check(); err != nil {
		return err
	}
	if t.group != nil { // whoever has it may wait for a row of this transaction
		return fault.Wrap(errAlone, fault.Overloaded, "the records are being changed by others; try again")
	}
	if t.db.engine.LockRows {
		return t.lockRow(name)
	}
	if err := t.session.lock(uncancelled, name, lockWait); err != nil {
		return err
	}
	t.locks = append(t.locks, name)
	return nil
}

// Load implements driver.Tx.
func (t *tx) Load(e *schema.Entity, id string) (schema.Row, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	t.looked = true
	if t.db.engine.Touch {
		p := t.db.gen.Touch(e, nil, &t.args)
		t.begin()
		t.bind(id)
		if _, err := t.exec(uncancelled, p.SQL, e); err != nil {
			return nil, err
		}
	}
	p := t.db.gen.Load(e, &t.args)
	t.begin()
	t.bind(id)
	var out schema.Row
	err := t.query(uncancelled, p.SQL, p.Kinds, e, func(r *row) error {
		out = make(schema.Row, len(e.Columns))
		for i := range out {
			out[i] = r.Value(i)
		}
		return nil
	})
	return out, err
}

// fits refuses values that the database would round.
func (t *tx) fits(row schema.Row, columns []*schema.Column) error {
	if t.db.engine.Check == nil {
		return nil
	}
	for _, c := range columns {
		if v := row[c.Index]; v.Kind() == schema.KindDecimal {
			if reason := t.db.engine.Check(c, v); reason != "" {
				return fault.New(fault.ValidationError, "%s %s", c.Name, reason).
					With([]map[string]string{{"path": c.Name, "reason": reason}})
			}
		}
	}
	return nil
}

// write runs a statement that changes something.
func (t *tx) write(sql string, e *schema.Entity) (sqldriver.Result, error) {
	result, err := t.exec(uncancelled, sql, e)
	t.wrote = t.wrote || err == nil
	return result, err
}

// Insert implements driver.Tx.
func (t *tx) Insert(e *schema.Entity, row schema.Row) error {
	if err := t.check(); err != nil {
		return err
	}
	if err := t.fits(row, e.Columns); err != nil {
		return err
	}
	p := t.db.gen.Insert(e, row, &t.args)
	t.bindAll()
	_, err := t.write(p.SQL, e)
	return err
}

// Update implements driver.Tx.
func (t *tx) Update(e *schema.Entity, row schema.Row, set []*schema.Column) error {
	if err := t.check(); err != nil || len(set) == 0 {
		return err
	}
	if err := t.fits(row, set); err != nil {
		return err
	}
	p := t.db.gen.Update(e, row, set, &t.args)
	t.bindAll()
	_, err := t.write(p.SQL, e)
	return err
}

// Delete implements driver.Tx.
func (t *tx) Delete(e *schema.Entity, id string) error {
	if err := t.check(); err != nil {
		return err
	}
	p := t.db.gen.Delete(e, &t.args)
	t.begin()
	t.bind(id)
	_, err := t.write(p.SQL, e)
	return err
}

// Link implements driver.Tx.
func (t *tx) Link(r *schema.Relation, owner string, targets []string) error {
	if err := t.check(); err != nil {
		return err
	}
	for _, target := range targets {
		p := t.db.gen.Link(r, &t.args)
		t.begin()
		for n := 0; n < p.Params; n += 2 {
			t.bind(owner)
			t.bind(target)
		}
		if _, err := t.write(p.SQL, nil); err != nil {
			return err
		}
	}
	return nil
}

// Unlink implements driver.Tx.
func (t *tx) Unlink(r *schema.Relation, owner string, targets []string) error {
	if err := t.check(); err != nil {
		return err
	}
	for len(targets) > 0 {
		n := min(len(targets), t.db.maxIDs())
		p := t.db.gen.Unlink(r, n, &t.args)
		t.begin()
		t.bind(owner)
		t.bindIDs(p.Params, targets[:n])
		if _, err := t.write(p.SQL, nil); err != nil {
			return err
		}
		targets = targets[n:]
	}
	return nil
}

// Replay implements driver.Tx.
func (t *tx) Replay(principal, key string) (*driver.Stored, error) {
	if err := t.check(); err != nil || key == "" {
		return nil, err
	}
	return t.session.replay(principal, key)
}

// StoreReply implements driver.Tx. The reply's position is the last number
// drawn by the unit, or where the log ends.
func (t *tx) StoreReply(principal, key string, hash, body []byte, at time.Time) error {
	if err := t.check(); err != nil {
		return err
	}
	t.keyed = true
	if err := t.flush(); err != nil {
		return err
	}
	seq := t.last
	if seq == 0 {
		var err error
		if seq, err = t.newest(uncancelled); err != nil {
			return err
		}
	}
	t.begin()
	t.bind(principal)
	t.bind(key)
	t.bindHash(hash)
	t.bind(string(body))
	t.bind(seq)
	t.bind(at.UnixMilli())
	_, err := t.write(t.db.log.StoreReply.SQL, nil)
	return t.db.replyTaken(err)
}

// A write is never interrupted once begun: its reads run without the context.

// Select implements driver.Reader.
func (t *tx) Select(_ context.Context, q *query.Select, each func(driver.Row) error) error {
	if err := t.check(); err != nil {
		return err
	}
	t.looked = true
	return t.session.Select(uncancelled, q, each)
}

// Count implements driver.Reader.
func (t *tx) Count(_ context.Context, q *query.Select) (int64, error) {
	if err := t.check(); err != nil {
		return 0, err
	}
	t.looked = true
	return t.session.Count(uncancelled, q)
}

// Aggregate implements driver.Reader.
func (t *tx) Aggregate(_ context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	if err := t.check(); err != nil {
		return err
	}
	return t.session.Aggregate(uncancelled, q, each)
}

// Links implements driver.Reader.
func (t *tx) Links(_ context.Context, r *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error {
	if err := t.check(); err != nil {
		return err
	}
	return t.session.Links(uncancelled, r, ids, reverse, each)
}

// Changes implements driver.Reader: what is there, the unit's own changes too.
func (t *tx) Changes(_ context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	if err := t.check(); err != nil {
		return err
	}
	changes, _, err := t.batch(uncancelled, after, limit)
	for _, c := range changes {
		if err == nil && c.Verb != tombstone {
			err = each(c)
		}
	}
	return err
}

// Oldest implements driver.Reader.
func (t *tx) Oldest(context.Context) (int64, error) {
	if err := t.check(); err != nil {
		return 0, err
	}
	return t.session.oldest(uncancelled)
}
