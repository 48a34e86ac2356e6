package sql

import (
	"context"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// Ask sends a request of a plan to the worker of its project.
type Ask func(ctx context.Context, op, entity string, args []byte) (*mesh.Reply, error)

// Rows is the result of a statement, in batches. It is for one reader.
type Rows struct {
	next  func(ctx context.Context) (arrow.RecordBatch, error)
	close func()
	last  arrow.RecordBatch
}

// Next returns the next batch, which is valid until the next call and not to be
// released by the caller, and io.EOF after the last.
func (r *Rows) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if r.last != nil {
		r.last.Release()
		r.last = nil
	}
	b, err := r.next(ctx)
	r.last = b
	return b, err
}

// Close ends the statement, wherever it is.
func (r *Rows) Close() {
	if r.last != nil {
		r.last.Release()
		r.last = nil
	}
	r.close()
}

// Run runs a plan. Errors: MISSING_PARAMS where parameters have no values;
// PAYLOAD_TOO_LARGE where groups or a sort outgrow the memory of a statement,
// OVERLOADED where those of all statements do; those of the worker.
func (p *Plan) Run(ctx context.Context, ask Ask) (*Rows, error) {
	if p.unbound {
		return nil, fault.New(fault.MissingParams, "the statement has %d parameters: bind values to them first", len(p.Params))
	}
	o := &opening{ask: ask, scale: p.decimalScale}
	if rows, ok, err := o.plain(ctx, p); ok || err != nil {
		return rows, err
	}
	source, err := o.open(ctx, p.top)
	if err != nil {
		o.memory.free()
		return nil, err
	}
	b := newBatches(p.Schema, memory.DefaultAllocator)
	return &Rows{
		next:  func(ctx context.Context) (arrow.RecordBatch, error) { return b.read(ctx, source) },
		close: func() { source.close(); b.release(); o.memory.free() },
	}, nil
}

// rows are rows of values, each valid until the next call. After io.EOF or an
// error nothing more comes; close may be called at any time, also twice.
type rows interface {
	next(ctx context.Context) ([]schema.Value, error)
	close()
}

// opening makes the rows of a plan.
type opening struct {
	ask    Ask
	scale  int
	memory kept
}

// open returns the rows of a level.
func (o *opening) open(ctx context.Context, l *level) (rows, error) {
	if l.limit == 0 {
		return &nothing{}, nil
	}
	var (
		from rows
		err  error
		a    = &asked{level: l, where: l.where, order: l.order, offset: l.offset, limit: l.limit}
	)
	switch {
	case never(l.where):
		from, a.where = &nothing{}, nil
	case l.scan != nil:
		a = l.ask()
		if from, err = o.pushed(ctx, a); err != nil {
			return nil, err
		}
		if from != nil { // groups are made already
			return o.finish(ctx, l, a, from)
		}
		from, err = o.records(ctx, a)
	case l.inner != nil:
		from, err = o.open(ctx, l.inner)
	default:
		from = &nothing{rows: 1}
	}
	if err != nil {
		return nil, err
	}
	if a.where != nil {
		from = &filtered{from, a.where}
	}
	if l.group != nil {
		if from, err = o.fold(ctx, l.group, from); err != nil {
			return nil, err
		}
	}
	return o.finish(ctx, l, a, from)
}

// finish does what comes behind the groups.
func (o *opening) finish(ctx context.Context, l *level, a *asked, from rows) (rows, error) {
	var err error
	if l.having != nil {
		from = &filtered{from, l.having}
	}
	if len(a.order) > 0 {
		most := int64(-1)
		if a.limit >= 0 && !l.distinct && a.limit+a.offset >= 0 {
			most = a.limit + a.offset
		}
		if from, err = o.sort(ctx, from, a.order, most); err != nil {
			return nil, err
		}
	}
	from = &chosen{rows: from, out: l.out, row: make([]schema.Value, len(l.out))}
	if l.distinct {
		from = &distinct{rows: from, memory: &o.memory, seen: map[string]struct{}{}}
	}
	if a.offset > 0 || a.limit >= 0 {
		from = &page{rows: from, skip: a.offset, left: a.limit}
	}
	return from, nil
}

// nothing is so many rows without values.
type nothing struct{ rows int }

func (n *nothing) next(context.Context) ([]schema.Value, error) {
	if n.rows--; n.rows < 0 {
		return nil, io.EOF
	}
	return nil, nil
}

func (n *nothing) close() {}

// pushed asks for the groups, if the worker can make them. A result that may have
// been cut off is not taken: the groups are made here then.
func (o *opening) pushed(ctx context.Context, a *asked) (rows, error) {
	if !a.pushable() {
		return nil, nil
	}
	s, g := a.level.scan, a.level.group
	reply, err := o.ask(ctx, "aggregate", s.tables[s.root].entity.Name, a.stages())
	if err != nil {
		return nil, err
	}
	var parser fastjson.Parser
	body, err := parser.ParseBytes(reply.Body)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "a reply is no JSON")
	}
	list := body.GetArray("data")
	if len(list) >= query.DefaultLimits.MaxPage {
		return nil, nil
	}
	out := &held{}
	for _, v := range list {
		row := make([]schema.Value, 0, len(g.keys)+len(g.aggs))
		for _, k := range g.keys {
			key, err := value(v.Get(k.source.of.Name), k.typ)
			if err != nil {
				return nil, err
			}
			row = append(row, key)
		}
		for i, x := range g.aggs {
			n, err := value(v.Get("sql_agg"+strconv.Itoa(i)), x.result())
			if err != nil {
				return nil, err
			}
			if x.fn == sumOf && x.of.constant() {
				n = times(n, x.of.value)
			} else if least := v.Get("sql_least" + strconv.Itoa(i)); x.fn == sumOf && (least == nil || least.Type() == fastjson.TypeNull) {
				n = schema.Null
			}
			row = append(row, n)
		}
		out.list = append(out.list, row)
	}
	return out, nil
}

// times is the sum of a constant over so many rows; null if it does not fit.
func times(count, of schema.Value) schema.Value {
	n := count.Int() * of.Int()
	if count.Int() == 0 || n/count.Int() != of.Int() {
		return schema.Null
	}
	return schema.IntOf(n)
}

// result is the type of an aggregate.
func (a *aggregate) result() schema.Type {
	switch {
	case a.fn == countOf:
		return schema.Integer
	case a.fn == avgOf:
		return schema.Number
	}
	return a.of.typ
}

// plain runs a plan that changes nothing in the rows: the batches are the
// worker's.
func (o *opening) plain(ctx context.Context, p *Plan) (*Rows, bool, error) {
	l := p.top
	if l.scan == nil || !l.scan.single() || l.group != nil || l.distinct || l.limit == 0 || never(l.where) {
		return nil, false, nil
	}
	taken := make([]bool, len(l.scan.columns))
	for _, out := range l.out {
		// What is chosen twice would be sent twice, however large the worker's batch
		// is: of rows that are built here the batches are cut to size.
		if out.of.constant() || taken[out.of.slot] {
			return nil, false, nil
		}
		taken[out.of.slot] = true
	}
	a := l.ask()
	if a.where != nil || len(a.order) > 0 || a.limit >= 0 || a.offset > 0 {
		return nil, false, nil
	}
	s, err := o.stream(ctx, a, o.scale)
	if err != nil {
		return nil, false, err
	}
	return &Rows{
		next: func(ctx context.Context) (arrow.RecordBatch, error) {
			batch, err := s.read(ctx)
			if err != nil {
				return nil, err
			}
			return l.pick(p.Schema, batch)
		},
		close: s.close,
	}, true, nil
}
