package hsqldb

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// connector makes connections. It implements database/sql/driver.Connector.
type connector struct {
	config   *pgconn.Config
	settings []string // run on each connection
}

// Connect implements database/sql/driver.Connector.
func (c *connector) Connect(ctx context.Context) (sqldriver.Conn, error) {
	pg, err := pgconn.ConnectConfig(ctx, c.config.Copy())
	if err != nil {
		return nil, err
	}
	conn := &conn{pg: pg}
	for _, sql := range c.settings {
		if _, err := conn.ExecContext(ctx, sql, nil); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// Driver implements database/sql/driver.Connector.
func (c *connector) Driver() sqldriver.Driver { return nil }

// conn is a connection.
type conn struct {
	pg      *pgconn.PgConn
	values  [][]byte
	formats []int16
}

var (
	_ sqldriver.ConnPrepareContext = (*conn)(nil)
	_ sqldriver.ExecerContext      = (*conn)(nil)
	_ sqldriver.Validator          = (*conn)(nil)
	_ sqldriver.SessionResetter    = (*conn)(nil)
)

// maxText is how long a text can be that the endpoint carries, in bytes of
// modified UTF-8: of a longer one it takes in a part, and giving one out ends the
// connection.
const maxText = 65_535

var errLong = errors.New("hsqldb: a text is longer than the network endpoint carries")

var errUnused = errors.New("hsqldb: transactions are begun and ended by statements")

// Prepare implements database/sql/driver.Conn.
func (c *conn) Prepare(sql string) (sqldriver.Stmt, error) {
	return c.PrepareContext(context.Background(), sql)
}

// PrepareContext implements database/sql/driver.ConnPrepareContext. The server
// compiles a statement where it is run.
func (c *conn) PrepareContext(_ context.Context, sql string) (sqldriver.Stmt, error) {
	return &stmt{conn: c, sql: string(modified(nil, sql))}, nil
}

// Begin implements database/sql/driver.Conn; it is not used.
func (c *conn) Begin() (sqldriver.Tx, error) { return nil, errUnused }

// Close implements database/sql/driver.Conn.
func (c *conn) Close() error { return c.pg.Close(context.Background()) }

// IsValid implements database/sql/driver.Validator.
func (c *conn) IsValid() bool { return !c.pg.IsClosed() }

// ResetSession implements database/sql/driver.SessionResetter.
func (c *conn) ResetSession(ctx context.Context) error {
	//lint:ignore SA1019 a look at the socket is enough here: a Ping would cost each unit a round trip
	if c.pg.IsClosed() || c.pg.CheckConn() != nil {
		return sqldriver.ErrBadConn
	}
	return nil
}

// ExecContext implements database/sql/driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, sql string, args []sqldriver.NamedValue) (sqldriver.Result, error) {
	s := stmt{conn: c, sql: string(modified(nil, sql))}
	return s.ExecContext(ctx, args)
}

// run sends a statement with its values: texts as text, bytes in binary.
func (c *conn) run(ctx context.Context, sql string, args []sqldriver.NamedValue) (*pgconn.ResultReader, error) {
	c.values, c.formats = c.values[:0], c.formats[:0]
	for _, a := range args {
		format := int16(pgtype.TextFormatCode)
		var b []byte
		switch v := a.Value.(type) {
		case nil:
		case string:
			if b = modified(make([]byte, 0, len(v)), v); len(b) > maxText {
				return nil, errLong
			}
		case []byte:
			b, format = v, pgtype.BinaryFormatCode
		case int64:
			b = strconv.AppendInt(nil, v, 10)
		case float64:
			b = strconv.AppendFloat(nil, v, 'g', -1, 64)
		case bool:
			b = strconv.AppendBool(nil, v)
		default:
			return nil, fmt.Errorf("hsqldb: a value of type %T", v)
		}
		c.values, c.formats = append(c.values, b), append(c.formats, format)
	}
	return c.pg.ExecParams(ctx, sql, c.values, nil, c.formats, nil), nil
}

// stmt is a statement.
type stmt struct {
	*conn
	sql string
}

var (
	_ sqldriver.StmtExecContext  = (*stmt)(nil)
	_ sqldriver.StmtQueryContext = (*stmt)(nil)
)

// Close implements database/sql/driver.Stmt.
func (s *stmt) Close() error { return nil }

// NumInput implements database/sql/driver.Stmt.
func (s *stmt) NumInput() int { return -1 }

// Exec implements database/sql/driver.Stmt; it is not used.
func (s *stmt) Exec([]sqldriver.Value) (sqldriver.Result, error) { return nil, errUnused }

// Query implements database/sql/driver.Stmt; it is not used.
func (s *stmt) Query([]sqldriver.Value) (sqldriver.Rows, error) { return nil, errUnused }

// ExecContext implements database/sql/driver.StmtExecContext.
func (s *stmt) ExecContext(ctx context.Context, args []sqldriver.NamedValue) (sqldriver.Result, error) {
	for try := 0; ; try++ {
		reader, err := s.run(ctx, s.sql, args)
		if err != nil {
			return nil, err
		}
		tag, err := reader.Close()
		switch {
		case err == nil:
			return &result{s.conn, tag.RowsAffected()}, nil
		case !outdated(err) || try == triesOutdated:
			return nil, err
		}
	}
}

// triesOutdated is how often a statement is sent again that the server compiled
// and found outdated before it ran: DDL of another session came between. Nothing
// of it was done, and the transaction goes on.
const triesOutdated = 5

func outdated(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "07502"
}

// QueryContext implements database/sql/driver.StmtQueryContext.
func (s *stmt) QueryContext(ctx context.Context, args []sqldriver.NamedValue) (sqldriver.Rows, error) {
	for try := 0; ; try++ {
		reader, err := s.run(ctx, s.sql, args)
		if err != nil {
			return nil, err
		}
		r := &rows{reader: reader, fields: reader.FieldDescriptions()}
		if len(r.fields) > 0 {
			return r, nil
		}
		switch _, err := reader.Close(); { // refused
		case err == nil:
			return r, nil
		case !outdated(err) || try == triesOutdated:
			return nil, err
		}
	}
}

// result is what a statement has done.
type result struct {
	conn     *conn
	affected int64
}

// LastInsertId asks for the last number that the database gave in this session.
func (r *result) LastInsertId() (int64, error) {
	const sql = `SELECT IDENTITY() AS "n" FROM (VALUES(0)) AS "v"`
	reader, err := r.conn.run(context.Background(), sql, nil)
	if err != nil {
		return 0, err
	}
	var n int64
	for reader.NextRow() {
		n, err = strconv.ParseInt(string(reader.Values()[0]), 10, 64)
	}
	if _, closed := reader.Close(); closed != nil {
		return 0, closed
	}
	return n, err
}

// RowsAffected implements database/sql/driver.Result; a MERGE has 0.
func (r *result) RowsAffected() (int64, error) { return r.affected, nil }

// rows are the rows of a query, each valid until the next.
type rows struct {
	reader *pgconn.ResultReader
	fields []pgconn.FieldDescription
}

// Close implements database/sql/driver.Rows. What was not read is read here: the
// server knows no other end.
func (r *rows) Close() error {
	_, err := r.reader.Close()
	return err
}

// Columns implements database/sql/driver.Rows.
func (r *rows) Columns() []string {
	names := make([]string, len(r.fields))
	for i, f := range r.fields {
		names[i] = f.Name
	}
	return names
}

// Next implements database/sql/driver.Rows.
func (r *rows) Next(dest []sqldriver.Value) error {
	if !r.reader.NextRow() {
		if _, err := r.reader.Close(); err != nil {
			return err
		}
		return io.EOF
	}
	for i, b := range r.reader.Values() {
		if b == nil {
			dest[i] = nil
			continue
		}
		switch r.fields[i].DataTypeOID {
		case pgtype.BoolOID:
			dest[i] = len(b) > 0 && b[0] == 't'
		case pgtype.ByteaOID:
			dest[i] = bytesOf(b)
		case pgtype.VarcharOID, pgtype.TextOID, pgtype.BPCharOID:
			dest[i] = plain(b)
		default:
			dest[i] = b
		}
	}
	return nil
}

// bytesOf reads a binary value from its text: bytes that are not printed stand
// as a backslash and three octal digits, a backslash as two.
func bytesOf(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] != '\\':
			out = append(out, text[i])
		case i+3 < len(text) && text[i+1] != '\\':
			out = append(out, (text[i+1]-'0')<<6|(text[i+2]-'0')<<3|(text[i+3]-'0'))
			i += 3
		default:
			out = append(out, '\\')
			i++
		}
	}
	return out
}
