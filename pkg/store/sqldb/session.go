package sqldb

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"io"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// maxStatements is how many statements a connection keeps prepared.
const maxStatements = 128

// session is one connection with its prepared statements. One goroutine at a
// time uses it.
type session struct {
	db    *DB
	conn  sqldriver.Conn
	tx    sqldriver.Tx // that Engine.Units or Snapshots began
	stmts map[string]*statement
	ring  statement // next: most recently used
	args  sqlgen.Args
	named []sqldriver.NamedValue
	// reading is the read whose rows are still coming; what runs inside it takes
	// them into memory first, since a connection serves one result at a time.
	reading *cursor
	broken  bool // the connection is not to be used again
	gone    bool // the server is, or was: other connections are broken too
	lost    bool // the database has given the transaction up
	share   bool // reads of single rows lock them
	used    time.Time
}

// statement is a prepared statement of a session.
type statement struct {
	stmt       sqldriver.Stmt
	sql        string
	prev, next *statement
}

func (db *DB) connect(ctx context.Context, to sqldriver.Connector) (*session, error) {
	conn, err := to.Connect(ctx)
	if err != nil {
		return nil, db.classify(err, nil)
	}
	s := &session{db: db, conn: conn, stmts: make(map[string]*statement)}
	s.ring.next, s.ring.prev = &s.ring, &s.ring
	return s, nil
}

func (s *session) close() { _ = s.conn.Close() }

// fail classifies an error of the driver and remembers whether the connection
// has survived it.
func (s *session) fail(err error, e *schema.Entity) error {
	err = s.db.classify(err, e)
	s.gone = s.gone || errors.Is(err, errBroken)
	if s.gone || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		s.broken = true
	}
	s.lost = s.lost || errors.Is(err, errAgain)
	if v, ok := s.conn.(sqldriver.Validator); ok && !v.IsValid() {
		s.broken = true
	}
	return err
}

// prepare returns the prepared statement of a text.
func (s *session) prepare(ctx context.Context, sql string) (sqldriver.Stmt, error) {
	if st := s.stmts[sql]; st != nil {
		if s.ring.next != st {
			st.prev.next, st.next.prev = st.next, st.prev
			s.front(st)
		}
		return st.stmt, nil
	}
	if len(s.stmts) >= maxStatements {
		s.forget(s.ring.prev.sql)
	}
	stmt, err := s.conn.(sqldriver.ConnPrepareContext).PrepareContext(ctx, sql)
	if err != nil {
		return nil, err
	}
	st := &statement{stmt: stmt, sql: sql}
	s.stmts[sql] = st
	s.front(st)
	return stmt, nil
}

// forget closes a prepared statement.
func (s *session) forget(sql string) {
	if st := s.stmts[sql]; st != nil && !s.broken {
		st.prev.next, st.next.prev = st.next, st.prev
		delete(s.stmts, sql)
		_ = st.stmt.Close()
	}
}

func (s *session) front(st *statement) {
	st.prev, st.next = &s.ring, s.ring.next
	s.ring.next.prev = st
	s.ring.next = st
}

// begin empties the list of values to bind.
func (s *session) begin() { s.named = s.named[:0] }

func (s *session) bind(v sqldriver.Value) {
	s.named = append(s.named, sqldriver.NamedValue{Ordinal: len(s.named) + 1, Value: v})
}

// bindAll binds what a plan has gathered.
func (s *session) bindAll() {
	s.begin()
	for _, v := range s.args.Values {
		s.bind(s.db.value(v))
	}
	s.args.Reset()
}

// bindIDs binds ids until n values are bound, the last one again and again.
func (s *session) bindIDs(n int, ids []string) {
	first := len(s.named)
	for i := first; i < n; i++ {
		s.bind(ids[min(i-first, len(ids)-1)])
	}
}

// value is a value as the driver takes it.
func (db *DB) value(v schema.Value) sqldriver.Value {
	switch v.Kind() {
	case schema.KindNull:
		return nil
	case schema.KindText, schema.KindJSON:
		return v.Text()
	}
	if db.engine.Bind != nil {
		return db.engine.Bind(v)
	}
	switch v.Kind() {
	case schema.KindBool:
		return v.Bool()
	case schema.KindInt, schema.KindTime:
		return v.Int()
	case schema.KindFloat:
		return v.Float()
	}
	return v.Text()
}

// exec runs a statement with the values that are bound.
func (s *session) exec(ctx context.Context, sql string, e *schema.Entity) (sqldriver.Result, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	stmt, err := s.prepare(ctx, sql)
	if err != nil {
		return nil, s.fail(err, e)
	}
	result, err := stmt.(sqldriver.StmtExecContext).ExecContext(ctx, s.named)
	clear(s.named)
	if err != nil {
		err = s.fail(err, e)
		if code := fault.CodeOf(err); code != fault.Conflict && code != fault.Overloaded {
			s.forget(sql) // its server side may keep the error, as of a parameter that was too long
		}
		return nil, err
	}
	return result, nil
}

