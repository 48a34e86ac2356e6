package store

import (
	"context"
	"errors"
	"strconv"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/changelog"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

const (
	defaultChanges = 256
	maxChanges     = 1000
	// enoughChanges is the size in bytes from which a reply takes no more.
	enoughChanges = 4 << 20
)

// errEnough ends a read of the log early.
var errEnough = errors.New("enough")

// changes is op changes; its reply is described at mesh.Change.AppendEvent.
func (c *call) changes(ctx context.Context) (*mesh.Reply, error) {
	limit := defaultChanges
	if v := c.args.limit; v != nil {
		n, err := strconv.Atoi(string(v.MarshalTo(nil)))
		if err != nil || n < 1 || n > maxChanges {
			return nil, invalid("limit must be an integer from 1 to %d", maxChanges)
		}
		limit = n
	}
	var from mesh.Position
	if c.args.position != "tail" {
		var err error
		if from, err = mesh.ParsePosition(c.args.position); err != nil {
			return nil, err
		}
	}
	a := newAnswer()
	a.body = append(a.body, '[')
	a.count = 0
	last, err := c.listChanges(ctx, a, from, limit)
	if err != nil {
		return nil, err
	}
	a.body = append(a.body, ']')
	reply := a.reply(c.store.position(last))
	reply.Position = mesh.Position{} // it is a read's
	return reply, nil
}

// listChanges appends the events after a position and returns the seq that the
// list reaches to.
func (c *call) listChanges(ctx context.Context, a *answer, from mesh.Position, limit int) (last int64, err error) {
	newest, err := c.store.conn.Committed(ctx)
	if err != nil || from.IsZero() {
		return newest, err
	}
	epoch := c.store.conn.Epoch()
	if from.Epoch != epoch || from.Seq > newest {
		return 0, otherEpoch()
	}
	last = from.Seq
	err = c.store.conn.Snapshot(ctx, func(r driver.Reader) error {
		oldest, err := r.Oldest(ctx)
		if err != nil {
			return err
		}
		if from.Seq < oldest-1 {
			return fault.New(fault.Gap, "the change log begins at %s: read the state anew", mesh.Position{Epoch: epoch, Seq: oldest})
		}
		return r.Changes(ctx, from.Seq, limit, func(change *mesh.Change) error {
			shown, err := c.show(change)
			if err != nil {
				return err
			}
			if last = change.Seq; shown == nil {
				return nil
			}
			if a.count++; a.count > 1 {
				a.body = append(a.body, ',')
			}
			a.body = shown.AppendEvent(a.body, c.request.Project, epoch, 0)
			if len(a.body) > enoughChanges {
				return errEnough
			}
			return nil
		})
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return last, err
}

// show returns the change as the caller may see it, or nil.
func (c *call) show(change *mesh.Change) (*mesh.Change, error) {
	if c.guard == nil {
		return change, nil
	}
	e := c.state.catalog.Entity(change.Entity)
	if e == nil { // of a catalog before this one: nobody has a view of it
		return nil, nil
	}
	sub := &call{store: c.store, state: c.state, model: c.state.models[e], guard: c.guard}
	plan, err := sub.view()
	if err != nil {
		return nil, err
	}
	allowed := c.allowed(e, mesh.Read)
	if plan.Whole && allowed == nil {
		return change, nil
	}
	row, err := changelog.Row(e, change.After)
	if err != nil || !query.Eval(allowed, row) {
		return nil, err
	}
	shown := *change
	shown.After = plan.Append(nil, plan.Row(row))
	shown.Old, shown.Changed, err = changelog.Mask(e, change.Old, change.Changed, c.guard.Readable)
	return &shown, err
}

// catalog is op catalog: the schemas as they were given, and their version.
func (c *call) catalog() *mesh.Reply {
	a := newAnswer()
	a.body = schema.AppendString(append(a.body, `{"version":`...), c.state.catalog.Version)
	a.body = schema.AppendString(append(a.body, `,"dialect":`...), c.store.conn.Capabilities().Dialect)
	a.body = append(append(a.body, `,"schemas":`...), c.state.catalog.Source...)
	a.body = append(a.body, '}')
	return a.reply(mesh.Position{})
}
