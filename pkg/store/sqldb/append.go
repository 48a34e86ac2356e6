package sqldb

import (
	sqldriver "database/sql/driver"
	"math/bits"
	"strings"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/store/changelog"
)

// appends are the changes of units that share a transaction. They are stored
// together and last: a number is drawn right before the commit, so that readers
// of the log wait for it as briefly as can be.
type appends struct {
	waiting []waitingChange
	wide    [6]string // the statement for 1, 2, 4, … 32 changes
}

// waitingChange is a change that waits, and its unit.
type waitingChange struct {
	tx     *tx
	change *mesh.Change
}

// Append implements driver.Tx. The database draws the number, behind the row's
// own statement, whose lock is held to the commit: so the numbers are in the
// order of each record's changes. In a shared transaction a unit's first change
// waits for the others'.
func (t *tx) Append(c *mesh.Change) error {
	if err := t.check(); err != nil {
		return err
	}
	t.keyed = t.keyed || c.IdempotencyKey != ""
	if t.group != nil && !t.appended {
		t.appended, t.wrote = true, true
		t.group.waiting = append(t.group.waiting, waitingChange{t, c})
		return nil
	}
	if err := t.flush(); err != nil {
		return err
	}
	if t.db.engine.Migrate.Dialect.Counter {
		if err := t.draw(); err != nil {
			return err
		}
	}
	t.begin()
	t.bindChange(c)
	result, err := t.write(t.db.log.Append.SQL, nil)
	if err != nil {
		return t.db.numberTaken(err)
	}
	seq := t.drawn
	if !t.db.engine.Migrate.Dialect.Counter {
		if seq, err = result.LastInsertId(); err != nil {
			return t.fail(err, nil)
		}
	}
	t.number(c, seq)
	return nil
}

// number tells a change its number.
func (t *tx) number(c *mesh.Change, seq int64) {
	if t.first == 0 {
		t.first = seq
	}
	t.last = seq
	c.Seq = seq
	if c.Tx == 0 {
		c.Tx = t.first
	}
}

// flush stores what waits, if something of this unit does.
func (t *tx) flush() error {
	if t.group == nil || !t.appended || t.last != 0 {
		return nil
	}
	return t.group.store(t.session)
}

// store stores all changes that wait.
func (a *appends) store(s *session) error {
	for left := a.waiting; len(left) > 0; {
		size := bits.Len(uint(len(left))) - 1
		size = min(size, len(a.wide)-1)
		n := 1 << size
		s.begin()
		for _, w := range left[:n] {
			w.tx.bindChange(w.change)
		}
		result, err := s.exec(uncancelled, a.statement(s.db.log.Append.SQL, size), nil)
		if err != nil {
			return s.db.numberTaken(err)
		}
		first, err := result.LastInsertId()
		if err != nil {
			return s.fail(err, nil)
		}
		for i, w := range left[:n] {
			w.tx.number(w.change, first+int64(i))
		}
		left = left[n:]
	}
	a.clear()
	return nil
}

func (a *appends) clear() {
	clear(a.waiting)
	a.waiting = a.waiting[:0]
}

// statement is the INSERT of 1<<size changes, made of that of one.
func (a *appends) statement(one string, size int) string {
	if a.wide[size] == "" {
		row := one[strings.LastIndexByte(one, '('):]
		a.wide[size] = one + strings.Repeat(", "+row, 1<<size-1)
	}
	return a.wide[size]
}

// bindChange binds sqlgen.ChangeColumns.
func (t *tx) bindChange(c *mesh.Change) {
	seqOf := c.Tx
	if seqOf == 0 {
		seqOf = t.first // 0: the change's own, see row.change
	}
	var number sqldriver.Value // null: the database draws it
	if t.db.engine.Migrate.Dialect.Counter {
		number = t.drawn
		if seqOf == 0 {
			seqOf = t.drawn
		}
	}
	t.bind(number)
	t.bind(seqOf)
	for _, text := range []string{c.Entity, c.ID, c.Verb} {
		t.bind(text)
	}
	t.bind(c.Version)
	t.bindJSON(c.After)
	t.bindJSON(changelog.OldColumn(c))
	t.bindChanged(c)
	for _, text := range []string{c.Principal, c.RequestID, c.Transport} {
		t.bind(text)
	}
	if c.IdempotencyKey == "" {
		t.bind(nil)
	} else {
		t.bind(c.IdempotencyKey)
	}
	t.bindHash(c.RequestHash)
	t.bind(c.At.UnixMilli())
}

// bindJSON binds JSON text, nil as null.
func (t *tx) bindJSON(text []byte) {
	if text == nil {
		t.bind(nil)
		return
	}
	t.bind(string(text))
}

func (t *tx) bindHash(hash []byte) {
	if hash == nil {
		t.bind(nil)
		return
	}
	t.bind(hash)
}

func (t *tx) bindChanged(c *mesh.Change) {
	if c.Changed == nil {
		t.bind(nil)
		return
	}
	t.buf = changelog.AppendChanged(t.buf[:0], c)
	t.bind(string(t.buf))
}
