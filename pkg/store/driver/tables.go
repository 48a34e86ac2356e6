package driver

import (
	"context"
	"time"

	"github.com/octomesh/octomesh/pkg/schema"
)

// Examiner is a Conn that can tell how its tables stand to a catalog. An engine
// without tables need not be one.
type Examiner interface {
	// Examine tells what Apply would do and what stands in its way, and changes
	// nothing.
	Examine(ctx context.Context, cat *schema.Catalog) (*Examination, error)
}

// Examination is how a database's tables stand to a catalog.
type Examination struct {
	// Steps are what Apply would do, in its order, if there is no misfit.
	Steps []Step `json:"steps"`
	// Misfits are what no strategy changes: the catalog can't be used until they
	// are gone.
	Misfits []Misfit `json:"misfits,omitempty"`
	// Warnings are differences that can be lived with, such as another collation.
	Warnings []Misfit `json:"warnings,omitempty"`
	// Unfinished are the steps that a former process began and did not end, or
	// that failed.
	Unfinished []Unfinished `json:"unfinished,omitempty"`
}

// Step is one change of the tables.
type Step struct {
	Table string `json:"table"`
	// Class says what it does to stored records; see schema.Class.
	Class schema.Class `json:"class"`
	SQL   string       `json:"sql"`
}

// Misfit is something that differs.
type Misfit struct {
	Table  string `json:"table"`
	Column string `json:"column,omitempty"`
	Reason string `json:"reason"`
	Found  string `json:"found,omitempty"`  // in the database's words
	Wanted string `json:"wanted,omitempty"` // in the database's words
	Do     string `json:"do,omitempty"`     // what would make it fit
}

// Unfinished is a step in the journal that was started and is not done.
type Unfinished struct {
	Catalog string    `json:"catalog"` // its version
	SQL     string    `json:"sql"`
	At      time.Time `json:"at"`
	Error   string    `json:"error,omitempty"` // a fault code and message; empty if the process ended
}
