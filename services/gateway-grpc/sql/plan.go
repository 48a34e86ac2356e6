package sql

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// Session is what a statement is compiled for.
type Session struct {
	// Project finds a project that the caller may read, "" being the default of
	// the connection. Errors: UNKNOWN_PROJECT, FORBIDDEN.
	Project func(name string) (*View, error)
	// DecimalScale is columnar.Options.DecimalScale.
	DecimalScale int
	// Now is the time of CURRENT_TIMESTAMP; zero = the clock's.
	Now time.Time
}

// Plan is a compiled statement. It is read-only and may run many times.
type Plan struct {
	// Project is whose worker answers; "" where none is asked.
	Project string
	// Schema is the result's; it is known before the statement runs.
	Schema *arrow.Schema
	// Params are the types of the parameters, in order.
	Params []arrow.DataType

	top          *level
	unbound      bool // there are parameters, and no values for them
	decimalScale int
}

// level is one SELECT: rows come from a scan, from an inner level, or there is
// the one row without fields that a SELECT without FROM has. What follows is
// done in the order of the members.
type level struct {
	scan  *scan
	inner *level

	where    condition
	group    *grouping
	having   condition
	order    []orderKey
	out      []output
	distinct bool
	offset   int64
	limit    int64 // -1 = all
}

// orderKey is a key of ORDER BY.
type orderKey struct {
	of   operand
	desc bool
}

// output is a column of the result.
type output struct {
	of    operand
	field arrow.Field
}

// grouping is GROUP BY: rows behind it have the keys, then the aggregates.
type grouping struct {
	keys []operand
	aggs []aggregate
	// implicit groups everything, also nothing, into one row.
	implicit bool
}

// aggregate is one computed value of a group.
type aggregate struct {
	fn       function
	of       operand // of all but COUNT(*)
	star     bool
	distinct bool
}

type function uint8

const (
	countOf function = iota + 1
	sumOf
	avgOf
	minOf
	maxOf
)

var functions = map[string]function{"count": countOf, "sum": sumOf, "avg": avgOf, "min": minOf, "max": maxOf}

// scan is the records of an entity with those of the entities that its
// references lead to.
type scan struct {
	project string
	tables  []*table
	root    int // the table whose records are streamed
	columns []source
}

// table is an entity in a scan.
type table struct {
	entity *schema.Entity
	alias  string
	// via is the reference that leads here from the parent; nil of the root.
	via      *schema.Relation
	parent   int
	optional bool // LEFT JOIN: rows without it stay
}

// source is a column of a scan's rows.
type source struct {
	table int
	of    *schema.Column
}

// slot is where a scan's rows have that column; it is read from now on.
func (s *scan) slot(table int, c *schema.Column) int {
	for i, have := range s.columns {
		if have.table == table && have.of == c {
			return i
		}
	}
	s.columns = append(s.columns, source{table, c})
	return len(s.columns) - 1
}

// single reports whether there are no joins.
func (s *scan) single() bool { return len(s.tables) == 1 }

// Compile compiles a statement. params are the values of its parameters, nil
// where they are not known yet: the plan then tells the schemas and does not
// run. Errors: INVALID_REQUEST for what is no SQL, or beyond the subset;
// UNKNOWN_ENTITY; PAYLOAD_TOO_LARGE; those of Session.Project.
func Compile(s Session, text string, params []schema.Value) (*Plan, error) {
	view, err := s.Project("")
	if err != nil {
		return nil, err
	}
	sel, n, err := parse(text, view.Project)
	if err != nil {
		return nil, err
	}
	if n > maxParams {
		return nil, invalid("a statement has at most %d parameters", maxParams)
	}
	if params != nil && len(params) != n {
		return nil, fault.New(fault.InvalidRequest, "the statement has %d parameters, %d values are bound", n, len(params))
	}
	if s.Now.IsZero() {
		s.Now = time.Now()
	}
	c := &compiler{session: s, view: view, params: params, types: make([]arrow.DataType, n)}
	top, err := c.level(sel, 0)
	if err != nil {
		return nil, err
	}
	p := &Plan{top: top, Params: c.types, unbound: n > 0 && params == nil, decimalScale: s.DecimalScale}
	if c.scanned {
		p.Project = c.view.Project
	}
	for i, t := range p.Params {
		if t == nil {
			p.Params[i] = arrow.BinaryTypes.String
		}
	}
	fields := make([]arrow.Field, len(top.out))
	for i, o := range top.out {
		fields[i] = o.field
	}
	p.Schema = arrow.NewSchema(fields, nil)
	return p, nil
}

// maxParams bounds the parameters of a statement.
const maxParams = 1024
