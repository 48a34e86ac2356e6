// Command adbc is a client of ADBC's Flight SQL driver, the code that Python's
// adbc_driver_flightsql has inside. It asks a running server that has the
// entities and records of TestConformanceFlightSQL, holds what it gets against what REST says of the
// same records, and prints a line for each scenario: "ok <name>", or "not ok
// <name>: <why>".
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/apache/arrow-adbc/go/adbc"
	driver "github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cn, err := open(ctx, options{driver.OptionRPCCallHeaderPrefix + "x-api-key": key})
	if err != nil {
		fmt.Println("not ok connect:", err)
		os.Exit(1)
	}
	a := &asker{ctx: ctx, cn: cn}
	failed := 0
	for _, s := range []struct {
		name string
		run  func() error
	}{
		{"credentials", a.credentials},
		{"a record of every type", a.types},
		{"every record of every table", a.everything},
		{"values, groups and joins", a.statements},
		{"a statement's schema", a.schema},
		{"parameters", a.parameters},
		{"a parameter of every type", a.binds},
		{"partitions", a.partitions},
		{"incremental execution", a.incremental},
		{"database/sql", a.database},
		{"objects at every depth", a.depths},
		{"filters of objects", a.filters},
		{"columns of objects", a.columns},
		{"a table's schema", a.tableSchema},
		{"table types", a.tableTypes},
		{"information", a.info},
		{"current catalog and schema", a.current},
		{"a wrong key", a.strangers},
		{"tables and columns that there are not", a.unknown},
		{"no transactions", a.transactions},
		{"no updates", a.updates},
		{"ingest", a.ingest},
		{"results that are left and cancelled", a.left},
		{"close", cn.Close},
	} {
		if err := s.run(); err != nil {
			failed++
			fmt.Printf("not ok %s: %s\n", s.name, strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Println("ok", s.name)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

var (
	key     = os.Getenv("OCTOMESH_KEY")
	address = "grpc://" + os.Getenv("OCTOMESH_GRPC")
)

type options = map[string]string

// open connects with the options beside the address.
func open(ctx context.Context, o options) (adbc.Connection, error) {
	o[adbc.OptionKeyURI] = address
	db, err := driver.NewDriver(memory.DefaultAllocator).NewDatabase(o)
	if err != nil {
		return nil, err
	}
	return db.Open(ctx)
}

// asker asks over one connection.
type asker struct {
	ctx context.Context
	cn  adbc.Connection
}

// query runs a statement and reads its rows.
func (a *asker) query(text string) ([]row, error) { return query(a.ctx, a.cn, text) }

func query(ctx context.Context, cn adbc.Connection, text string) ([]row, error) {
	st, err := cn.NewStatement()
	if err != nil {
		return nil, err
	}
	defer st.Close()
	if err := st.SetSqlQuery(text); err != nil {
		return nil, err
	}
	r, _, err := st.ExecuteQuery(ctx)
	if err != nil {
		return nil, err
	}
	return rowsOf(r)
}

func same[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s is %v, want %v", what, got, want)
	}
	return nil
}

// refused wants an error of ADBC's with that status, which says so.
func refused(what string, err error, want adbc.Status, says string) error {
	var e adbc.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %v is no error of ADBC's, want %s", what, err, want)
	}
	if e.Code != want || !strings.Contains(e.Msg, says) {
		return fmt.Errorf("%s: %s %q, want %s with %q", what, e.Code, e.Msg, want, says)
	}
	return nil
}

// all are the errors of all parts of a scenario.
func all(errs ...error) error { return errors.Join(errs...) }
