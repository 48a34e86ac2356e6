package postgres

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// A read by id costs the server four times as much for being a statement as for
// the row it finds. So those that wait together and differ in nothing but the id
// become one statement, whose rows are handed out by their ids.

// gathering makes one request of several, for one lane.
type gathering struct {
	plans map[*sqlgen.Plan]gathered
	out   []*request
	made  []*request // for the pool
}

// gathered is how a plan is written for any number of ids.
type gathered struct {
	plan *sqlgen.Plan // nil = it cannot be
	id   int          // the column of the answer that holds the id
}

// gatherKinds bounds the plans that a lane knows.
const gatherKinds = 256

const oneID = ` WHERE "id" = $1`

// gather puts the reads of a batch together that can share a statement. The
// answers are handed out by hand; done gives back what was made. A nil gathering
// leaves all as it is.
func (g *gathering) gather(batch []*request) []*request {
	if g == nil || len(batch) < 2 {
		return batch
	}
	g.out = g.out[:0]
next:
	for _, r := range batch {
		w := g.of(r.plan)
		if w.plan == nil {
			g.out = append(g.out, r)
			continue
		}
		for i, first := range g.out {
			if first.plan == w.plan {
				first.parts = append(first.parts, r)
				continue next
			}
			if first.plan == r.plan {
				j := newRequest()
				j.plan, j.parts = w.plan, append(j.parts[:0], first, r)
				g.made = append(g.made, j)
				g.out[i] = j
				continue next
			}
		}
		g.out = append(g.out, r)
	}
	for _, j := range g.made {
		j.bindIDs()
	}
	return g.out
}

// done gives back what gather has made.
func (g *gathering) done() {
	if g == nil {
		return
	}
	for _, j := range g.made {
		clear(j.parts)
		j.parts = j.parts[:0]
		j.release()
	}
	clear(g.made)
	clear(g.out)
	g.made = g.made[:0]
}

func (g *gathering) of(p *sqlgen.Plan) gathered {
	w, ok := g.plans[p]
	if ok {
		return w
	}
	if len(g.plans) >= gatherKinds {
		clear(g.plans)
	}
	if g.plans == nil {
		g.plans = make(map[*sqlgen.Plan]gathered)
	}
	w = forIDs(p)
	g.plans[p] = w
	return w
}

// forIDs rewrites a read whose only value is the id of its only record.
func forIDs(p *sqlgen.Plan) (w gathered) {
	w.id = -1
	for i, c := range p.Columns {
		if c.Role == schema.RoleID {
			w.id = i
		}
	}
	head, rest, found := strings.Cut(strings.TrimSuffix(p.SQL, " LIMIT 1"), oneID)
	if !p.Point || p.Params != 1 || p.Residual || w.id < 0 || !found || rest != "" && !strings.HasPrefix(rest, " AND ") || strings.Contains(rest, " ORDER BY ") {
		return gathered{}
	}
	w.plan = &sqlgen.Plan{SQL: head + ` WHERE "id" = ANY($1)` + rest, Columns: p.Columns, Kinds: p.Kinds, Params: 1, Point: true}
	return w
}

// id is the value of a read of one record.
func (r *request) id() []byte { return r.params[6:] }

// bindIDs binds the ids of the parts as an array
// (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO).
func (r *request) bindIDs() {
	r.begin(1)
	r.params = append(r.params, 0, 0, 0, 0, '{')
	for i, p := range r.parts {
		if i > 0 {
			r.params = append(r.params, ',')
		}
		r.params = append(r.params, '"')
		for _, c := range p.id() {
			if c == '"' || c == '\\' {
				r.params = append(r.params, '\\')
			}
			r.params = append(r.params, c)
		}
		r.params = append(r.params, '"')
	}
	r.params = append(r.params, '}')
	binary.BigEndian.PutUint32(r.params[2:], uint32(len(r.params)-6))
}

// hand gives each part of j its rows.
func (g *gathering) hand(j *request, most int) {
	id := g.of(j.parts[0].plan).id
	for _, p := range j.parts {
		p.clear()
		p.formats = j.formats
	}
	var r row
	for b := j.rows; len(b) > 0; {
		n := 4 + binary.BigEndian.Uint32(b)
		body := b[4:n]
		b = b[n:]
		r.read(body)
		for _, p := range j.parts {
			if bytes.Equal(p.id(), r.values[id]) {
				p.keep(body, most)
			}
		}
	}
}