// simple runs a statement without values that is not worth being prepared.
func (s *session) simple(ctx context.Context, sql string) error {
	if err := s.ready(); err != nil {
		return err
	}
	if x, ok := s.conn.(sqldriver.ExecerContext); ok {
		_, err := x.ExecContext(ctx, sql, nil)
		if !errors.Is(err, sqldriver.ErrSkip) {
			if err != nil {
				err = s.fail(err, nil)
			}
			return err
		}
	}
	s.begin()
	_, err := s.exec(ctx, sql, nil)
	return err
}

// ping asks the database whether it is there.
func (s *session) ping(ctx context.Context) error {
	sql := s.db.engine.Ping
	if sql == "" {
		return s.simple(ctx, "SELECT 1")
	}
	s.begin()
	return s.query(ctx, sql, nil, nil, nil)
}

// ready makes the connection free for another statement.
func (s *session) ready() error {
	if s.broken {
		return fault.Wrap(errBroken, fault.DBNotConnected, "the connection to the database broke; try again")
	}
	if s.reading != nil {
		return s.reading.load()
	}
	return nil
}

// query runs a read with the values that are bound and gives its rows to each.
func (s *session) query(ctx context.Context, sql string, kinds []schema.Kind, e *schema.Entity, each func(*row) error) error {
	if err := s.ready(); err != nil {
		return err
	}
	stmt, err := s.prepare(ctx, sql)
	if err != nil {
		return s.fail(err, e)
	}
	rows, err := stmt.(sqldriver.StmtQueryContext).QueryContext(ctx, s.named)
	clear(s.named)
	if err != nil {
		return s.fail(err, e)
	}
	c := cursor{session: s, rows: rows, outer: s.reading, entity: e}
	c.row.db, c.row.kinds = s.db, kinds
	c.row.values = make([]sqldriver.Value, len(rows.Columns()))
	s.reading = &c
	over := false
	defer func() {
		if over {
			return
		}
		s.reading = c.outer // each has panicked
		if c.rows != nil && !s.abandon(&c) {
			_ = c.rows.Close()
		}
	}()
	err = c.each(each)
	s.reading, over = c.outer, true
	if c.rows == nil || err != nil && s.abandon(&c) {
		return err
	}
	if closed := c.rows.Close(); closed != nil && err == nil {
		err = s.fail(closed, e)
	}
	return err
}

// fewRows is how many rows are read only to be thrown away.
const fewRows = 200

// abandon decides about rows that nobody wants any more: where they are many, a
// new connection is cheaper than to let them all come.
func (s *session) abandon(c *cursor) bool {
	for n := 0; !s.broken && !s.share && c.rows.Next(c.row.values) == nil; n++ {
		if n == fewRows {
			s.broken = true
		}
	}
	return s.broken
}

// cursor is a read whose rows are coming.
type cursor struct {
	session *session
	rows    sqldriver.Rows // nil once they are in memory
	outer   *cursor
	entity  *schema.Entity
	row     row
	memory  [][]sqldriver.Value
	err     error // that ended the loading
}

func (c *cursor) each(each func(*row) error) error {
	for c.rows != nil {
		if err := c.rows.Next(c.row.values); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return c.session.fail(err, c.entity)
		}
		if each == nil {
			continue
		}
		if err := each(&c.row); err != nil {
			return err
		}
	}
	for _, values := range c.memory {
		c.row.values = values
		if err := each(&c.row); err != nil {
			return err
		}
	}
	return c.err
}

// load takes the remaining rows into memory and frees the connection. The row
// at hand stays as it is.
func (c *cursor) load() error {
	if c.rows == nil {
		return nil
	}
	own(c.row.values) // the next row would overwrite it
	for {
		values := make([]sqldriver.Value, len(c.row.values))
		if err := c.rows.Next(values); err != nil {
			if !errors.Is(err, io.EOF) {
				c.err = c.session.fail(err, c.entity)
			}
			break
		}
		own(values)
		c.memory = append(c.memory, values)
	}
	err := c.rows.Close()
	c.rows = nil
	if err != nil {
		return c.session.fail(err, c.entity)
	}
	return c.err
}

// own copies what lies in the driver's buffers.
func own(values []sqldriver.Value) {
	for i, v := range values {
		if b, ok := v.([]byte); ok && b != nil {
			values[i] = append(make([]byte, 0, len(b)), b...)
		}
	}
}

// scalar reads one integer; null is 0.
func (s *session) scalar(ctx context.Context, sql string) (n int64, err error) {
	err = s.query(ctx, sql, intKind, nil, func(r *row) error {
		n = r.int(0)
		return nil
	})
	return n, err
}

var (
	intKind     = []schema.Kind{schema.KindInt}
	uncancelled = context.Background() // of what must not be interrupted
)
