package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/changelog"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// A unit looks at records by reading or locking them; what it holds of others
// in its group is told by keys.
type question struct {
	requests []*request // the answer of the last one is wanted
	key      string     // what others of the group must not touch meanwhile; empty = nothing
	shared   bool       // others may look, too
	locks    bool       // the server locks rows: in order of the key
}

// tx is the transaction as one unit sees it.
type tx struct {
	reads
	single bool
	// put answers a question: in lockstep with others, or at once.
	put func(q *question) error

	// guess reports whether an idempotency key may be taken for new.
	guess func(principal, key string) bool

	deferred []*request // statements whose answer nobody waits for
	rows     int        // how many of them, at the beginning, store rows
	open     bool       // the unit runs
	lost     error      // the server has ended the transaction
	sent     bool       // a writing statement has gone out
	writes   string     // the key of the record that is written first
	looked   bool       // the unit found no record and may go on to make one
	first    int64      // the tx of its changes, 0 = none was appended
	noted    bool       // a change was appended
	keyed    bool       // the unit has an idempotency key
	scratch  []byte
}

var _ driver.Tx = (*tx)(nil)

// reset prepares the tx for another run.
func (t *tx) reset(db *DB, u driver.Unit) {
	t.drop()
	t.reads = reads{db: db, exec: t, settled: 0}
	t.single = u.Single
	t.open, t.lost, t.sent, t.writes, t.looked, t.first, t.noted, t.keyed = false, nil, false, "", false, 0, false, false
}

// drop gives up what was not sent.
func (t *tx) drop() {
	for _, r := range t.deferred {
		r.release()
	}
	clear(t.deferred)
	t.deferred, t.rows = t.deferred[:0], 0
}

// do runs the unit; a panic in it must not take the neighbours along.
func (t *tx) do(u driver.Unit) error {
	t.open = true
	defer func() { t.open = false }()
	return u.Guard(t)
}

// check refuses work behind the end of a transaction.
func (t *tx) check() error {
	if t.lost != nil {
		return t.lost
	}
	if !t.open {
		return fault.New(fault.Internal, "the transaction has ended")
	}
	return nil
}

// ask implements executor, for reads that hold nothing.
func (t *tx) ask(_ context.Context, r *request) error {
	return t.question(&question{requests: []*request{r}})
}

// stream implements executor. What a unit reads is bounded by the Store.
func (t *tx) stream(ctx context.Context, r *request, each func(*row) error) error {
	if err := t.ask(ctx, r); err != nil {
		return err
	}
	if r.over {
		return errTooLarge
	}
	return r.each(r.plan.Kinds, each)
}

func (t *tx) question(q *question) error {
	if err := t.check(); err != nil {
		return err
	}
	return t.put(q)
}

// later sends a statement with the next question, or with the commit. Only a
// single unit defers what may fail for the caller's reason: its failure is that
// of the unit either way.
func (t *tx) later(r *request, mayFail bool) error {
	if err := t.check(); err != nil {
		r.release()
		return err
	}
	t.deferred = append(t.deferred, r)
	if !t.noted {
		t.rows = len(t.deferred)
	}
	if t.single || !mayFail {
		return nil
	}
	return t.put(&question{})
}

func recordKey(e *schema.Entity, id string) string { return e.Collection + "\x00" + id }

// Load implements driver.Tx.
func (t *tx) Load(e *schema.Entity, id string) (schema.Row, error) {
	r := newRequest()
	defer r.release()
	r.plan, r.entity = t.db.gen.Load(e, &r.args), e
	r.begin(1)
	r.text(id)
	if err := t.question(&question{requests: []*request{r}, key: recordKey(e, id), locks: true}); err != nil {
		return nil, err
	}
	var out schema.Row
	err := r.each(r.plan.Kinds, func(row *row) error {
		out = make(schema.Row, len(e.Columns))
		for i := range out {
			out[i] = row.Value(i)
		}
		return nil
	})
	t.looked = t.looked || out == nil
	return out, err
}

// Select implements driver.Reader. What a write is decided by is held: records
// that it will refer to, so that nobody deletes them meanwhile, and, for the one
// that an upsert looks for, all upserts by a filter of that entity.
func (t *tx) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	if q.Limit > 1 || q.Limit == 0 && !sqlgen.Pinned(q.Where) {
		return t.reads.Select(ctx, q, each)
	}
	r := newRequest()
	defer r.release()
	r.plan, r.entity = t.db.gen.Select(q, &r.args), q.Entity
	about := question{requests: []*request{r}, key: recordKey(q.Entity, pinned(q.Where))}
	if r.plan.Residual {
		if q.Limit == 1 && !sqlgen.Pinned(q.Where) {
			t.looked = true
			if err := t.lockUpserts(about.key); err != nil {
				return err
			}
		}
		return t.reads.Select(ctx, q, each)
	}
	switch {
	case q.Limit == 0:
		r.plan, about.shared, about.locks = t.db.sharing(r.plan), true, true
	case t.db.options.cockroach: // serializable: of two that look for one record, one runs again
		t.looked = true
	case !sqlgen.Pinned(q.Where):
		lock := upsertLock(about.key)
		defer lock.release()
		about.requests = []*request{lock, r}
		fallthrough
	default:
		t.looked = true
	}
	r.bind()
	if err := t.question(&about); err != nil {
		return err
	}
	if r.over {
		return errTooLarge
	}
	return r.each(r.plan.Kinds, func(row *row) error { return each(row) })
}

