package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/changelog"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// work is one run of a write inside a transaction. Rows are written as it goes,
// the changes are collected and appended at its end, so that a number of the
// log is held for as short as can be.
type work struct {
	call    *call
	ctx     context.Context
	tx      driver.Tx
	hash    []byte // of the request; nil without an idempotency key
	changes []*mesh.Change
	removed map[record]bool // what this run deletes
	earlier []outcome       // of a transaction's items
	outcome outcome
	seq     int64 // of the last change, or of what was replayed
	replay  bool
	known   bool // the idempotency key was found
	doubted bool // a refusal was looked into, see again
}

type record struct {
	entity *schema.Entity
	id     string
}

// write runs a write in a transaction and makes the reply.
func (c *call) write(ctx context.Context, t writing) (*mesh.Reply, error) {
	// What has begun is brought to its end: the context only bounds the wait.
	w := &work{call: c, ctx: context.WithoutCancel(ctx)}
	if c.request.IdempotencyKey != "" {
		w.hash = changelog.Hash(c.op.Name, c.entityName(), c.args.root, harmless)
	}
	unit := driver.Unit{Single: t.single(), Run: func(tx driver.Tx) error { return w.run(tx, t) }}
	err := c.store.conn.Write(ctx, unit)
	for try := 0; try < 2 && w.again(err); try++ {
		err = c.store.conn.Write(ctx, unit)
	}
	if err != nil {
		return nil, err
	}
	if n := len(w.changes); n > 0 {
		w.seq = w.changes[n-1].Seq // known by now, not always before
		if c.store.options.OnCommit != nil {
			c.store.options.OnCommit(w.seq)
		}
	}
	if w.seq == 0 { // nothing had to change
		if w.seq, err = c.store.conn.Committed(w.ctx); err != nil {
			return nil, err
		}
	}
	a := newAnswer()
	w.outcome.append(w.ctx, a)
	reply := a.reply(c.store.position(w.seq))
	reply.Replayed = w.replay
	return reply, nil
}

// again reports whether to run once more because another request with the same
// key was faster: its reply is ours. One that was open when this run looked for
// the key, and was waited for afterwards, shows in what it did alone: its record
// is taken, of another version, or full.
func (w *work) again(err error) bool {
	if errors.Is(err, driver.ErrReplay) {
		return true
	}
	switch fault.CodeOf(err) {
	case fault.Conflict, fault.ValidationError, fault.Forbidden:
	default:
		return false
	}
	again := w.hash != nil && !w.known && !w.doubted
	w.doubted = true
	return again
}

func (c *call) entityName() string {
	if c.model == nil {
		return mesh.ProjectEntity
	}
	return c.model.entity.Name
}

// run is one run of the unit. It begins from nothing each time.
func (w *work) run(tx driver.Tx, t writing) (err error) {
	w.tx, w.changes, w.removed, w.earlier, w.seq, w.replay, w.known = tx, w.changes[:0], nil, nil, 0, false, false
	if w.hash != nil {
		if found, err := w.replayed(t); err != nil || found {
			return err
		}
	}
	if w.outcome, err = t.write(w); err != nil {
		return err
	}
	if w.hash != nil && len(w.changes) == 0 {
		// There was nothing to do: perhaps because another run with this key had
		// been waited for. What it left in the log is no bar to a stored reply.
		if found, err := w.replayed(t); err != nil || found {
			return err
		}
	}
	if w.outcome.kind == recordOutcome && len(w.changes) == 1 {
		w.outcome.whole = w.changes[0].After
	}
	stored := w.hash == nil || w.carry()
	var at int64
	for _, c := range w.changes {
		c.Tx = at
		if err := tx.Append(c); err != nil {
			return err
		}
		if at == 0 {
			at = c.Tx
		}
	}
	if stored {
		return nil
	}
	return tx.StoreReply(w.call.principal(), w.call.request.IdempotencyKey, w.hash, w.outcome.remember(nil), w.at())
}

func (w *work) at() time.Time { return time.UnixMilli(w.call.now).UTC() }

// load returns the row that the caller may change, locked, or nil.
func (w *work) load(m *model, id string) (schema.Row, error) {
	row, err := w.tx.Load(m.entity, id)
	if err != nil || row == nil {
		return nil, err
	}
	if !query.Eval(m.live, row) || !query.Eval(w.call.allowed(m.entity, mesh.Write), row) {
		return nil, nil
	}
	return row, nil
}

