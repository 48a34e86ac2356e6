package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// foreign runs statements as another program would.
func foreign(t testing.TB, uri string, statements ...string) {
	t.Helper()
	db := plain(t, uri)
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func plain(t testing.TB, uri string) *sql.DB {
	t.Helper()
	cfg, err := parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Params = nil
	connector, err := mysqldriver.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(connector)
}

func opened(t testing.TB, uri string, cat *schema.Catalog, o sqldb.Options) driver.Conn {
	t.Helper()
	conn, err := Open(t.Context(), "mariadb", uri, cat, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// wantCode holds an error to a code and to words of its message.
func wantCode(t testing.TB, what string, err error, code fault.Code, says string) {
	t.Helper()
	if fault.CodeOf(err) != code || !strings.Contains(fmt.Sprint(err), says) {
		t.Errorf("%s: %v, want %s about %q", what, err, code, says)
	}
}

// A statement that takes too long is ended by the server; what is not bounded is
// not; and the connection serves on.
func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	uri := testserver.MariaDB(t)
	cat := parsed(t, things)
	patient := opened(t, uri, cat, sqldb.Options{})
	conn := opened(t, uri, cat, sqldb.Options{Statement: time.Second})
	e := cat.Entity("Thing")
	for i := range 3 {
		if err := patient.Write(t.Context(), creating(e, made(e, fmt.Sprint(i)), "")); err != nil {
			t.Fatal(err)
		}
	}
	// Each row that is read, or written, takes its time from now on.
	foreign(t, uri, "RENAME TABLE things TO held",
		"CREATE FUNCTION dawdle(x DOUBLE) RETURNS INT NO SQL RETURN SLEEP(x)",
		"CREATE VIEW things AS SELECT * FROM held WHERE dawdle(1.5) = 0")
	_, err := conn.Count(t.Context(), &query.Select{Entity: e})
	wantCode(t, "a count", err, fault.Timeout, "longer")
	err = conn.Write(t.Context(), driver.Unit{Run: func(tx driver.Tx) error {
		_, err := tx.Load(e, "1")
		return err
	}})
	wantCode(t, "a load", err, fault.Timeout, "longer")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = conn.Select(ctx, &query.Select{Entity: e, Projection: projection(e)}, func(driver.Row) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a read without a bound ended with %v, not by its own deadline", err)
	}
	foreign(t, uri, "DROP VIEW things", "RENAME TABLE held TO things")
	if n := count(t, conn, e); n != 3 {
		t.Errorf("%d rows", n)
	}
}

// A row that another program holds makes OVERLOADED after the server's wait, and
// nothing is half written; when it is free again, work goes on.
func TestLockWait(t *testing.T) {
	t.Parallel()
	uri := testserver.MariaDB(t)
	cat := parsed(t, things)
	patient := opened(t, uri, cat, sqldb.Options{})
	conn := opened(t, uri, cat, sqldb.Options{Statement: 2 * time.Second})
	e := cat.Entity("Thing")
	if err := patient.Write(t.Context(), creating(e, made(e, "a"), "")); err != nil {
		t.Fatal(err)
	}
	other := plain(t, uri)
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "UPDATE things SET n = 7 WHERE id = 'a'"); err != nil {
		t.Fatal(err)
	}
	write := func() error {
		return conn.Write(t.Context(), driver.Unit{Run: func(tx driver.Tx) error {
			if err := tx.Insert(e, made(e, "b")); err != nil {
				return err
			}
			_, err := tx.Load(e, "a")
			return err
		}})
	}
	if code := fault.CodeOf(write()); code != fault.Timeout && code != fault.Overloaded {
		t.Errorf("a write that waits for another's lock: %s", code)
	}
	if n := count(t, conn, e); n != 1 {
		t.Errorf("%d rows: half of the unit was written", n)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Errorf("when the lock is gone: %v", err)
	}
}

// Full servers, and users who may have no more connections, are OVERLOADED until
// one is free.
func TestCrowded(t *testing.T) {
	t.Parallel()
	s := testserver.StartMariaDB(t, testserver.Options{})
	uri := s.Database(t)
	cat := parsed(t, things)
	e := cat.Entity("Thing")
	conn := opened(t, uri, cat, sqldb.Options{})
	limit := func(statement string) { foreign(t, uri, statement) }
	others := make([]*sql.Conn, 0, 16)
	db := plain(t, uri)
	defer db.Close()
	limit("SET GLOBAL max_connections = 10")
	for {
		c, err := db.Conn(t.Context())
		if err != nil {
			break
		}
		others = append(others, c)
	}
	if len(others) == 0 {
		t.Fatal("the server was full already")
	}
	_, err := Open(t.Context(), "mariadb", uri, cat, sqldb.Options{})
	wantCode(t, "open", err, fault.Overloaded, "no more connections")
	err = conn.Write(t.Context(), creating(e, made(e, "a"), ""))
	wantCode(t, "a write", err, fault.Overloaded, "no more connections")
	for _, c := range others {
		_ = c.Close()
	}
	_ = db.Close()
	var last error
	for range 500 { // the server takes its time to let them go
		if last = conn.Write(t.Context(), creating(e, made(e, "a"), "")); last == nil {
			break
		}
		wantCode(t, "meanwhile", last, fault.Overloaded, "no more connections")
	}
	if last != nil {
		t.Errorf("when there is room: %v", last)
	}
	limit("SET GLOBAL max_connections = 100")
	foreign(t, uri, "CREATE USER few@'%' IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 1", "GRANT ALL ON *.* TO few@'%'")
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("few", "x")
	var one driver.Conn // it has its one connection by then
	for range 500 {     // those of its opening come one after the other, and the server takes its time
		if one, err = Open(t.Context(), "mariadb", u.String(), cat, sqldb.Options{}); err == nil {
			break
		}
		wantCode(t, "opening", err, fault.Overloaded, "no more connections")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = one.Close() }()
	err = one.Write(t.Context(), creating(e, made(e, "b"), ""))
	wantCode(t, "a user of one connection", err, fault.Overloaded, "no more connections")
	u.User = url.UserPassword("few", "y")
	_, err = Open(t.Context(), "mariadb", u.String(), cat, sqldb.Options{})
	wantCode(t, "a wrong password", err, fault.DBNotConnected, "password")
	foreign(t, uri, "CREATE USER weak@'%' IDENTIFIED BY 'x'")
	u.User = url.UserPassword("weak", "x")
	_, err = Open(t.Context(), "mariadb", u.String(), cat, sqldb.Options{})
	wantCode(t, "a user without rights", err, fault.DBNotConnected, "rights")
}

// A network that swallows everything is noticed by reads and writes that have no
// deadline, and when it is whole again, so is the Conn.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	p, uri := through(t, testserver.MariaDB(t))
	cat := parsed(t, things)
	e := cat.Entity("Thing")
	cfg, err := parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Timeout = time.Second
	conn, err := open(t.Context(), "mariadb", cfg, cat, sqldb.Options{Statement: time.Second}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Write(t.Context(), creating(e, made(e, "a"), "")); err != nil {
		t.Fatal(err)
	}
	count(t, conn, e)
	p.swallow(true)
	began := time.Now()
	err = conn.Write(context.Background(), creating(e, made(e, "b"), ""))
	wantCode(t, "a write", err, fault.DBNotConnected, "database")
	_, err = conn.Count(context.Background(), &query.Select{Entity: e})
	wantCode(t, "a read", err, fault.DBNotConnected, "database")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v to notice", took)
	}
	p.drop()
	p.swallow(false)
	if err := conn.Write(t.Context(), creating(e, made(e, "b"), "")); err != nil {
		t.Errorf("a write afterwards: %v", err)
	}
	if n := count(t, conn, e); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

// A connection that breaks behind COMMIT leaves it unknown what happened: TIMEOUT
// says so; with an idempotency key the unit finds out by itself.
func TestCommitUnanswered(t *testing.T) {
	t.Parallel()
	p, uri := through(t, testserver.MariaDB(t))
	cat := parsed(t, things)
	e := cat.Entity("Thing")
	conn := opened(t, uri, cat, sqldb.Options{Writers: 1})
	if err := conn.Write(t.Context(), creating(e, made(e, "a"), "")); err != nil {
		t.Fatal(err)
	}
	p.cutAt("\x03COMMIT") // COM_QUERY
	err := conn.Write(t.Context(), creating(e, made(e, "b"), ""))
	wantCode(t, "without a key", err, fault.Timeout, "commit")
	p.cutAt("\x03COMMIT") // COM_QUERY
	if err := conn.Write(t.Context(), creating(e, made(e, "c"), "key")); err != nil {
		t.Errorf("with a key: %v", err)
	}
	if err := conn.Write(t.Context(), creating(e, made(e, "d"), "")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if n := count(t, conn, e); n != 4 { // the server had got all of them
		t.Errorf("%d rows, want 4", n)
	}
}

// A unit with a key whose commit got no answer, and which then can't be run again,
// is not said to have done nothing.
func TestCommitUnansweredForGood(t *testing.T) {
	t.Parallel()
	uri := testserver.MariaDB(t)
	cat := parsed(t, things)
	e := cat.Entity("Thing")
	for _, c := range []struct {
		name   string
		single bool
		stop   func(p *proxy, cancel func())
	}{
		{"the server is gone, in a group", true, func(p *proxy, _ func()) { _ = p.listener.Close() }},
		{"the server is gone", false, func(p *proxy, _ func()) { _ = p.listener.Close() }},
		{"the caller is gone, in a group", true, func(_ *proxy, cancel func()) { cancel() }},
		{"the caller is gone", false, func(_ *proxy, cancel func()) { cancel() }},
	} {
		p, uri := through(t, uri)
		conn := opened(t, uri, cat, sqldb.Options{Writers: 1})
		u := creating(e, made(e, c.name), c.name)
		u.Single = c.single
		run := u.Run
		ctx, cancel := context.WithCancel(t.Context())
		u.Run = func(tx driver.Tx) error {
			err := run(tx)
			p.cutAt("\x03COMMIT") // COM_QUERY
			c.stop(p, cancel)
			return err
		}
		wantCode(t, c.name, conn.Write(ctx, u), fault.Timeout, "commit")
		cancel()
	}
	// The server does not want to run it again.
	p, through := through(t, uri)
	conn := opened(t, through, cat, sqldb.Options{Writers: 1})
	u := creating(e, made(e, "again"), "again")
	run, runs := u.Run, 0
	u.Run = func(tx driver.Tx) error {
		if runs++; runs > 1 {
			return fault.New(fault.Overloaded, "nothing was executed")
		}
		p.cutAt("\x03COMMIT") // COM_QUERY
		return run(tx)
	}
	wantCode(t, "an overloaded server", conn.Write(t.Context(), u), fault.Timeout, "commit")
	if n := count(t, opened(t, uri, cat, sqldb.Options{}), e); n != 5 { // the server had got all of them
		t.Errorf("%d rows, want 5", n)
	}
}

// Foreign keys and types of an adopted table refuse with CONFLICT and
// VALIDATION_ERROR, and nothing is left.
func TestAdoptedRules(t *testing.T) {
	t.Parallel()
	uri := testserver.MariaDB(t)
	foreign(t, uri, "CREATE TABLE clubs (id VARCHAR(40) PRIMARY KEY) ENGINE=InnoDB",
		"CREATE TABLE members (id VARCHAR(40) PRIMARY KEY, club VARCHAR(40), nick VARCHAR(5) UNIQUE, age TINYINT, CHECK (age <> 13), FOREIGN KEY (club) REFERENCES clubs (id)) ENGINE=InnoDB")
	cat := parsed(t, `[{"name":"Club","collection":"clubs","fields":{}},
 {"name":"Member","collection":"members","fields":{"club":"string","nick":{"type":"string","unique":true},"age":"integer"}}]`)
	conn := opened(t, uri, cat, sqldb.Options{})
	club, member := cat.Entity("Club"), cat.Entity("Member")
	row := func(id, club, nick string, age int64) schema.Row {
		r := made(member, id)
		r[member.Column("club").Index], r[member.Column("nick").Index], r[member.Column("age").Index] = schema.TextOf(club), schema.TextOf(nick), schema.IntOf(age)
		return r
	}
	for _, u := range []driver.Unit{creating(club, made(club, "c"), ""), creating(member, row("m", "c", "one", 1), "")} {
		if err := conn.Write(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		row  schema.Row
		code fault.Code
		says string
	}{
		{row("x", "nowhere", "x", 1), fault.Conflict, "refers"}, // 1452
		{row("x", "c", "one", 1), fault.Conflict, "nick"},
		{row("x", "c", "toolong", 1), fault.ValidationError, "nick"},
		{row("x", "c", "x", 1000), fault.ValidationError, "age"},
		{row("x", "c", "x", 13), fault.ValidationError, "rule"},
	} {
		wantCode(t, "a member", conn.Write(t.Context(), creating(member, c.row, "")), c.code, c.says)
	}
	err := conn.Write(t.Context(), driver.Unit{Run: func(tx driver.Tx) error { // 1451
		if err := tx.Insert(club, made(club, "d")); err != nil {
			return err
		}
		return tx.Delete(club, "c")
	}})
	wantCode(t, "a club with members", err, fault.Conflict, "refer")
	if c, m := count(t, conn, club), count(t, conn, member); c != 1 || m != 1 {
		t.Errorf("%d clubs and %d members, want one of each", c, m)
	}
}
