package mongotest

import (
	"errors"
	"maps"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// txn is a transaction: a state of its own, forked from the one at its first
// statement, and the keys of what it has written, which nobody else may write
// until it is over.
type txn struct {
	session string
	number  int64
	base    state
	state   state
	written map[string]written
}

type written struct{ ns, key string }

// command is one command at work.
type command struct {
	*Server
	m    *message
	name string
	body bson.Raw
	db   string
	tx   *txn
	at   state  // what it reads
	time uint32 // of a snapshot read
}

const transient = "TransientTransactionError"

// begin finds what the command reads: its transaction's state, a snapshot's, or
// the newest.
func (s *Server) begin(name string, m *message) (*command, error) {
	c := &command{Server: s, m: m, name: name, body: m.body, at: s.now}
	c.db, _ = m.body.Lookup("$db").StringValueOK()
	lsid, _ := m.body.Lookup("lsid").DocumentOK()
	auto, ok := m.body.Lookup("autocommit").BooleanOK()
	if ok && !auto {
		if s.o.Standalone {
			return nil, refuse(20, "Transaction numbers are only allowed on a replica set member or mongos")
		}
		number, _ := m.body.Lookup("txnNumber").AsInt64OK()
		if start, _ := m.body.Lookup("startTransaction").BooleanOK(); start {
			s.abort(string(lsid))
			c.tx = &txn{session: string(lsid), number: number, base: s.now, state: maps.Clone(s.now), written: map[string]written{}}
			s.txs[c.tx.session] = c.tx
		} else if c.tx = s.txs[string(lsid)]; c.tx == nil || c.tx.number != number {
			return nil, &refusal{code: 251, text: "Given transaction number does not match any in-progress transactions.", labels: []string{transient}}
		}
		c.at = c.tx.state
		return c, nil
	}
	concern, _ := m.body.Lookup("readConcern").DocumentOK()
	level, _ := concern.Lookup("level").StringValueOK()
	if s.o.Standalone && level != "" && level != "local" && level != "available" {
		return nil, refuse(123, "node needs to be a replica set member to use read concern")
	}
	if level == "snapshot" {
		at, _, given := concern.Lookup("atClusterTime").TimestampOK()
		if !given {
			c.time = s.clock
			s.history[c.time] = s.now
			return c, nil
		}
		c.time = at
		if c.at, ok = s.history[at]; !ok {
			return nil, refuse(239, "the snapshot is too old")
		}
	}
	return c, nil
}

// end brings a failed statement's transaction to its end, as MongoDB does.
func (c *command) end(d bson.D, err error) (bson.D, error) {
	failed := err != nil
	for _, e := range d {
		failed = failed || e.Key == "writeErrors"
	}
	if failed && c.tx != nil {
		c.abort(c.tx.session)
	}
	if err != nil {
		return nil, err
	}
	return append(d, bson.E{Key: "ok", Value: 1.0}), nil
}

// abort lets a session's transaction fall.
func (s *Server) abort(session string) {
	t := s.txs[session]
	if t == nil {
		return
	}
	delete(s.txs, session)
	for id := range t.written {
		delete(s.locks, id)
	}
	s.released.Broadcast()
}

// forget lets the transaction of a message fall that is answered with an error.
func (s *Server) forget(m *message) {
	if lsid, ok := m.body.Lookup("lsid").DocumentOK(); ok {
		s.abort(string(lsid))
	}
}

func (s *Server) finish(name string, m *message) (bson.D, error) {
	lsid, _ := m.body.Lookup("lsid").DocumentOK()
	t := s.txs[string(lsid)]
	if name == "abortTransaction" {
		s.abort(string(lsid))
		return bson.D{{Key: "ok", Value: 1.0}}, nil
	}
	if t == nil {
		// A commit that is asked for again, since its answer was lost, is answered
		// as the first time.
		if n, ok := m.body.Lookup("txnNumber").AsInt64OK(); ok && s.over[string(lsid)] == n {
			return bson.D{{Key: "ok", Value: 1.0}}, nil
		}
		return nil, &refusal{code: 251, text: "no such transaction", labels: []string{transient}}
	}
	next := maps.Clone(s.now)
	cloned := map[string]bool{}
	for _, w := range t.written {
		from := t.state[w.ns]
		to := next[w.ns]
		if to == nil {
			to = newCollection()
			to.indexes, to.options = from.indexes, from.options
			next[w.ns], cloned[w.ns] = to, true
		}
		if !cloned[w.ns] {
			to = to.clone()
			next[w.ns], cloned[w.ns] = to, true
		}
		d, there := from.docs[w.key]
		if !there {
			delete(to.docs, w.key)
			continue
		}
		for _, x := range to.indexes[1:] {
			if to.unique(w.ns, x, d.raw, w.key) != nil {
				s.abort(t.session)
				return nil, &refusal{code: 112, text: "WriteConflict", labels: []string{transient}}
			}
		}
		if old, ok := to.docs[w.key]; ok {
			d.at = old.at
		} else {
			d.at = to.next
			to.next++
		}
		to.docs[w.key] = d
	}
	s.now = next
	s.clock++
	s.abort(t.session) // its locks go
	s.over[t.session] = t.number
	return bson.D{{Key: "ok", Value: 1.0}}, nil
}

// errAgain tells that the command has waited: what it has found may be old.
var errAgain = errors.New("mongotest: again")

// conflict takes the lock of a document that is about to be written. Outside of
// transactions a write waits for one that has it; inside it fails at once.
func (c *command) conflict(ns, key string) error {
	id := ns + "\x00" + key
	if c.tx == nil {
		if c.locks[id] == nil {
			return nil
		}
		c.released.Wait()
		return errAgain
	}
	refused := &refusal{code: 112, text: "WriteConflict error: this operation conflicted with another operation. Please retry your operation or multi-document transaction.", labels: []string{transient}}
	if other := c.locks[id]; other != nil && other != c.tx {
		return refused
	}
	var base, now document
	if x := c.tx.base[ns]; x != nil {
		base = x.docs[key]
	}
	if x := c.now[ns]; x != nil {
		now = x.docs[key]
	}
	if (base.raw == nil) != (now.raw == nil) || base.raw != nil && &base.raw[0] != &now.raw[0] {
		return refused
	}
	c.locks[id] = c.tx
	c.tx.written[id] = written{ns, key}
	return nil
}

// change gives a collection that may be changed, and puts it in force with done.
func (c *command) change(ns string) (x *collection, done func()) {
	if c.tx != nil {
		if x = c.tx.state[ns]; x == nil {
			x = newCollection()
		} else {
			x = x.clone()
		}
		return x, func() { c.tx.state[ns] = x }
	}
	if x = c.now[ns]; x == nil {
		x = newCollection()
	} else {
		x = x.clone()
	}
	return x, func() {
		next := maps.Clone(c.now)
		next[ns] = x
		c.now = next
		c.clock++
	}
}
