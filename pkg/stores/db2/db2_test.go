package db2

import (
	"context"
	sqldriver "database/sql/driver"
	"io"
	"testing"

	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
)

// alive is a database that answers each statement with one row.
type alive struct{}

func (a alive) Connect(context.Context) (sqldriver.Conn, error) { return a, nil }
func (alive) Driver() sqldriver.Driver                          { return nil }
func (a alive) Prepare(string) (sqldriver.Stmt, error)          { return a, nil }
func (alive) Begin() (sqldriver.Tx, error)                      { return nil, sqldriver.ErrSkip }
func (alive) Close() error                                      { return nil }
func (alive) NumInput() int                                     { return -1 }
func (alive) Exec([]sqldriver.Value) (sqldriver.Result, error)  { return sqldriver.ResultNoRows, nil }
func (alive) Query([]sqldriver.Value) (sqldriver.Rows, error)   { return &one{}, nil }

func (alive) ExecContext(context.Context, []sqldriver.NamedValue) (sqldriver.Result, error) {
	return sqldriver.ResultNoRows, nil
}

func (alive) QueryContext(context.Context, []sqldriver.NamedValue) (sqldriver.Rows, error) {
	return &one{}, nil
}

type one struct{ read bool }

func (*one) Columns() []string { return []string{"1"} }
func (*one) Close() error      { return nil }

func (o *one) Next(dest []sqldriver.Value) error {
	if o.read {
		return io.EOF
	}
	o.read, dest[0] = true, int64(1)
	return nil
}

// TestPromises: a database that was not asked what its commits survive has
// nothing said about it.
func TestPromises(t *testing.T) {
	t.Parallel()
	conn, err := OpenWith(t.Context(), alive{}, func(error) sqldb.Problem { return sqldb.Problem{} }, nil, sqldb.Options{Strategy: driver.Inspect, Readers: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want := driver.Capabilities{Dialect: "db2", Transactions: true, Sync: driver.SyncUnknown, Streams: 3, Cells: true, Evidence: "text"}
	if got := conn.Capabilities(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
