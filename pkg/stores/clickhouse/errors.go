package clickhouse

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// classify turns an error of the driver or the server into a fault (the codes
// are those of ClickHouse's ErrorCodes.cpp). e is the entity at work; it may be
// nil.
func classify(ctx context.Context, err error, e *schema.Entity) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var x *clickhouse.Exception
	if !errors.As(err, &x) {
		var network net.Error
		if errors.As(err, &network) || errors.Is(err, clickhouse.ErrAcquireConnTimeout) || errors.Is(err, clickhouse.ErrConnectionClosed) {
			return fault.Wrap(err, fault.DBNotConnected, "ClickHouse does not answer; check the address and whether it runs")
		}
		return fault.Wrap(err, fault.DBNotConnected, "the connection to ClickHouse broke")
	}
	switch x.Code {
	case 192, 193, 194, 497, 516: // users, passwords, rights
		return fault.Wrap(err, fault.DBNotConnected, "ClickHouse refuses the user or the password, or the right is missing")
	case 81: // UNKNOWN_DATABASE
		return fault.Wrap(err, fault.DBNotConnected, "ClickHouse has no such database; make it, or correct the address")
	case 60: // UNKNOWN_TABLE
		if e != nil {
			return fault.Wrap(err, fault.Internal, "the table of %s is not there; apply the schema", e.Name)
		}
		return fault.Wrap(err, fault.DBNotConnected, "a table of the project is not there; apply the schema")
	case 202, 252, 241, 159, 209: // too many queries, too many parts, memory, time
		return fault.Wrap(err, fault.Overloaded, "ClickHouse is busy; try again").After(time.Second)
	case 243, 242, 164: // NOT_ENOUGH_SPACE, TABLE_IS_READ_ONLY, READONLY
		return fault.Wrap(err, fault.DBNotConnected, "ClickHouse can't write: the disk is full or the database is read-only")
	case 394: // QUERY_WAS_CANCELLED
		return fault.Wrap(err, fault.Cancelled, "the read was cancelled")
	case 62, 307, 396: // over max_query_size, max_result_…
		if x.Code != 62 {
			return fault.Wrap(err, fault.PayloadTooLarge, "that is more than ClickHouse is set to take at once")
		}
	}
	return fault.Wrap(err, fault.Internal, "the database could not run the statement")
}
