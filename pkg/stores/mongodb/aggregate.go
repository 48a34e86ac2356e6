package mongodb

import (
	"context"
	"math/big"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/residual"
)

// An aggregation runs in MongoDB as far as that is exact: filters, then a group
// or a count, or a sort with its page. The few rows that this leaves go through
// the stages behind it in the worker, by the evaluator that every database is
// held to.

// Aggregate implements driver.Reader.
func (r *reader) Aggregate(ctx context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	match := newDoc()
	match.array("$and").object("")
	exact := match.appendFilter(q.Where, false)
	match.end()
	n := 0
	for ; n < len(q.Stages); n++ {
		f, ok := q.Stages[n].(query.FilterStage)
		if !ok {
			break
		}
		match.object("")
		exact = match.appendFilter(f.Where, false) && exact
		match.end()
	}
	filter := match.raw()
	rest := &query.Aggregate{Entity: q.Entity, Stages: q.Stages[n:], Output: q.Output}
	switch s := first(rest.Stages).(type) {
	case query.GroupStage:
		if exact && groupable(&s) {
			rest.Stages = rest.Stages[1:]
			rows, err := r.group(ctx, q.Entity, filter, &s)
			return finish(rest, rows, err, each)
		}
	case query.CountStage:
		if exact {
			n, err := r.db.data.Collection(q.Entity.Collection).CountDocuments(r.bind(ctx), filter)
			rest.Stages = rest.Stages[1:]
			return finish(rest, []schema.Row{{schema.IntOf(n)}}, r.failed(ctx, err, q.Entity), each)
		}
	}
	page := &query.Select{Entity: q.Entity}
	if exact {
		rest.Stages = paged(page, rest.Stages)
	} else {
		rest.Where, rest.Stages = q.Where, q.Stages
	}
	return residual.Aggregate(rest, func(each func(driver.Row) error) error {
		return r.scan(ctx, page, filter, q.Entity.Columns, each)
	}, each)
}

func first(stages []query.Stage) query.Stage {
	if len(stages) == 0 {
		return nil
	}
	return stages[0]
}

// paged moves a leading sort, skip and limit into a find.
func paged(q *query.Select, stages []query.Stage) []query.Stage {
	if s, ok := first(stages).(query.SortStage); ok {
		q.Sort, stages = s, stages[1:]
	}
	if s, ok := first(stages).(query.SkipStage); ok {
		q.Skip, stages = int(s), stages[1:]
	}
	if s, ok := first(stages).(query.LimitStage); ok && s > 0 {
		q.Limit, stages = int(s), stages[1:]
	}
	return stages
}

// finish runs the stages that are left and gives the result.
func finish(rest *query.Aggregate, rows []schema.Row, err error, each func(driver.Row) error) error {
	if err != nil {
		return err
	}
	for _, row := range query.RunAggregate(rest, rows) {
		if err := each(computed(row)); err != nil {
			return err
		}
	}
	return nil
}

// computed is a result row. It implements driver.Row.
type computed schema.Row

func (r computed) AppendJSON(dst []byte, i int) []byte { return r[i].AppendJSON(dst) }
func (r computed) Value(i int) schema.Value            { return r[i] }
func (r computed) Null(i int) bool                     { return r[i].IsNull() }
func (r computed) Text(i int) []byte                   { return []byte(r[i].Text()) }

// groupable reports whether MongoDB can do the arithmetic of a group: decimals,
// which it has as text, are for the worker.
func groupable(g *query.GroupStage) bool {
	for _, a := range g.Accumulators {
		if (a.Op == query.Sum || a.Op == query.Avg) && a.Column != nil && a.Column.Type.Kind() == schema.KindDecimal {
			return false
		}
	}
	return true
}

