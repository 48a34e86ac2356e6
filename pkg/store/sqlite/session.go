package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// session is one connection with its prepared statements. One goroutine at a
// time uses it.
type session struct {
	db    *DB
	conn  *sqlite.Conn
	max   int
	stmts map[string]*statement
	plans map[*sqlgen.Plan]*statement
	ring  statement // next: most recently used
	args  sqlgen.Args
	// halt, when closed, interrupts the statement that runs; it is made anew
	// after each interruption. Nil on the writer, which nothing interrupts.
	halt chan struct{}
	// watched: a context that can halt the session is being watched already, by
	// the read around this one.
	watched bool
}

// statement is a prepared statement of a session.
type statement struct {
	*sqlite.Stmt
	sql        string
	plans      []*sqlgen.Plan // those with this text, usually one
	prev, next *statement
	busy       bool
	transient  bool
	large      bool // a large value is bound
	row        row
}

const (
	writerStatements = 192
	readerStatements = 96
	// largeValue is what a statement may keep bound after its use.
	largeValue = 4 << 10
)

// connect opens a connection and sets its pragmas. It leaves Conn.SetDefensive
// alone: zombiezen v1.4.2 gives sqlite3_db_config one argument where it reads
// two, so that SQLite writes a 1 to wherever the bytes behind it point.
func (db *DB) connect(writer bool) (*session, error) {
	flags := sqlite.OpenReadWrite
	if writer {
		flags |= sqlite.OpenCreate
	}
	conn, err := sqlite.OpenConn(db.path, flags)
	if err != nil {
		return nil, classify(err, nil)
	}
	s := &session{
		db: db, conn: conn, max: readerStatements,
		stmts: make(map[string]*statement), plans: make(map[*sqlgen.Plan]*statement),
	}
	s.ring.next, s.ring.prev = &s.ring, &s.ring
	conn.SetBusyTimeout(db.busy)
	pragmas := []string{"PRAGMA temp_store=MEMORY", "PRAGMA trusted_schema=OFF"}
	if writer {
		s.max = writerStatements
		sync := "PRAGMA synchronous=FULL"
		if db.sync == SyncNormal {
			sync = "PRAGMA synchronous=NORMAL"
		}
		pragmas = append(pragmas, "PRAGMA journal_mode=WAL", sync, "PRAGMA wal_autocheckpoint=1000",
			"PRAGMA journal_size_limit=67108864", "PRAGMA foreign_keys=OFF", "PRAGMA cache_size=-4096")
	} else {
		pragmas = append(pragmas, "PRAGMA query_only=ON", "PRAGMA cache_size=-2048")
	}
	for _, p := range pragmas {
		if err = s.exec(p); err != nil {
			break
		}
	}
	if err == nil {
		err = register(conn)
	}
	if err != nil {
		_ = conn.Close()
		return nil, classify(err, nil)
	}
	if !writer {
		s.halt = make(chan struct{})
		conn.SetInterrupt(s.halt)
	}
	return s, nil
}

// exec runs a statement once, without keeping it.
func (s *session) exec(sql string) error {
	st, _, err := s.conn.PrepareTransient(sql)
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		more, err = st.Step()
	}
	st.Finalize()
	return err
}

func (s *session) close() error {
	return s.conn.Close() // finalizes what was prepared
}

// prepare returns a statement that is ready to bind; release gives it back.
func (s *session) prepare(p *sqlgen.Plan) (*statement, error) {
	st := s.plans[p]
	if st == nil {
		if st = s.stmts[p.SQL]; st != nil {
			st.plans = append(st.plans, p)
			s.plans[p] = st
		}
	}
	switch {
	case st != nil && !st.busy:
		if s.ring.next != st {
			st.unlink()
			s.front(st)
		}
		st.busy = true
		return st, nil
	case st != nil: // a read inside a read of the same shape
		stmt, _, err := s.conn.PrepareTransient(p.SQL)
		if err != nil {
			return nil, err
		}
		return &statement{Stmt: stmt, busy: true, transient: true}, nil
	}
	stmt, err := s.conn.Prepare(p.SQL)
	if err != nil {
		return nil, err
	}
	if len(s.stmts) >= s.max {
		s.evict()
	}
	st = &statement{Stmt: stmt, sql: p.SQL, plans: []*sqlgen.Plan{p}, busy: true}
	s.stmts[p.SQL], s.plans[p] = st, st
	s.front(st)
	return st, nil
}