// find returns the ids of the records that a filter leaves, in order, at most
// as many as one write may touch. Errors: INVALID_FILTER for more.
func (w *work) find(m *model, where query.Expr, limit int) ([]string, error) {
	most := w.call.store.options.Limits.WorkerRows
	if limit == 0 {
		limit = most + 1
	}
	var ids []string
	err := w.tx.Select(w.ctx, &query.Select{Entity: m.entity, Projection: m.ids, Where: where, Sort: m.byID, Limit: limit},
		func(row driver.Row) error {
			ids = append(ids, string(row.Text(0)))
			return nil
		})
	if err == nil && len(ids)+len(w.changes) > most {
		err = fault.New(fault.InvalidFilter, "one request changes at most %d records; narrow it down", most)
	}
	return ids, err
}

// guarded asks the guard about a row that is about to be stored, or to go.
func (w *work) guarded(e *schema.Entity, before, after schema.Row) error {
	if w.call.guard == nil {
		return nil
	}
	return w.call.guard.After(e, before, after)
}

// expect refuses a record that is not of the version that the caller has seen;
// nil, one that is about to be made, has version 0. Errors: CONFLICT.
func (w *work) expect(m *model, row schema.Row, version int64) error {
	var have int64
	if row != nil {
		have = m.versionOf(row)
	}
	if version == 0 || have == version {
		return nil
	}
	return fault.New(fault.Conflict, "the %s is at version %d, not %d: read it again", m.entity.Name, have, version).
		With(map[string]int64{"expected": version, "actual": have})
}

// insert stores a new record.
func (w *work) insert(m *model, row schema.Row, p *patch, verb string) error {
	if err := w.references(m, nil, row); err != nil {
		return err
	}
	if err := w.guarded(m.entity, nil, row); err != nil {
		return err
	}
	edits, err := w.edits(m, m.idOf(row), p.links, true)
	if err != nil {
		return err
	}
	if err := w.tx.Insert(m.entity, row); err != nil {
		return err
	}
	delete(w.removed, record{m.entity, m.idOf(row)}) // an earlier item may have deleted its like
	if err := w.link(m.idOf(row), edits); err != nil {
		return err
	}
	w.note(m, verb, row).Inserted = verb == mesh.Upserted
	return nil
}

// change stores the patch into a record and returns the row as it is then:
// the given one where nothing differs, which writes nothing, makes no change
// and counts no version.
func (w *work) change(m *model, row schema.Row, p *patch, verb string) (schema.Row, error) {
	next := slices.Clone(row)
	if err := p.apply(next, w.ref); err != nil {
		return nil, err
	}
	edits, err := w.edits(m, m.idOf(row), p.links, false)
	if err != nil {
		return nil, err
	}
	if slices.EqualFunc(row, next, schema.Value.Equal) && len(edits) == 0 && !p.blind {
		return row, nil
	}
	if m.updated != nil && next[m.updated.Index].Equal(row[m.updated.Index]) && !w.call.restoring {
		next[m.updated.Index] = schema.TimeOf(w.call.now)
	}
	if err := w.references(m, row, next); err != nil {
		return nil, err
	}
	next[m.version.Index] = schema.IntOf(m.versionOf(row) + 1)
	if err := w.guarded(m.entity, row, next); err != nil {
		return nil, err
	}
	return next, w.store(m, row, next, edits, verb)
}

// store stores the next state of a row with the next version, and notes the
// change.
func (w *work) store(m *model, row, next schema.Row, edits []edit, verb string) error {
	next[m.version.Index] = schema.IntOf(m.versionOf(row) + 1)
	var set []*schema.Column
	for i, c := range m.entity.Columns {
		if !row[i].Equal(next[i]) {
			set = append(set, c)
		}
	}
	if err := w.tx.Update(m.entity, next, set); err != nil {
		return err
	}
	if err := w.link(m.idOf(row), edits); err != nil {
		return err
	}
	change := w.note(m, verb, next)
	change.Changed, change.Old = changelog.Diff(m.entity, row, next)
	for _, e := range edits {
		change.Changed = append(change.Changed, e.relation.Name)
	}
	return nil
}

// note adds a change to those that the run will append.
func (w *work) note(m *model, verb string, row schema.Row) *mesh.Change {
	r := w.call.request
	after := m.whole.Append(make([]byte, 0, m.whole.Room()+64), m.whole.Row(row))
	m.whole.Took(len(after))
	c := &mesh.Change{
		Entity: m.entity.Name, ID: m.idOf(row), Verb: verb, Version: m.versionOf(row), After: after,
		Principal: w.call.principal(), RequestID: r.RequestID, Transport: r.Transport, At: w.at(),
	}
	w.changes = append(w.changes, c)
	return c
}