// group runs a $group. Its document's members are _id for the key, a<n> for the
// accumulators and c<n> for the number of values behind an average.
func (r *reader) group(ctx context.Context, e *schema.Entity, filter bson.Raw, g *query.GroupStage) ([]schema.Row, error) {
	d := newDoc()
	d.object("$group")
	if g.By == nil {
		d.null("_id")
	} else {
		d.text("_id", "$"+member(g.By))
	}
	for i, a := range g.Accumulators {
		d.accumulator(strconv.Itoa(i), a)
	}
	pipeline := []bson.Raw{wrapped("$match", filter), d.raw()}
	at := r.bind(ctx)
	cur, err := r.db.data.Collection(e.Collection).Aggregate(at, pipeline, options.Aggregate().SetAllowDiskUse(true).SetBatchSize(batch))
	if err != nil {
		return nil, r.failed(ctx, err, e)
	}
	w := groupRow(g)
	var rows []schema.Row
	err = r.each(ctx, at, cur, e, func(raw bson.Raw) error {
		if len(rows) == residual.MaxRows {
			return fault.New(fault.InvalidFilter, "there are more than %d groups: narrow the records down, or group by less", residual.MaxRows)
		}
		if err := w.set(raw); err != nil {
			return err
		}
		rows = append(rows, w.group(g))
		return nil
	})
	if err == nil && g.By == nil && len(rows) == 0 { // one group, even of nothing
		clear(w.values)
		rows = append(rows, w.group(g))
	}
	return rows, err
}

// wrapped is {name: sub}.
func wrapped(name string, sub bson.Raw) bson.Raw {
	d := newDoc()
	d.b = bsoncore.AppendDocumentElement(d.b, name, sub)
	return d.raw()
}

func (d *doc) accumulator(n string, a query.Accumulator) {
	d.object("a" + n)
	switch {
	case a.Op == query.Count || a.Column == nil:
		d.one("$sum", 1)
	case a.Op == query.Sum || a.Op == query.Avg:
		d.text("$sum", "$"+member(a.Column))
	case a.Op == query.Min:
		d.text("$min", "$"+member(a.Column))
	default:
		d.text("$max", "$"+member(a.Column))
	}
	d.end()
	if a.Op != query.Avg {
		return
	}
	// In an expression what is not there is below null, null below the rest.
	d.object("c" + n).object("$sum").array("$cond")
	d.object("").array("$gt").text("", "$"+member(a.Column)).null("").end().end()
	d.one("", 1).one("", 0).end().end().end()
}

// groupRow is the row of a group's document: key, accumulators, counts.
func groupRow(g *query.GroupStage) *row {
	w := &row{}
	add := func(name string, k schema.Kind) {
		w.names, w.kinds, w.values = append(w.names, name), append(w.kinds, k), append(w.values, value{})
	}
	by := schema.KindNull
	if g.By != nil {
		by = g.By.Type.Kind()
	}
	add("_id", by)
	for i, a := range g.Accumulators {
		add("a"+strconv.Itoa(i), kindOf(a))
	}
	for i := range g.Accumulators {
		add("c"+strconv.Itoa(i), schema.KindInt)
	}
	return w
}

func kindOf(a query.Accumulator) schema.Kind {
	if a.Column == nil || a.Op == query.Count {
		return schema.KindInt
	}
	return a.Column.Type.Kind()
}

func (r *row) group(g *query.GroupStage) schema.Row {
	out := make(schema.Row, 0, len(g.Output))
	if g.By != nil {
		out = append(out, r.Value(0))
	}
	for i := range g.Accumulators {
		out = append(out, r.accumulated(&g.Accumulators[i], 1+i, 1+len(g.Accumulators)+i))
	}
	return out
}

// accumulated turns what MongoDB has computed into the result. A sum of int64
// comes back as a double when it is too large for one.
func (r *row) accumulated(a *query.Accumulator, i, count int) schema.Value {
	switch {
	case a.Op == query.Min || a.Op == query.Max:
		return r.Value(i)
	case a.Column == nil && a.Op == query.Sum:
		return number(a.Constant * float64(r.Value(i).Int()))
	case a.Op == query.Count:
		return schema.IntOf(r.Value(i).Int())
	case a.Op == query.Sum && r.kinds[i] == schema.KindFloat:
		return number(r.float(i))
	case a.Op == query.Sum && r.values[i].Type == bsoncore.TypeDouble:
		return schema.Null
	case a.Op == query.Sum:
		return schema.IntOf(r.Value(i).Int())
	}
	n := r.Value(count).Int()
	if n == 0 {
		return schema.Null
	}
	if r.kinds[i] == schema.KindInt && r.values[i].Type != bsoncore.TypeDouble {
		f, _ := new(big.Rat).SetFrac64(r.Value(i).Int(), n).Float64()
		return number(f)
	}
	return number(r.float(i) / float64(n))
}

func (r *row) float(i int) float64 {
	f, _ := r.values[i].AsFloat64OK()
	return f
}

// number is a computed number; an infinite one is null.
func number(f float64) schema.Value {
	if f-f != 0 {
		return schema.Null
	}
	return schema.FloatOf(f)
}