// evict finalizes the statement that was not used for longest.
func (s *session) evict() {
	for st := s.ring.prev; st != &s.ring; st = st.prev {
		if st.busy {
			continue
		}
		st.unlink()
		delete(s.stmts, st.sql)
		for _, p := range st.plans {
			delete(s.plans, p)
		}
		st.Finalize()
		return
	}
}

func (s *session) front(st *statement) {
	st.prev, st.next = &s.ring, s.ring.next
	s.ring.next.prev = st
	s.ring.next = st
}

func (st *statement) unlink() {
	st.prev.next, st.next.prev = st.next, st.prev
}

// release ends a statement's use. A statement that is not reset would hold its
// snapshot and keep the WAL from starting over.
func (s *session) release(st *statement) {
	if st.transient {
		st.Finalize()
		return
	}
	st.Reset()
	if st.large {
		st.ClearBindings()
		st.large = false
	}
	st.busy = false
}

// bind binds values to the parameters from first on.
func (st *statement) bind(first int, values []schema.Value) {
	for i, v := range values {
		st.bindValue(first+i, v)
	}
}

func (st *statement) bindValue(i int, v schema.Value) {
	switch v.Kind() {
	case schema.KindNull:
		st.BindNull(i)
	case schema.KindBool:
		st.BindBool(i, v.Bool())
	case schema.KindInt:
		st.BindInt64(i, v.Int())
	case schema.KindFloat:
		st.BindFloat(i, v.Float())
	case schema.KindTime:
		var buf [32]byte
		st.BindText(i, string(schema.AppendTime(buf[:0], v.Int())))
	default:
		st.bindText(i, v.Text())
	}
}

func (st *statement) bindText(i int, text string) {
	st.large = st.large || len(text) > largeValue
	st.BindText(i, text)
}

// bindIDs binds ids from parameter first on, the last one again and again until
// all n parameters are bound.
func (st *statement) bindIDs(first, n int, ids []string) {
	for i := first; i <= n; i++ {
		st.BindText(i, ids[min(i-first, len(ids)-1)])
	}
}

// run executes a plan whose values are in s.args and gives its rows to each,
// which may be nil.
func (s *session) run(ctx context.Context, p *sqlgen.Plan, e *schema.Entity, each func(*row) error) error {
	st, err := s.prepare(p)
	if err != nil {
		s.args.Reset()
		return classify(err, e)
	}
	st.bind(1, s.args.Values)
	s.args.Reset()
	return s.step(ctx, st, p, e, each)
}

// step runs a bound statement and releases it.
func (s *session) step(ctx context.Context, st *statement, p *sqlgen.Plan, e *schema.Entity, each func(*row) error) error {
	defer s.release(st)
	cancellable := ctx.Done() != nil && s.halt != nil
	if cancellable {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !p.Point && !s.watched {
			defer s.watch(ctx)()
		}
	}
	r := &st.row
	r.stmt, r.kinds = st.Stmt, p.Kinds
	for {
		more, err := st.Step()
		if err != nil {
			if sqlite.ErrCode(err) == sqlite.ResultInterrupt && cancellable && ctx.Err() != nil {
				return ctx.Err()
			}
			return classify(err, e)
		}
		if !more {
			return nil
		}
		if each == nil {
			continue
		}
		r.text = r.text[:0]
		if err := each(r); err != nil {
			return err
		}
		if cancellable {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
}

// watch interrupts the session when ctx ends; the returned function stops that.
// It costs no goroutine unless it happens.
func (s *session) watch(ctx context.Context) func() {
	halt, fired := s.halt, make(chan struct{})
	s.watched = true
	stop := context.AfterFunc(ctx, func() {
		close(halt)
		close(fired)
	})
	return func() {
		s.watched = false
		if stop() {
			return
		}
		<-fired
		s.halt = make(chan struct{})
		s.conn.SetInterrupt(s.halt)
	}
}

// scalar reads one integer; null is 0.
func (s *session) scalar(ctx context.Context, p *sqlgen.Plan) (n int64, err error) {
	err = s.run(ctx, p, nil, func(r *row) error {
		n = r.stmt.ColumnInt64(0)
		return nil
	})
	return n, err
}

// uncancelled is the context of what must not be interrupted.
var uncancelled = context.Background()
