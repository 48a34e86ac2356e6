package mesh

import (
	"strconv"
	"strings"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
)

// Position is a place in a project's change log, written <epoch>-<seq>.
type Position struct {
	Epoch string // [a-z0-9]{1,16}, made with the change log
	Seq   int64  // Change.Seq; 0 = before the first change
}

// IsZero reports whether the position is absent.
func (p Position) IsZero() bool { return p.Epoch == "" }

func (p Position) String() string {
	if p.IsZero() {
		return ""
	}
	return string(p.Append(nil))
}

// Append appends the written form.
func (p Position) Append(dst []byte) []byte {
	dst = append(append(dst, p.Epoch...), '-')
	return strconv.AppendInt(dst, p.Seq, 10)
}

// ParsePosition reads the written form. Errors: INVALID_REQUEST.
func ParsePosition(s string) (Position, error) {
	epoch, num, ok := strings.Cut(s, "-")
	seq, err := strconv.ParseInt(num, 10, 64)
	if !ok || err != nil || seq < 0 || epoch == "" || len(epoch) > 16 || num[0] == '+' ||
		strings.Trim(epoch, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return Position{}, fault.New(fault.InvalidRequest, "a position has the form <epoch>-<number>")
	}
	return Position{Epoch: epoch, Seq: seq}, nil
}

// The verbs of changes and events.
const (
	Created  = "created"
	Updated  = "updated"
	Deleted  = "deleted"
	Upserted = "upserted"
)

// Change is one row of a project's change log, written in the transaction of
// the change that it tells of.
type Change struct {
	Seq     int64 // the order of all changes of the project
	Tx      int64 // equal for the changes of one transaction: the seq of its first
	Entity  string
	ID      string
	Verb    string
	Version int64 // the record's _version after the change
	// After is the record as a record reply shows it to a caller who may read
	// every field; the last state for a deletion. Hidden fields are never in it.
	After []byte
	// Old is a JSON object with the former values of the members in Changed.
	Old      []byte
	Changed  []string
	Inserted bool // an upsert that inserted

	Principal      string
	RequestID      string
	Transport      string
	IdempotencyKey string
	RequestHash    []byte
	At             time.Time // UTC, milliseconds
}
