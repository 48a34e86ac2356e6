package odata

import (
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// group is an atomicity group: its writes become one transaction.
type group struct {
	writes []write
	of     []*request
	index  map[string]int // part's id -> place in the transaction
}

func (g *group) add(r *request, w write) error {
	g.writes, g.of = append(g.writes, w), append(g.of, r)
	return nil
}

// atomic does the writes of a group in one transaction; reads have no place in
// it.
func (b *batch) atomic(run []*part) bool {
	g := &group{index: map[string]int{}}
	for _, p := range run {
		r := b.request(p, b.place(p), g)
		if r.res.err == nil && p.method == "GET" {
			r.res.err = fault.New(fault.InvalidRequest, "an atomicity group holds changes, no reads")
		}
		n := len(g.writes)
		if r.res.err == nil {
			g.index[p.id] = n
			r.run()
		}
		if r.res.err == nil && len(g.writes) != n+1 {
			r.res.err = fault.New(fault.InvalidRequest, "this request can't be a part of an atomicity group")
		}
		if r.res.err != nil {
			b.undone(run, p)
			return false
		}
		if w := &g.writes[n]; w.op == "create" {
			t, _ := r.typeOf(w.entity)
			r.res.entity = reference{t, ""}
		}
	}
	reply, err := b.outer.commit(run, g)
	if code := fault.CodeOf(err); code == fault.Timeout || code == fault.Internal { // nobody knows what was done
		for _, p := range run {
			p.answered.res = response{err: err}
		}
		return false
	}
	if err != nil {
		at := run[min(failedIndex(err), len(run)-1)]
		at.answered.res = response{err: err}
		b.undone(run, at)
		return false
	}
	if !b.finish(g, reply) {
		return false
	}
	for _, p := range run {
		if made := p.answered.res.entity; made.typ != nil {
			b.made[p.id] = made
		}
		b.size += len(p.answered.res.body)
	}
	return true
}

// undone answers the others of a group that failed.
func (b *batch) undone(run []*part, failed *part) {
	for _, p := range run {
		if p != failed {
			b.dropped(p, "another request of its atomicity group failed, so that nothing was done")
			p.skipped = true
		}
	}
}

// failedIndex is the operation of a transaction that failed.
func failedIndex(err error) int {
	if m, ok := fault.From(err).Details.(map[string]any); ok {
		switch n := m["index"].(type) {
		case int:
			return max(n, 0)
		case float64:
			return max(int(n), 0)
		}
	}
	return 0
}

// commit sends a group's writes as one transaction.
func (r *request) commit(run []*part, g *group) (*mesh.Reply, error) {
	args := []byte(`{"operations":[`)
	for i, w := range g.writes {
		if i > 0 {
			args = append(args, ',')
		}
		args = schema.AppendString(append(args, `{"op":`...), w.op)
		args = schema.AppendString(append(args, `,"entity":`...), w.entity)
		if rest := w.args[1:]; len(rest) > 0 {
			args = append(append(args, ','), rest...)
		}
		args = append(args, '}')
	}
	call := r.call
	defer func() { r.call = call }()
	r.call = run[0].answered.call
	return r.mesh(mesh.ProjectEntity, "transaction", append(args, `]}`...))
}

// finish gives each request of a group its part of the transaction's reply. The
// transaction is done: where its reply can't be read (ok is false), nobody may be
// told that nothing was.
func (b *batch) finish(g *group, reply *mesh.Reply) (ok bool) {
	data, _, err := parts(reply.Body)
	ok = err == nil
	list := within(data)
	for i, r := range g.of {
		var value []byte
		if ok {
			value, ok = list.next()
		}
		if !ok {
			r.res.err = fault.New(fault.Internal, "the transaction is done, but the worker's reply cannot be read")
			continue
		}
		one := *reply
		one.Version = 0
		r.note(&one)
		if err := g.writes[i].finish(value, &one); err != nil {
			// The transaction is done: a record that was not there is this
			// request's own answer.
			r.res.err = err
		}
	}
	return ok
}
