package spanner

import (
	"context"
	"errors"
	"strings"
	"time"

	"cloud.google.com/go/spanner"
	"google.golang.org/grpc/codes"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// classify turns an error of Spanner into a fault (the codes are those of gRPC;
// https://cloud.google.com/spanner/docs/error-codes). e is the entity at work;
// it may be nil.
func classify(err error, e *schema.Entity) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	switch spanner.ErrCode(err) {
	case codes.AlreadyExists:
		return fault.Wrap(err, fault.Conflict, "a unique value is taken")
	case codes.Aborted, codes.ResourceExhausted:
		return fault.Wrap(err, fault.Overloaded, "the database is busy; try again").After(time.Second)
	case codes.Unavailable, codes.DeadlineExceeded:
		return fault.Wrap(err, fault.DBNotConnected, "Spanner does not answer; check the network and the state of the instance")
	case codes.Unauthenticated, codes.PermissionDenied:
		return fault.Wrap(err, fault.DBNotConnected, "Spanner refuses the credentials; check them and their roles (roles/spanner.databaseUser)")
	case codes.NotFound:
		if e == nil {
			return fault.Wrap(err, fault.DBNotConnected, "Spanner has no such instance, database or table; check the address and the schema strategy")
		}
		return fault.Wrap(err, fault.Internal, "the table of %s is not there; apply the schema", e.Name)
	case codes.OutOfRange:
		return fault.Wrap(err, fault.ValidationError, "a number is out of the range that the database can keep")
	case codes.InvalidArgument:
		if says := strings.ToLower(spanner.ErrDesc(err)); strings.Contains(says, "too many") || strings.Contains(says, "too large") || strings.Contains(says, "exceed") {
			return fault.Wrap(err, fault.PayloadTooLarge, "that is more than the database takes at once (80,000 values and 100 MB a commit, 10 MB a value, 8 kB a key)")
		}
	case codes.FailedPrecondition:
		return fault.Wrap(err, fault.ValidationError, "a rule of the database refuses the value")
	case codes.Canceled:
		return fault.Wrap(err, fault.Cancelled, "the read was cancelled")
	}
	return fault.Wrap(err, fault.Internal, "the database could not run the statement")
}
