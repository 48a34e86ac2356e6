package sqlite

import (
	"context"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/changelog"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// tx is the transaction as one unit sees it. There is one per writer, begun
// anew for each unit; only the writer's goroutine touches it.
type tx struct {
	session *session
	w       *writer
	seq     int64 // the last number given
	first   int64 // the first number given in this unit, 0 if none
	wrote   bool  // a statement of this unit has written
	lost    bool  // the engine has ended the transaction
	open    bool  // the unit runs
	scratch []byte
}

var _ driver.Tx = (*tx)(nil)

func (t *tx) begin() { t.first, t.wrote, t.lost, t.open = 0, false, false, true }

// check refuses work behind the end of a transaction: it would be committed at
// once, statement by statement.
func (t *tx) check() error {
	if !t.open || t.lost {
		return fault.New(fault.Internal, "the transaction has ended")
	}
	return nil
}

// after looks at the outcome of a writing statement.
func (t *tx) after(err error) error {
	if err == nil {
		t.wrote = true
		return nil
	}
	if t.session.conn.AutocommitEnabled() {
		t.lost = true
	}
	return err
}

// write runs a compiled row statement whose values are gathered.
func (t *tx) write(p *sqlgen.Plan, e *schema.Entity) error {
	return t.after(t.session.run(uncancelled, p, e, nil))
}

// Load implements driver.Tx. The writer is alone: the row is locked.
func (t *tx) Load(e *schema.Entity, id string) (schema.Row, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	s := t.session
	p := s.db.gen.Load(e, &s.args)
	st, err := s.prepare(p)
	if err != nil {
		return nil, classify(err, e)
	}
	st.BindText(1, id)
	var out schema.Row
	err = s.step(uncancelled, st, p, e, func(r *row) error {
		out = make(schema.Row, len(e.Columns))
		for i := range out {
			out[i] = r.Value(i)
		}
		return nil
	})
	return out, err
}

// Insert implements driver.Tx.
func (t *tx) Insert(e *schema.Entity, row schema.Row) error {
	if err := t.check(); err != nil {
		return err
	}
	return t.write(t.session.db.gen.Insert(e, row, &t.session.args), e)
}

// Update implements driver.Tx.
func (t *tx) Update(e *schema.Entity, row schema.Row, set []*schema.Column) error {
	if err := t.check(); err != nil || len(set) == 0 {
		return err
	}
	return t.write(t.session.db.gen.Update(e, row, set, &t.session.args), e)
}

// Delete implements driver.Tx.
func (t *tx) Delete(e *schema.Entity, id string) error {
	if err := t.check(); err != nil {
		return err
	}
	s := t.session
	p := s.db.gen.Delete(e, &s.args)
	st, err := s.prepare(p)
	if err != nil {
		return classify(err, e)
	}
	st.BindText(1, id)
	return t.after(s.step(uncancelled, st, p, e, nil))
}

// Link implements driver.Tx.
func (t *tx) Link(r *schema.Relation, owner string, targets []string) error {
	if err := t.check(); err != nil {
		return err
	}
	s := t.session
	for _, target := range targets {
		p := s.db.gen.Link(r, &s.args)
		st, err := s.prepare(p)
		if err != nil {
			return classify(err, nil)
		}
		st.BindText(1, owner)
		st.BindText(2, target)
		if err := t.after(s.step(uncancelled, st, p, nil, nil)); err != nil {
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
	s := t.session
	for len(targets) > 0 {
		n := min(len(targets), maxIDs)
		p := s.db.gen.Unlink(r, n, &s.args)
		st, err := s.prepare(p)
		if err != nil {
			return classify(err, nil)
		}
		st.BindText(1, owner)
		st.bindIDs(2, p.Params, targets[:n])
		if err := t.after(s.step(uncancelled, st, p, nil, nil)); err != nil {
			return err
		}
		targets = targets[n:]
	}
	return nil
}

// Append implements driver.Tx.
func (t *tx) Append(c *mesh.Change) error {
	if err := t.check(); err != nil {
		return err
	}
	s := t.session
	st, err := s.prepare(s.db.log.Append)
	if err != nil {
		return classify(err, nil)
	}
	seq := t.seq + 1
	first := t.first
	if first == 0 {
		first = seq
	}
	tx := c.Tx
	if tx == 0 {
		tx = first
	}
	st.BindInt64(1, seq)
	st.BindInt64(2, tx)
	st.bindText(3, c.Entity)
	st.bindText(4, c.ID)
	st.bindText(5, c.Verb)
	st.BindInt64(6, c.Version)
	st.bindJSON(7, c.After)
	st.bindJSON(8, changelog.OldColumn(c))
	t.bindChanged(st, c)
	st.bindText(10, c.Principal)
	st.bindText(11, c.RequestID)
	st.bindText(12, c.Transport)
	st.bindKey(13, c.IdempotencyKey)
	st.bindHash(14, c.RequestHash)
	st.BindInt64(15, c.At.UnixMilli())
	if err := t.after(s.step(uncancelled, st, s.db.log.Append, nil, nil)); err != nil {
		return err
	}
	t.seq, t.first = seq, first
	c.Seq, c.Tx = seq, tx
	return nil
}

// bindJSON binds JSON text, nil as null.
func (st *statement) bindJSON(i int, text []byte) {
	if text == nil {
		st.BindNull(i)
		return
	}
	st.bindText(i, string(text))
}

func (st *statement) bindKey(i int, key string) {
	if key == "" {
		st.BindNull(i)
		return
	}
	st.bindText(i, key)
}

func (st *statement) bindHash(i int, hash []byte) {
	if hash == nil {
		st.BindNull(i)
		return
	}
	st.BindBytes(i, hash)
}

func (t *tx) bindChanged(st *statement, c *mesh.Change) {
	if c.Changed == nil {
		st.BindNull(9)
		return
	}
	t.scratch = changelog.AppendChanged(t.scratch[:0], c)
	st.bindText(9, string(t.scratch))
}

// Replay implements driver.Tx.
func (t *tx) Replay(principal, key string) (*driver.Stored, error) {
	if err := t.check(); err != nil || key == "" {
		return nil, err
	}
	return t.session.replay(principal, key)
}

// StoreReply implements driver.Tx. The reply's position is the last number
// given so far.
func (t *tx) StoreReply(principal, key string, hash, body []byte, at time.Time) error {
	if err := t.check(); err != nil {
		return err
	}
	s := t.session
	p := s.db.log.StoreReply
	st, err := s.prepare(p)
	if err != nil {
		return classify(err, nil)
	}
	st.bindText(1, principal)
	st.bindText(2, key)
	st.bindHash(3, hash)
	st.bindText(4, string(body))
	st.BindInt64(5, t.seq)
	st.BindInt64(6, at.UnixMilli())
	return t.after(s.step(uncancelled, st, p, nil, nil))
}

// A write is never interrupted once begun: its reads run without the context.

// Select implements driver.Reader.
func (t *tx) Select(_ context.Context, q *query.Select, each func(driver.Row) error) error {
	if err := t.check(); err != nil {
		return err
	}
	return t.session.Select(uncancelled, q, each)
}

// Count implements driver.Reader.
func (t *tx) Count(_ context.Context, q *query.Select) (int64, error) {
	if err := t.check(); err != nil {
		return 0, err
	}
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

// Changes implements driver.Reader.
func (t *tx) Changes(_ context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	if err := t.check(); err != nil {
		return err
	}
	return t.session.Changes(uncancelled, after, limit, each)
}

// Oldest implements driver.Reader.
func (t *tx) Oldest(context.Context) (int64, error) {
	if err := t.check(); err != nil {
		return 0, err
	}
	return t.session.Oldest(uncancelled)
}
