package mongodb

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	drivers "github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// The server's error codes (src/mongo/base/error_codes.yml of the server).
const (
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeNamespaceNotFound    = 26
	codeIndexNotFound        = 27
	codeNamespaceExists      = 48
	codeMaxTimeExpired       = 50
	codeWriteConflict        = 112
	codeSnapshotUnavailable  = 246
	codeSnapshotTooOld       = 239
	codeNoSuchTransaction    = 251
	codeMemoryLimit          = 292
	codeTooLarge             = 10334
	codeDuplicateKey         = 11000
	codeDiskFull             = 14031 // OutOfDiskSpace
)

// away are the codes of a server that is stopping, stepping down or no primary.
var away = []int{6, 7, 89, 91, 189, 10107, 11600, 11602, 13435, 13436}

// classify turns an error of the driver or the server into a fault. e is the
// entity at work, whose record keys a taken value is told by; it may be nil.
func classify(err error, e *schema.Entity) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !mongo.IsTimeout(err) {
		return err
	}
	var server mongo.ServerError
	has := func(codes ...int) bool {
		return errors.As(err, &server) && slices.ContainsFunc(codes, server.HasErrorCode)
	}
	var selection topology.ServerSelectionError
	var tooLarge mongo.CommandError
	switch {
	case mongo.IsDuplicateKeyError(err):
		return taken(err, e)
	case has(codeAuthenticationFailed), strings.Contains(err.Error(), "auth error"):
		return fault.Wrap(err, fault.DBNotConnected, "MongoDB refuses the user or the password: check the address of the project")
	case has(codeUnauthorized):
		return fault.Wrap(err, fault.DBNotConnected, "MongoDB does not allow this to the user: give it the role readWrite on the database")
	case has(away...):
		return fault.Wrap(err, fault.DBNotConnected, "MongoDB has no primary just now; try again").After(time.Second)
	case has(codeWriteConflict, codeNoSuchTransaction, codeSnapshotUnavailable):
		return fault.Wrap(err, fault.Overloaded, "other programs write the same records; try again").After(time.Second)
	case has(codeSnapshotTooOld):
		return fault.Wrap(err, fault.Timeout, "the read took longer than MongoDB keeps its snapshot (minSnapshotHistoryWindowInSeconds): read less at once")
	case has(codeTooLarge), errors.Is(err, driver.ErrDocumentTooLarge), errors.As(err, &tooLarge) && strings.Contains(tooLarge.Message, "BSONObj size"):
		return fault.Wrap(err, fault.PayloadTooLarge, "the record is larger than the 16 MB that MongoDB keeps")
	case has(codeMaxTimeExpired):
		return fault.Wrap(err, fault.Timeout, "MongoDB did not answer in time")
	case has(codeMemoryLimit):
		return fault.Wrap(err, fault.Overloaded, "MongoDB lacks the memory for this statement; narrow it down").After(time.Second)
	case has(codeDiskFull):
		return fault.Wrap(err, fault.DBNotConnected, "the disk of MongoDB is full; free some space")
	case errors.As(err, &selection), mongo.IsNetworkError(err), errors.Is(err, mongo.ErrClientDisconnected), mongo.IsTimeout(err):
		return fault.Wrap(err, fault.DBNotConnected, "MongoDB can't be reached: check its address, and that it runs").After(time.Second)
	}
	return fault.Wrap(err, fault.Internal, "the database could not run the statement")
}

// transient reports whether the transaction that err ended may be run again.
func transient(err error) bool {
	var labeled mongo.LabeledError
	return errors.As(err, &labeled) && labeled.HasErrorLabel("TransientTransactionError")
}

// unknown reports whether it is not known what became of a commit.
func unknown(err error) bool {
	var labeled mongo.LabeledError
	return errors.As(err, &labeled) && labeled.HasErrorLabel("UnknownTransactionCommitResult")
}

// unanswered reports whether err came instead of the server's answer.
func unanswered(err error) bool {
	return mongo.IsNetworkError(err) || mongo.IsTimeout(err) || errors.Is(err, context.DeadlineExceeded)
}

// taken tells which record keys hold a value that is taken.
func taken(err error, e *schema.Entity) error {
	index, names := duplicate(err)
	if strings.Contains(err.Error(), sqlgen.RepliesTable) || index == indexIdem || slices.Contains(names, "idem") {
		return fault.Wrap(errors.Join(drivers.ErrReplay, err), fault.Conflict, "the idempotency key was used meanwhile; send the request again")
	}
	var keys []string
	if e != nil {
		for _, name := range names {
			for _, c := range e.Columns {
				if member(c) == name && !c.Hidden && c.Role != schema.RoleDiscriminator {
					keys = append(keys, c.Name)
				}
			}
		}
	}
	switch len(keys) {
	case 0:
		return fault.Wrap(err, fault.Conflict, "a unique value is taken")
	case 1:
		return fault.Wrap(err, fault.Conflict, "the value of %s is taken", keys[0]).With(keys)
	}
	return fault.Wrap(err, fault.Conflict, "the values of %s are taken together", strings.Join(keys, ", ")).With(keys)
}

// duplicate finds the index and the members that an E11000 names: its
// keyPattern, and for older servers its text, "… index: <name> dup key: { a: 1 }".
func duplicate(err error) (index string, names []string) {
	var raws []bson.Raw
	var write mongo.WriteException
	var command mongo.CommandError
	if errors.As(err, &write) {
		for _, w := range write.WriteErrors {
			raws = append(raws, w.Raw)
		}
	}
	if errors.As(err, &command) {
		raws = append(raws, command.Raw)
	}
	for _, raw := range raws {
		pattern, ok := raw.Lookup("keyPattern").DocumentOK()
		if !ok {
			continue
		}
		elements, _ := pattern.Elements()
		for _, el := range elements {
			names = append(names, el.Key())
		}
	}
	if _, rest, ok := strings.Cut(err.Error(), " index: "); ok {
		index, rest, _ = strings.Cut(rest, " ")
		if _, rest, ok = strings.Cut(rest, "dup key: { "); ok && len(names) == 0 {
			for part := range strings.SplitSeq(rest, ", ") {
				if name, _, ok := strings.Cut(part, ": "); ok {
					names = append(names, strings.TrimSpace(name))
				}
			}
		}
		if index == "_id_" && len(names) == 0 {
			names = []string{"_id"}
		}
	}
	return index, names
}
