package postgres

import (
	"math/bits"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// A statement costs the server more for being one than for the row it stores.
// So the units of a group that insert into one table share a statement of
// several rows, and all their changes do. These come in sizes that are powers of
// two: each size is prepared once.

// foldKinds bounds the plans whose wide forms a lane knows.
const foldKinds = 64

// widest is how many values a wide statement binds at most.
const widest = 4096

// wide are the forms of an insert for 2, 4, 8, … rows.
type wide [6]*sqlgen.Plan

// folds make wide statements for one lane.
type folds struct {
	inserts map[*sqlgen.Plan]*wide
	parts   []*request // those that were folded, for the pool
}

// fold puts runs of inserts by one plan together. What it made is given back by
// unfold.
func (f *folds) fold(db *DB, requests []*request) []*request {
	out := requests[:0]
	for len(requests) > 0 {
		first := requests[0]
		n := 1
		for first.folds && n < len(requests) && requests[n].folds && requests[n].plan == first.plan {
			n++
		}
		run := requests[:n]
		requests = requests[n:]
		for len(run) > 0 {
			size := 1 << (bits.Len(uint(len(run))) - 1)
			for size > 1 && size*first.plan.Params > widest {
				size /= 2
			}
			r := run[0]
			if size > 1 {
				r = f.join(db, run[:size])
			}
			out = append(out, r)
			run = run[size:]
		}
	}
	return out
}

// join makes one request of several. Out may stand in the place of the first:
// it is written after these were read.
func (f *folds) join(db *DB, run []*request) *request {
	r := newRequest()
	r.plan = f.plan(db, run[0].plan, len(run))
	r.begin(len(run) * run[0].plan.Params)
	for _, p := range run {
		r.params = append(r.params, p.params[2:]...)
	}
	r.parts = append(r.parts[:0], run...)
	f.parts = append(f.parts, r)
	return r
}

// unfold gives back what fold has made.
func (f *folds) unfold() {
	for _, r := range f.parts {
		clear(r.parts)
		r.parts = r.parts[:0]
		r.release()
	}
	clear(f.parts)
	f.parts = f.parts[:0]
}

func (f *folds) plan(db *DB, p *sqlgen.Plan, size int) *sqlgen.Plan {
	i := bits.Len(uint(size)) - 1
	if p == db.appendChange {
		return db.appendChanges[i]
	}
	w := f.inserts[p]
	if w == nil {
		if len(f.inserts) >= foldKinds {
			clear(f.inserts)
		}
		if f.inserts == nil {
			f.inserts = make(map[*sqlgen.Plan]*wide)
		}
		w = new(wide)
		f.inserts[p] = w
	}
	if w[i] == nil {
		// everything behind the last VALUES is placeholders
		head := p.SQL[:strings.LastIndex(p.SQL, " VALUES ")]
		w[i] = &sqlgen.Plan{SQL: head + " VALUES " + places(size, p.Params, nil), Params: size * p.Params, Point: true}
	}
	return w[i]
}

// places writes rows of placeholders, each value cast to its column's type.
func places(rows, columns int, types []string) string {
	b := make([]byte, 0, rows*columns*6)
	for i := range rows {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, '(')
		for j := range columns {
			if j > 0 {
				b = append(b, ", "...)
			}
			b = strconv.AppendInt(append(b, '$'), int64(i*columns+j+1), 10)
			if types != nil {
				b = append(append(b, "::"...), types[j]...)
			}
		}
		b = append(b, ')')
	}
	return string(b)
}
