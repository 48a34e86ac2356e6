package store

import (
	"context"
	"sync"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/populate"
)

// call is one request on its way, or one item of a transaction.
type call struct {
	store   *Store
	state   *state
	op      *mesh.Op
	model   *model // of the entity; nil for ops of the project
	request *mesh.Request
	guard   Guard
	args    arguments
	now     int64          // ms; one for all that a request writes
	item    int            // the number of a transaction's item; -1 outside of one
	shown   *populate.Plan // what a write's record looks like in the reply
	// restoring tells that a record comes from an export: its times stay, and it
	// may refer to what is soft-deleted.
	restoring bool

	found find   // of a read
	key   []byte // room for that of a plan
}

// calls are those whose reply is made.
var calls = sync.Pool{New: func() any { return new(call) }}

// end gives back what the arguments need, and the call itself where nobody has
// it any more: a read that went wrong, or a write, may still be under way.
func (c *call) end(over *bool) {
	c.args.close()
	if *over {
		*c = call{args: arguments{docs: c.args.docs}, key: c.key}
		calls.Put(c)
	}
}

// reading is a read that is ready to run: parsed, checked and planned.
type reading interface {
	// several tells that it takes several queries, which must see one state.
	several() bool
	read(ctx context.Context, r driver.Reader, a *answer) error
}

// writing is a write that is ready to run.
type writing interface {
	// single is driver.Unit.Single, as far as the write itself goes.
	single() bool
	// write does the work in a transaction. It may run several times.
	write(w *work) (outcome, error)
}

// Call answers a request; it implements what the worker needs of a mesh.Caller,
// with the caller's rights beside the request. Nothing of r is kept.
//
// Errors: PARSE_ERROR, INVALID_REQUEST, UNKNOWN_ENTITY, UNKNOWN_OP, MISSING_…,
// INVALID_FILTER, VALIDATION_ERROR, CONFLICT, FORBIDDEN, GAP, TIMEOUT,
// PAYLOAD_TOO_LARGE, and what the database says of its state.
func (s *Store) Call(ctx context.Context, r *mesh.Request, g Guard) (*mesh.Reply, error) {
	c, over := calls.Get().(*call), false
	defer c.end(&over)
	c.store, c.state, c.request, c.guard, c.item = s, s.state.Load(), r, g, -1
	if err := c.address(r.Entity, r.Op); err != nil {
		return nil, err
	}
	if err := c.args.parse(r.Args); err != nil {
		return nil, err
	}
	if err := c.args.need(c.op); err != nil {
		return nil, err
	}
	if c.args.id.ref > 0 {
		return nil, invalid("$ref belongs into a transaction")
	}
	if err := s.reach(ctx, c.args.minPosition); err != nil {
		return nil, err
	}
	c.now = s.options.Now().UnixMilli()
	switch c.op.Name {
	case "changes":
		return c.changes(ctx)
	case "catalog":
		return c.catalog(), nil
	case "stream":
		return c.stream(ctx)
	case "export":
		return c.export(ctx)
	case "restore":
		t, err := c.restore()
		if err != nil {
			return nil, err
		}
		return c.write(ctx, t)
	case "transaction":
		t, err := c.transaction()
		if err != nil {
			return nil, err
		}
		return c.write(ctx, t)
	}
	if c.op.Class == mesh.Read {
		t, err := c.reading()
		if err != nil {
			return nil, err
		}
		reply, err := c.read(ctx, t)
		over = err == nil
		return reply, err
	}
	t, err := c.writing()
	if err != nil {
		return nil, err
	}
	return c.write(ctx, t)
}

// address finds the entity and the op.
func (c *call) address(entity, op string) error {
	if entity != mesh.ProjectEntity {
		e := c.state.catalog.Entity(entity)
		if e == nil {
			return fault.New(fault.UnknownEntity, "there is no entity or collection %q", shorten(entity))
		}
		c.model = c.state.models[e]
	}
	if c.op = mesh.LookupOp(entity, op); c.op == nil {
		return fault.New(fault.UnknownOp, "there is no operation %q here", shorten(op))
	}
	return nil
}

// reading prepares a read.
func (c *call) reading() (reading, error) {
	switch c.op.Name {
	case "findAll":
		return c.findAll()
	case "findOne":
		return c.findOne()
	case "findById":
		return c.findByID()
	case "search":
		return c.search()
	case "count":
		return c.count()
	}
	return c.aggregate()
}

// writing prepares a write.
func (c *call) writing() (_ writing, err error) {
	if c.shown, err = c.plan(nil); err != nil {
		return nil, err
	}
	switch c.op.Name {
	case "create":
		return c.create()
	case "update":
		return c.update()
	case "delete":
		return c.remove()
	case "upsert":
		return c.upsert()
	case "updateMany":
		return c.updateMany()
	case "deleteMany":
		return c.deleteMany()
	case "increment":
		return c.increment()
	}
	return c.editSet() // addToSet, pull
}

// read runs a read and makes the reply.
func (c *call) read(ctx context.Context, t reading) (*mesh.Reply, error) {
	a := lentAnswer()
	var err error
	if t.several() {
		err = c.store.conn.Snapshot(ctx, func(r driver.Reader) error { return t.read(ctx, r, a) })
	} else {
		err = t.read(ctx, c.store.conn, a)
	}
	if err != nil {
		return nil, err
	}
	return a.reply(mesh.Position{}), nil
}

// principal is the id of who calls.
func (c *call) principal() string {
	if c.request.Principal == nil {
		return ""
	}
	return c.request.Principal.ID
}

// scope is what the caller's queries on the call's entity are checked against.
func (c *call) scope() query.Scope {
	return query.Scope{
		Entity: c.model.entity, Readable: c.readable(),
		IncludeDeleted: c.args.includeDeleted, Limits: c.store.options.Limits,
	}
}

func (c *call) readable() func(*schema.Column) bool {
	if c.guard == nil {
		return nil
	}
	return c.guard.Readable
}

// allowed is what the guard leaves of an entity's records; nil = all.
func (c *call) allowed(e *schema.Entity, class mesh.Class) query.Expr {
	if c.guard == nil {
		return nil
	}
	return c.guard.Rows(e, class)
}

// changeable is where for writes: whatever the filter names, what is
// soft-deleted stays as it is.
func (c *call) changeable() (query.Expr, error) {
	where, err := c.where(mesh.Write)
	return query.Join(where, c.model.live), err
}

// where is the request's filter with all that a caller never sees past.
func (c *call) where(class mesh.Class) (query.Expr, error) {
	s := c.scope()
	where, err := query.ParseFilter(s, c.args.filter)
	if err != nil {
		return nil, err
	}
	return c.within(s, where, class), nil
}

// within is a filter with all that a caller never sees past.
func (c *call) within(s query.Scope, where query.Expr, class mesh.Class) query.Expr {
	return query.Join(query.Visible(s, where), c.allowed(s.Entity, class))
}

// visible is what the caller may see of another entity's records.
func (c *call) visible(e *schema.Entity) query.Expr {
	live, allowed := c.state.models[e].live, c.allowed(e, mesh.Read)
	if c.restoring {
		live = query.Visible(query.Scope{Entity: e, IncludeDeleted: true}, nil)
	}
	if allowed == nil {
		return live
	}
	return query.Join(live, allowed)
}

// source is where the call's pages find related records.
func (c *call) source(r driver.Reader) populate.Source {
	return populate.Source{Reader: r, Visible: c.visible, Rows: c.store.options.Limits.WorkerRows}
}