// Insert implements driver.Tx.
func (t *tx) Insert(e *schema.Entity, row schema.Row) error {
	r := newRequest()
	r.plan, r.entity = t.db.gen.Insert(e, row, &r.args), e
	r.bind()
	r.folds = true
	t.writes = cmp.Or(t.writes, recordKey(e, row[0].Text()))
	return t.later(r, true)
}

// Update implements driver.Tx.
func (t *tx) Update(e *schema.Entity, row schema.Row, set []*schema.Column) error {
	if len(set) == 0 {
		return t.check()
	}
	r := newRequest()
	r.plan, r.entity = t.db.gen.Update(e, row, set, &r.args), e
	r.bind()
	return t.later(r, true)
}

// Delete implements driver.Tx.
func (t *tx) Delete(e *schema.Entity, id string) error {
	r := newRequest()
	r.plan, r.entity = t.db.gen.Delete(e, &r.args), e
	r.begin(1)
	r.text(id)
	return t.later(r, true)
}

// Link implements driver.Tx.
func (t *tx) Link(rel *schema.Relation, owner string, targets []string) error {
	for _, target := range targets {
		r := newRequest()
		r.plan = t.db.gen.Link(rel, &r.args)
		r.begin(2)
		r.text(owner)
		r.text(target)
		if err := t.later(r, false); err != nil {
			return err
		}
	}
	return nil
}

// Unlink implements driver.Tx.
func (t *tx) Unlink(rel *schema.Relation, owner string, targets []string) error {
	for chunk := range slices.Chunk(targets, maxIDs) {
		r := newRequest()
		r.plan = t.db.gen.Unlink(rel, len(chunk), &r.args)
		r.begin(r.plan.Params)
		r.text(owner)
		r.ids(chunk, r.plan.Params-1)
		if err := t.later(r, false); err != nil {
			return err
		}
	}
	return nil
}

// Append implements driver.Tx. Of a single unit's change the numbers are known
// by the time that Write returns.
func (t *tx) Append(c *mesh.Change) error {
	r := newRequest()
	r.plan, r.change, r.folds = t.db.appendChange, c, true
	r.begin(14)
	if c.Tx == 0 {
		c.Tx = t.first
	}
	if c.Tx == 0 {
		r.null()
	} else {
		r.int(c.Tx)
	}
	r.text(c.Entity)
	r.text(c.ID)
	r.text(c.Verb)
	r.int(c.Version)
	r.optional(c.After)
	r.optional(changelog.OldColumn(c))
	t.changed(r, c)
	r.text(c.Principal)
	r.text(c.RequestID)
	r.text(c.Transport)
	if c.IdempotencyKey == "" {
		r.null()
	} else {
		r.text(c.IdempotencyKey)
	}
	t.hash(r, c.RequestHash)
	r.int(c.At.UnixMilli())
	t.noted = true
	err := t.later(r, c.Tx == 0) // the first number of several names the others
	if err == nil && c.Tx != 0 {
		t.first = c.Tx
	}
	return err
}

func (t *tx) changed(r *request, c *mesh.Change) {
	if c.Changed == nil {
		r.null()
		return
	}
	t.scratch = changelog.AppendChanged(t.scratch[:0], c)
	r.bytes(t.scratch)
}

func (t *tx) hash(r *request, hash []byte) {
	if hash == nil {
		r.null()
		return
	}
	const digits = "0123456789abcdef"
	b := append(t.scratch[:0], `\x`...)
	for _, c := range hash {
		b = append(b, digits[c>>4], digits[c&15])
	}
	t.scratch = b
	r.bytes(b)
}

func replayKey(principal, key string) string { return "\x00" + principal + "\x00" + key }

// Replay implements driver.Tx.
func (t *tx) Replay(principal, key string) (*driver.Stored, error) {
	if key == "" {
		return nil, t.check()
	}
	t.keyed = true
	if t.guess(principal, key) {
		return nil, nil
	}
	change, reply := newRequest(), newRequest()
	defer change.release()
	defer reply.release()
	change.plan, reply.plan = t.db.log.ByKey, t.db.log.Reply
	for _, r := range []*request{change, reply} {
		r.begin(2)
		r.text(principal)
		r.text(key)
	}
	err := t.question(&question{requests: []*request{change, reply}, key: replayKey(principal, key)})
	if err != nil {
		return nil, err
	}
	var found *driver.Stored
	_ = change.each(nil, func(r *row) error {
		c := r.change()
		found = &driver.Stored{Hash: c.RequestHash, Change: c, Seq: c.Seq}
		return nil
	})
	if found == nil {
		_ = reply.each(nil, func(r *row) error {
			found = &driver.Stored{Hash: r.binary(0), Body: r.copy(1), Seq: r.int(2)}
			return nil
		})
	}
	return found, nil
}

// StoreReply implements driver.Tx. The reply's position is the last number that
// this unit was given, or else the last one there is.
func (t *tx) StoreReply(principal, key string, hash, body []byte, at time.Time) error {
	r := newRequest()
	r.plan = t.db.storeReply
	if t.noted {
		r.plan = t.db.storeOwnReply
	}
	r.begin(5)
	r.text(principal)
	r.text(key)
	t.hash(r, hash)
	r.bytes(body)
	r.int(at.UnixMilli())
	return t.later(r, true)
}
