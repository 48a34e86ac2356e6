package adapt

import (
	"context"
	sqldriver "database/sql/driver"
)

// Connector makes connections of a driver as sqldb needs them. It implements
// database/sql/driver.Connector.
type Connector struct {
	sqldriver.Connector
	// Settings are run on each connection.
	Settings []string
	// In turns a value into what the driver takes, Out what it gives back; nil = as
	// it is. A slice that Out is given may be overwritten by the next row.
	In, Out func(v sqldriver.Value) sqldriver.Value
}

// Connect implements database/sql/driver.Connector.
func (c *Connector) Connect(ctx context.Context) (sqldriver.Conn, error) {
	raw, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn := &conn{Conn: raw, c: c}
	for _, sql := range c.Settings {
		st, err := conn.PrepareContext(ctx, sql)
		if err == nil {
			_, err = st.(*stmt).ExecContext(ctx, nil)
			_ = st.Close()
		}
		if err != nil {
			_ = raw.Close()
			return nil, err
		}
	}
	return conn, nil
}

type conn struct {
	sqldriver.Conn
	c *Connector
}

var (
	_ sqldriver.ConnPrepareContext = (*conn)(nil)
	_ sqldriver.ConnBeginTx        = (*conn)(nil)
	_ sqldriver.Validator          = (*conn)(nil)
	_ sqldriver.SessionResetter    = (*conn)(nil)
)

// PrepareContext implements database/sql/driver.ConnPrepareContext.
func (c *conn) PrepareContext(ctx context.Context, sql string) (st sqldriver.Stmt, err error) {
	if p, ok := c.Conn.(sqldriver.ConnPrepareContext); ok {
		st, err = p.PrepareContext(ctx, sql)
	} else {
		st, err = c.Prepare(sql)
	}
	if err != nil {
		return nil, err
	}
	return &stmt{Stmt: st, conn: c}, nil
}

// BeginTx implements database/sql/driver.ConnBeginTx.
func (c *conn) BeginTx(ctx context.Context, o sqldriver.TxOptions) (sqldriver.Tx, error) {
	return c.Conn.(sqldriver.ConnBeginTx).BeginTx(ctx, o)
}

// IsValid implements database/sql/driver.Validator.
func (c *conn) IsValid() bool {
	v, ok := c.Conn.(sqldriver.Validator)
	return !ok || v.IsValid()
}

// ResetSession implements database/sql/driver.SessionResetter: a connection that
// lay idle is asked whether it lives, if its driver can be.
func (c *conn) ResetSession(ctx context.Context) error {
	if p, ok := c.Conn.(sqldriver.Pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}

type stmt struct {
	sqldriver.Stmt
	conn *conn
	args []sqldriver.NamedValue
}

var (
	_ sqldriver.StmtExecContext  = (*stmt)(nil)
	_ sqldriver.StmtQueryContext = (*stmt)(nil)
)

// values turns values into the driver's, by its own rules too, as database/sql
// would.
func (s *stmt) values(args []sqldriver.NamedValue) ([]sqldriver.NamedValue, error) {
	s.args = append(s.args[:0], args...)
	checker, checks := s.Stmt.(sqldriver.NamedValueChecker)
	//lint:ignore SA1019 drivers older than its successor have no other
	converter, converts := s.Stmt.(sqldriver.ColumnConverter)
	for i := range s.args {
		a := &s.args[i]
		if s.conn.c.In != nil {
			a.Value = s.conn.c.In(a.Value)
		}
		var err error
		switch {
		case checks:
			err = checker.CheckNamedValue(a)
		case converts:
			a.Value, err = converter.ColumnConverter(i).ConvertValue(a.Value)
		}
		if err != nil {
			return nil, err
		}
	}
	return s.args, nil
}

// ExecContext implements database/sql/driver.StmtExecContext.
func (s *stmt) ExecContext(ctx context.Context, args []sqldriver.NamedValue) (sqldriver.Result, error) {
	values, err := s.values(args)
	if err != nil {
		return nil, err
	}
	return s.Stmt.(sqldriver.StmtExecContext).ExecContext(ctx, values)
}

// QueryContext implements database/sql/driver.StmtQueryContext.
func (s *stmt) QueryContext(ctx context.Context, args []sqldriver.NamedValue) (sqldriver.Rows, error) {
	values, err := s.values(args)
	if err != nil {
		return nil, err
	}
	r, err := s.Stmt.(sqldriver.StmtQueryContext).QueryContext(ctx, values)
	if err != nil || s.conn.c.Out == nil {
		return r, err
	}
	return &rows{r, s.conn.c.Out}, nil
}

type rows struct {
	sqldriver.Rows
	out func(v sqldriver.Value) sqldriver.Value
}

// Next implements database/sql/driver.Rows.
func (r *rows) Next(dest []sqldriver.Value) error {
	if err := r.Rows.Next(dest); err != nil {
		return err
	}
	for i, v := range dest {
		dest[i] = r.out(v)
	}
	return nil
}
