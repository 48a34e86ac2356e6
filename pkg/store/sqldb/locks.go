package sqldb

import (
	"context"
	"crypto/rand"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// Databases without named locks have rows of this table instead: a few that
// units lock to their end, one that a migration holds until a time, and one that
// counts the numbers of the change log.
const (
	locksTable = "_octo_locks"
	// lockRows is how many rows the names of Tx.Lock share.
	lockRows = 64
	// lease is how long a migration may take before another worker no longer
	// believes in it: its process has ended. Clocks may differ by a part of it.
	lease = 3 * time.Minute
	// leaseTick is how often a waiting worker looks again.
	leaseTick = 50 * time.Millisecond
	// counterRow is the row whose value is the last number drawn.
	counterRow = "seq"
)

// lockTexts is the SQL of the table of locks.
type lockTexts struct {
	look, create  string
	touch, insert string // bind the name; name, owner, value
	lease, free   string // bind owner, value, name, now; name, owner
	step, set     string // bind the name; value, name
	value         string // binds the name
}

func newLockTexts(d *sqlgen.Dialect) lockTexts {
	n := 0
	place := func() string { n++; return string(d.Placeholder(nil, n)) }
	text := func(parts ...string) (sql string) {
		n = 0
		for i, p := range parts {
			if i > 0 {
				sql += place()
			}
			sql += p
		}
		return sql
	}
	table, name, owner, value := d.Ident(locksTable), d.Ident("name"), d.Ident("owner"), d.Ident("value")
	return lockTexts{
		look: "SELECT COUNT(*) FROM " + table,
		create: migrate.SQL(d, migrate.Step{Table: locksTable, Create: &migrate.Table{
			Name: locksTable, PrimaryKey: []string{"name"},
			Columns: []migrate.Column{
				{Name: "name", Declared: d.Types.Key, NotNull: true},
				{Name: "owner", Declared: d.Types.Key},
				{Name: "value", Declared: d.Types.Int, NotNull: true},
			},
		}}),
		touch:  text("UPDATE "+table+" SET "+value+" = "+value+" WHERE "+name+" = ", ""),
		insert: text("INSERT INTO "+table+" ("+name+", "+owner+", "+value+") VALUES (", ", ", ", ", ")"),
		lease:  text("UPDATE "+table+" SET "+owner+" = ", ", "+value+" = ", " WHERE "+name+" = ", " AND "+value+" < ", ""),
		free:   text("UPDATE "+table+" SET "+value+" = 0 WHERE "+name+" = ", " AND "+owner+" = ", ""),
		step:   text("UPDATE "+table+" SET "+value+" = "+value+" + 1 WHERE "+name+" = ", ""),
		set:    text("UPDATE "+table+" SET "+value+" = ", " WHERE "+name+" = ", ""),
		value:  text("SELECT "+value+" FROM "+table+" WHERE "+name+" = ", ""),
	}
}

// change runs a statement of the table of locks and tells how many rows it met.
func (s *session) change(ctx context.Context, sql string, values ...any) (int64, error) {
	s.begin()
	for _, v := range values {
		s.bind(v)
	}
	result, err := s.exec(ctx, sql, nil)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// lockRow locks a row for a name to the end of the transaction.
func (t *tx) lockRow(name string) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	row := "lock " + strconv.Itoa(int(h.Sum32()%lockRows))
	n, err := t.change(uncancelled, t.db.locks.touch, row)
	if err != nil || n > 0 {
		return err
	}
	_, err = t.change(uncancelled, t.db.locks.insert, row, nil, int64(0))
	return t.db.numberTaken(err) // another unit was faster: run again
}

// draw takes the next number of the change log. The first one of a transaction
// locks the counter to its end, so that numbers are committed in their order and
// a rollback gives them back: there are no holes. The others need no statement.
func (t *tx) draw() error {
	if t.drawn > 0 {
		t.drawn++
		t.behind = true
		return nil
	}
	n, err := t.change(uncancelled, t.db.locks.step, counterRow)
	if err != nil {
		return err
	}
	if n == 0 {
		last, err := t.newest(uncancelled)
		if err != nil {
			return err
		}
		if _, err := t.change(uncancelled, t.db.locks.insert, counterRow, nil, last+1); err != nil {
			return t.db.numberTaken(err)
		}
	}
	t.begin()
	t.bind(counterRow)
	t.drawn, err = t.scalar(uncancelled, t.db.locks.value)
	return err
}

// count writes down what was drawn.
func (t *tx) count() error {
	if !t.behind {
		return nil
	}
	_, err := t.change(uncancelled, t.db.locks.set, t.drawn, counterRow)
	return err
}

// locking makes the table of locks where it is missing.
func (s *session) locking(ctx context.Context) error {
	s.begin()
	if _, err := s.scalar(ctx, s.db.locks.look); err == nil || s.broken {
		return err
	}
	err := s.simple(ctx, s.db.locks.create)
	if err == nil || s.broken {
		return err
	}
	s.begin() // another worker may have made it
	if _, again := s.scalar(ctx, s.db.locks.look); again != nil {
		return err
	}
	return nil
}

// leased runs do while it holds the row of schema changes, which is committed:
// tables can't be changed while another transaction is open everywhere.
func (s *session) leased(ctx context.Context, do func(*session) error) error {
	if err := s.locking(ctx); err != nil {
		return err
	}
	owner := rand.Text()
	for deadline := time.Now().Add(schemaWait); ; {
		got, err := s.lease(ctx, owner)
		if err != nil {
			return err
		}
		if got {
			break
		}
		if time.Now().After(deadline) {
			return errMigrating(errAgain)
		}
		if err := pause(ctx, leaseTick); err != nil {
			return err
		}
	}
	err := do(s)
	if !s.broken {
		_, freed := s.change(uncancelled, s.db.locks.free, schemaLock, owner)
		if err == nil {
			err = freed
		}
	}
	return err
}

func (s *session) lease(ctx context.Context, owner string) (bool, error) {
	now := time.Now()
	until := now.Add(lease).UnixMilli()
	n, err := s.change(ctx, s.db.locks.lease, owner, until, schemaLock, now.UnixMilli())
	if err != nil || n > 0 {
		return n > 0, err
	}
	s.begin()
	s.bind(schemaLock)
	if last, err := s.scalar(ctx, s.db.locks.value); err != nil || last > 0 {
		return false, err
	}
	_, err = s.change(ctx, s.db.locks.insert, schemaLock, owner, until)
	if fault.CodeOf(err) == fault.Conflict { // another was faster
		return false, nil
	}
	return err == nil, err
}
