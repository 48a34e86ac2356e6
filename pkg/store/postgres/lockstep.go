package postgres

import (
	"cmp"
	"errors"
	"iter"
	"slices"

	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/queue"
)

// member is a unit in a group, and the coroutine that runs it: it stands still
// where the unit asks something, and goes on with the answer.
type member struct {
	tx      tx
	unit    driver.Unit
	asked   *question
	granted bool
	ended   bool
	err     error

	resume func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
}

// newMember makes a coroutine that runs one unit after another.
func newMember() *member {
	m := &member{}
	m.resume, m.stop = iter.Pull(func(yield func(struct{}) bool) {
		m.yield = yield
		for {
			m.err = m.tx.do(m.unit)
			m.ended = true
			if !yield(struct{}{}) {
				return
			}
		}
	})
	return m
}

// begin prepares the member for a unit.
func (m *member) begin(g *group, u driver.Unit) {
	m.tx.reset(g.db, u)
	m.tx.guess = func(principal, key string) bool { return g.guess(m, principal, key) }
	m.unit, m.asked, m.granted, m.ended, m.err = u, nil, false, false, nil
	m.tx.put = func(q *question) error {
		m.asked, m.granted = q, false
		m.yield(struct{}{})
		m.asked = nil
		return m.tx.lost
	}
}

// abandon lets a unit that stands still come to its end.
func (m *member) abandon(err error) {
	m.tx.lost = err
	for !m.ended {
		m.resume()
	}
	m.tx.drop()
}

// holding is who holds a key of a group: one, or several that only look.
type holding struct {
	owner   *member
	lookers []*member
}

// grant reports whether a member may ask now; it then holds the key until its
// unit has ended.
func (g *group) grant(m *member) bool {
	q := m.asked
	if q.key == "" {
		return true
	}
	h := g.held[q.key]
	switch {
	case q.shared && h.owner == nil:
		h.lookers = append(h.lookers, m)
	case !q.shared && h.owner == nil && len(h.lookers) == 0:
		h.owner = m
	case h.owner != m:
		return false
	}
	g.held[q.key] = h
	return true
}

// together runs several single units in one transaction. It is false when that
// failed as a whole and nothing has happened: each has to run by itself then.
// The units run until they ask something; what they asked goes out in one
// pipeline, the locking ones in the order of their keys, so that no two groups
// wait for each other. A unit whose record another one of the group has at hand
// waits for its end.
func (g *group) together(jobs []*queue.Job) bool {
	for try := 1; ; try++ {
		ok, again := g.attempt(jobs)
		for _, i := range g.unsure {
			jobs[i].Err = g.insist(jobs[i].Unit, false, jobs[i].Err)
		}
		if ok || !again || try > g.db.tries() || !g.db.options.cockroach {
			return ok
		}
		g.db.rest(try)
	}
}

// attempt is one run of together; again tells that it has met others.
func (g *group) attempt(jobs []*queue.Job) (ok, again bool) {
	defer g.db.turn()()
	g.unsure = g.unsure[:0]
	if err := g.start(); err != nil {
		for _, j := range jobs {
			j.Err = err
		}
		return true, false
	}
	for len(g.members) < len(jobs) {
		g.members = append(g.members, newMember())
	}
	if g.held == nil {
		g.held = make(map[string]holding)
	}
	clear(g.held)
	g.guesses.begin(true)
	members := g.members[:len(jobs)]
	for i, m := range members {
		m.begin(g, jobs[i].Unit)
	}
	err := g.run(slices.Clone(members))
	if err != nil {
		for _, m := range members {
			m.abandon(err)
		}
		g.undo()
	}
	done := 0
	for i, m := range members {
		switch {
		case err == nil:
			if jobs[i].Err = m.err; m.err == nil {
				done++
			}
		case g.ended && m.err != nil: // nothing of it was sent, but what it failed for may not hold
			jobs[i].Err = nil
			g.unsure = append(g.unsure, i)
		case g.ended: // nobody knows
			if jobs[i].Err = unknown(err); m.tx.keyed {
				g.unsure = append(g.unsure, i)
			}
		}
		m.unit = driver.Unit{}
	}
	if err == nil {
		g.db.committed(done)
	}
	return err == nil || g.ended, hasCode(err, serializationFailure, deadlockDetected)
}

// run runs the members to their common end.
func (g *group) run(members []*member) error {
	for {
		live, asking := false, false
		g.sending = g.sending[:0]
		for _, m := range members {
			if !m.ended && (m.asked == nil || m.granted) {
				m.resume()
			}
			if m.ended && m.err != nil {
				if m.tx.sent { // what is out can't be taken back alone
					return m.err
				}
				m.tx.drop()
			}
			live = live || !m.ended
		}
		// Inserts of equal ids in two groups wait for each other, too.
		slices.SortStableFunc(members, func(a, b *member) int { return cmp.Compare(a.tx.writes, b.tx.writes) })
		// the rows before the changes, whose numbers then are held for less long
		for _, log := range []bool{false, true} {
			for _, m := range members {
				for i, r := range m.tx.deferred {
					if (i >= m.tx.rows) == log {
						g.sending = append(g.sending, r)
					}
				}
			}
		}
		g.sending = g.folds.fold(g.db, g.sending)
		g.release()
		var granted []*member
		for _, m := range members {
			if !m.ended && g.grant(m) {
				m.granted, asking = true, true
				granted = append(granted, m)
			}
		}
		if live && !asking {
			return errStuck
		}
		if !live && !g.begun && len(g.sending) == 0 && !g.guesses.open() {
			return nil
		}
		slices.SortStableFunc(granted, func(a, b *member) int {
			if a.asked.locks != b.asked.locks { // who only reads waits for nobody
				if a.asked.locks {
					return 1
				}
				return -1
			}
			return cmp.Compare(a.asked.key, b.asked.key)
		})
		for _, m := range granted {
			g.sending = append(g.sending, m.asked.requests...)
		}
		if _, err := g.round(g.sending, !live); err != nil {
			return errors.Join(errTogether, err)
		}
		for _, m := range members {
			m.tx.sentAll()
		}
		if !live {
			return nil
		}
	}
}

var errTogether = errors.New("postgres: a group of writes failed")

// release takes the keys from members that have ended: what they have written
// goes out before what others ask.
func (g *group) release() {
	for key, h := range g.held {
		if h.owner != nil && h.owner.ended {
			h.owner = nil
		}
		h.lookers = slices.DeleteFunc(h.lookers, func(m *member) bool { return m.ended })
		if h.owner == nil && len(h.lookers) == 0 {
			delete(g.held, key)
		} else {
			g.held[key] = h
		}
	}
}
