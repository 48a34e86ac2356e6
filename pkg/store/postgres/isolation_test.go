package postgres_test

import (
	"fmt"
	"testing"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// A unit sees what others have committed meanwhile, whatever isolation the
// address, the role or the database is set to.
func TestIsolation(t *testing.T) {
	t.Parallel()
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	conn := open(t, fresh(t, testserver.PostgreSQL(t))+"&default_transaction_isolation=repeatable%20read", cat)
	defer func() { _ = conn.Close() }()
	err := conn.Write(t.Context(), driver.Unit{Run: func(tx driver.Tx) error {
		for want := range int64(3) {
			if n, err := tx.Count(t.Context(), &query.Select{Entity: e}); err != nil || n != want {
				return fmt.Errorf("%d records, not %d: %w", n, want, err)
			}
			if err := insert(conn, e, fmt.Sprint(want), true); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		t.Error(err)
	}
}
