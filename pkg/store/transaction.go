package store

import (
	"fmt"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/valyala/fastjson"
)

// maxItems bounds the operations of one transaction.
const maxItems = 500

// transaction is the op of that name: several operations, all or none. Its
// reads see what the operations before them wrote.
type transaction struct {
	call  *call
	items []item
}

// item is one operation: a read or a write.
type item struct {
	call  *call
	read  reading
	write writing
}

func (c *call) transaction() (*transaction, error) {
	if !c.store.conn.Capabilities().Transactions {
		return nil, fault.New(fault.Unsupported, "the database of this project has no transactions: make the operations one by one, or put the project on one that has them")
	}
	list, err := c.args.operations.Array()
	if err != nil || len(list) == 0 || len(list) > maxItems {
		return nil, invalid("operations must be an array of 1 to %d operations", maxItems)
	}
	t := &transaction{call: c, items: make([]item, len(list))}
	for i, v := range list {
		if err := t.prepare(i, v); err != nil {
			return nil, indexed(i, err)
		}
	}
	return t, nil
}

// prepare reads one operation, {"op":…,"entity":…, and the op's own members}.
func (t *transaction) prepare(i int, v *fastjson.Value) (err error) {
	sub := &call{store: t.call.store, state: t.call.state, request: t.call.request, guard: t.call.guard, now: t.call.now, item: i}
	err = sub.args.read(v, true)
	t.call.args.docs = append(t.call.args.docs, sub.args.docs...)
	if err != nil {
		return err
	}
	if err := sub.address(sub.args.entity, sub.args.op); err != nil {
		return err
	}
	if sub.op.Project || sub.op.Chunked {
		return fault.New(fault.UnknownOp, "%s is no operation of a transaction", sub.op.Name)
	}
	if err := sub.args.need(sub.op); err != nil {
		return err
	}
	if sub.args.id.ref > i {
		return invalid("$ref must be the number of an earlier operation")
	}
	t.items[i].call = sub
	if sub.op.Class == mesh.Read {
		t.items[i].read, err = sub.reading()
	} else {
		t.items[i].write, err = sub.writing()
	}
	return err
}

func (t *transaction) single() bool { return false }

func (t *transaction) write(w *work) (outcome, error) {
	size := 0 // of what the reads found, together
	for i := range t.items {
		var (
			o   outcome
			err error
		)
		if item := &t.items[i]; item.read != nil {
			if o, err = item.look(w); err == nil {
				size += len(o.data)
				err = tooLarge(size)
			}
		} else {
			o, err = item.do(w)
		}
		if err != nil {
			return outcome{}, indexed(i, err)
		}
		w.earlier = append(w.earlier, o)
	}
	return outcome{call: t.call, kind: listOutcome, list: w.earlier}, nil
}

// do runs a write as the item's own call.
func (item *item) do(w *work) (outcome, error) {
	whole := w.call
	w.call = item.call
	defer func() { w.call = whole }()
	return item.write.write(w)
}

// look runs a read.
func (item *item) look(w *work) (o outcome, err error) {
	if ref := item.call.args.id.ref; ref > 0 {
		if item.call.args.id.id, err = w.ref(ref); err != nil {
			return o, err
		}
		if item.read, err = item.call.reading(); err != nil {
			return o, err
		}
	}
	a := &answer{count: -1, total: -1}
	err = item.read.read(w.ctx, w.tx, a)
	return outcome{call: item.call, kind: readOutcome, data: a.body}, err
}

// ref returns the id of the record of an earlier item, counted from 1.
func (w *work) ref(n int) (string, error) {
	if n <= len(w.earlier) {
		if o := w.earlier[n-1]; o.kind == recordOutcome {
			return o.call.model.idOf(o.row), nil
		}
	}
	return "", fault.New(fault.ValidationError, "$ref %d: that operation left no record", n-1).
		With([]Problem{{"$ref", "the operation that it names left no record"}})
}

// resolve returns the id itself.
func (w *work) resolve(i ident) (string, error) {
	if i.ref > 0 {
		return w.ref(i.ref)
	}
	return i.id, nil
}

// indexed says which operation failed; details has its number and its own
// details.
func indexed(i int, err error) error {
	f := fault.From(err)
	details := map[string]any{"index": i}
	if f.Details != nil {
		details["details"] = f.Details
	}
	return fault.Wrap(err, f.Code, "%s", fmt.Sprintf("operations[%d]: %s", i, f.Message)).With(details)
}
