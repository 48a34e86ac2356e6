package driver

import "github.com/octomesh/octomesh/pkg/fault"

// Strategy is what Open does to a database's tables (DB_SCHEMA_STRATEGY).
type Strategy string

// The strategies.
const (
	Validate   Strategy = "validate"    // change nothing, fail if something does not fit
	Update     Strategy = "update"      // add what is missing, drop nothing
	Create     Strategy = "create"      // drop and create
	CreateDrop Strategy = "create-drop" // create, and drop at Close
	None       Strategy = "none"        // change nothing, check nothing
	// Inspect touches nothing at all, not even the tables of the log, and takes
	// no lock: such a Conn serves Examine, Ping and Close alone. It is no setting.
	Inspect Strategy = "inspect"
)

// OrDefault returns the strategy that was asked for, Update for "". Errors:
// INVALID_REQUEST for one that there is not.
func (s Strategy) OrDefault() (Strategy, error) {
	switch s {
	case "":
		return Update, nil
	case Validate, Update, Create, CreateDrop, None, Inspect:
		return s, nil
	}
	return "", fault.New(fault.InvalidRequest, "the schema strategy is validate, update, create, create-drop or none")
}

// Empties tells that Open drops the tables that are there.
func (s Strategy) Empties() bool { return s == Create || s == CreateDrop }

// Later is the strategy of Apply: what Open made is only added to.
func (s Strategy) Later() Strategy {
	if s.Empties() {
		return Update
	}
	return s
}
