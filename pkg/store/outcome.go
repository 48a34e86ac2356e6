package store

import (
	"context"
	"strconv"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/changelog"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/populate"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/valyala/fastjson"
)

// outcome is what a write has come to, before anybody's view of it: what the
// reply is made of, and what an idempotency key keeps.
type outcome struct {
	call *call // whose plan shows the record
	kind outcomeKind
	row  schema.Row // kind recordOutcome
	// whole is the record as its one change has it; nil if there is no such.
	whole []byte
	n     int64     // the others: a number, or 0 and 1 for a truth
	list  []outcome // kind listOutcome
	data  []byte    // kinds readOutcome (the data of a read inside a transaction) and restoredOutcome
}

type outcomeKind uint8

const (
	nullOutcome   outcomeKind = iota // no such record
	recordOutcome                    // a record
	truthOutcome                     // true or false
	numberOutcome                    // a number, which is the count too
	countOutcome                     // a count, and no data
	listOutcome                      // a transaction's outcomes
	readOutcome
	restoredOutcome // what restore says, in data
)

// recordOf is the outcome of a write that leaves one record, or null.
func (c *call) recordOf(row schema.Row) outcome {
	if row == nil {
		return outcome{call: c}
	}
	return outcome{call: c, kind: recordOutcome, row: row}
}

// append appends the reply's data and sets its metadata. It cannot fail: the
// write is done, and no failure to show it may say otherwise.
func (o *outcome) append(ctx context.Context, a *answer) {
	switch o.kind {
	case recordOutcome:
		o.appendRecord(ctx, a)
	case truthOutcome:
		a.body = strconv.AppendBool(a.body, o.n == 1)
	case numberOutcome:
		a.body = strconv.AppendInt(a.body, o.n, 10)
		a.count = o.n
	case countOutcome:
		a.body = a.body[:len(replyNoData)]
		a.count = o.n
	case listOutcome:
		o.appendList(ctx, a)
	case restoredOutcome:
		a.body = append(a.body, o.data...)
		a.count = o.n
	default:
		a.body = append(a.body, "null"...)
	}
}

func (o *outcome) appendRecord(ctx context.Context, a *answer) {
	plan := o.call.shown
	row := plan.Row(o.row)
	switch {
	case plan.Whole && o.whole != nil:
		a.body, a.version = append(a.body, o.whole...), plan.Version(row)
		return
	case !plan.Populates():
		a.record(plan, row)
		return
	}
	page := populate.NewPage(plan)
	page.Add(row)
	err := o.call.store.conn.Snapshot(ctx, func(r driver.Reader) error { return page.Fill(ctx, o.call.source(r)) })
	if err != nil {
		a.record(plan, row)
		return
	}
	a.body = page.Append(a.body, 0, maxReply)
	a.version = plan.Version(row)
}

func (o *outcome) appendList(ctx context.Context, a *answer) {
	a.body = append(a.body, '[')
	for i := range o.list {
		if i > 0 {
			a.body = append(a.body, ',')
		}
		item := &o.list[i]
		switch item.kind {
		case readOutcome:
			a.body = append(a.body, item.data...)
		case countOutcome:
			a.body = strconv.AppendInt(a.body, item.n, 10)
		default:
			item.append(ctx, a)
		}
	}
	a.body = append(a.body, ']')
	a.count, a.version = int64(len(o.list)), 0
}

// The names of the kinds in what an idempotency key keeps.
var outcomeNames = [...]string{
	nullOutcome: "null", recordOutcome: "record", truthOutcome: "truth",
	numberOutcome: "number", countOutcome: "count", listOutcome: "list", readOutcome: "read",
	restoredOutcome: "restored",
}

// remember appends the outcome as an idempotency key keeps it: with the record
// as the change log has it, so that a replay shows what its caller may read by
// then. Reads are done again.
func (o *outcome) remember(dst []byte) []byte {
	dst = append(append(append(dst, `{"`...), outcomeNames[o.kind]...), `":`...)
	switch o.kind {
	case recordOutcome:
		whole := o.call.model.whole
		dst = whole.Append(dst, whole.Row(o.row))
	case listOutcome:
		dst = append(dst, '[')
		for i := range o.list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = o.list[i].remember(dst)
		}
		dst = append(dst, ']')
	case restoredOutcome:
		dst = append(dst, o.data...)
	default:
		dst = strconv.AppendInt(dst, o.n, 10)
	}
	return append(dst, '}')
}

// recall reads what remember wrote, for the same write t.
func (w *work) recall(body []byte, t writing) (outcome, error) {
	doc, err := strictjson.Parse(body)
	if err != nil {
		return outcome{}, err
	}
	defer doc.Release()
	return w.recallValue(doc.Root, w.call, t)
}

func (w *work) recallValue(v *fastjson.Value, c *call, t any) (o outcome, err error) {
	o.call = c
	v.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		switch string(key) {
		case "record":
			o.kind = recordOutcome
			o.row, err = changelog.Row(c.model.entity, strictjson.Compact(nil, v))
			if err == nil {
				err = w.stillAllowed(c, o.row)
			}
		case "list":
			o.kind = listOutcome
			items := t.(*transaction).items
			for i, member := range v.GetArray() {
				var one outcome
				if one, err = w.recallItem(member, &items[i]); err != nil {
					return
				}
				o.list = append(o.list, one)
			}
		case "restored":
			o.kind, o.n, o.data = restoredOutcome, v.GetInt64("count"), strictjson.Compact(nil, v)
		default:
			for kind, name := range outcomeNames {
				if name == string(key) {
					o.kind = outcomeKind(kind)
				}
			}
			o.n = v.GetInt64()
		}
	})
	return o, err
}

func (w *work) recallItem(v *fastjson.Value, item *item) (outcome, error) {
	if item.read != nil {
		return item.look(w)
	}
	return w.recallValue(v, item.call, item.write)
}
