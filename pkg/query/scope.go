package query

import (
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// Scope is what a caller's query is checked against: the entity, what the
// caller may name of it, and the limits in force. It is a small value, made for
// each request.
type Scope struct {
	Entity *schema.Entity
	// Readable tells whether the caller may read a column, and so also filter,
	// sort, group and search by it; nil = every column. Hidden columns are
	// refused before it is asked.
	Readable func(*schema.Column) bool
	// IncludeDeleted shows soft-deleted records too (options.includeDeleted).
	IncludeDeleted bool
	Limits         Limits
}

// Limits bounds what one query may cost. A member that is zero means its value
// in DefaultLimits.
type Limits struct {
	Depth      int // nesting of $and, $or, $not and $nor in a filter
	Nodes      int // conditions and logical operators of a filter
	List       int // members of all $in and $nin lists of a filter together
	Page       int // records a read returns when it names no limit
	MaxPage    int // records a read, or rows an aggregation, returns at most
	WorkerRows int // rows that a worker reads to filter by what its database cannot
	Pattern    int // bytes of a $regex, and of the text of a search
	Stages     int // stages of an aggregation
	Outputs    int // members of an aggregation's result row
}

// DefaultLimits are the limits where nothing else is configured.
var DefaultLimits = Limits{
	Depth: 8, Nodes: 64, List: 1000,
	Page: 100, MaxPage: 1000, WorkerRows: 100_000,
	Pattern: 256, Stages: 16, Outputs: 64,
}

// maxSortKeys bounds an order; more keys never decide anything in practice.
const maxSortKeys = 8

// OrDefault returns the limits with DefaultLimits where a member is zero.
func (l Limits) OrDefault() Limits {
	for _, m := range []struct{ have, want *int }{
		{&l.Depth, &DefaultLimits.Depth},
		{&l.Nodes, &DefaultLimits.Nodes},
		{&l.List, &DefaultLimits.List},
		{&l.Page, &DefaultLimits.Page},
		{&l.MaxPage, &DefaultLimits.MaxPage},
		{&l.WorkerRows, &DefaultLimits.WorkerRows},
		{&l.Pattern, &DefaultLimits.Pattern},
		{&l.Stages, &DefaultLimits.Stages},
		{&l.Outputs, &DefaultLimits.Outputs},
	} {
		if *m.have == 0 {
			*m.have = *m.want
		}
	}
	l.Page = min(l.Page, l.MaxPage)
	return l
}

// readable reports whether the caller may name the column. The discriminator of
// a shared table is no member of a record unless it is a declared field.
func (s *Scope) readable(c *schema.Column) bool {
	undeclared := c.Role == schema.RoleDiscriminator && c.Field == nil
	return !c.Hidden && !undeclared && (s.Readable == nil || s.Readable(c))
}

// column finds the column that a caller named. What the caller may not read is
// answered like what does not exist, so that no answer tells them apart.
func (s *Scope) column(name string) (*schema.Column, *problem) {
	if c := s.Entity.Column(name); c != nil && s.readable(c) {
		return c, nil
	}
	if r := s.Entity.Relation(name); r != nil && !r.Stored() {
		return nil, bad("%s is a relation to many records, which only relations and select can name; ask %s instead", name, r.Target.Name)
	}
	return nil, unknownField(name)
}

func unknownField(name string) *problem {
	return bad("there is no field %s that you can read", clip(name))
}

// A problem is why a query was refused, and where: the path grows from the
// inside out while the parser returns, so that a good query pays nothing.
type problem struct {
	path   string
	reason string
}

func bad(format string, args ...any) *problem {
	return &problem{reason: fault.New(fault.InvalidFilter, format, args...).Message}
}

// in puts a member's name in front of the path.
func (p *problem) in(segment string) *problem {
	switch {
	case p.path == "":
		p.path = segment
	case p.path[0] == '[':
		p.path = segment + p.path
	default:
		p.path = segment + "." + p.path
	}
	return p
}

func (p *problem) at(i int) *problem { return p.in("[" + strconv.Itoa(i) + "]") }

// fault makes the INVALID_FILTER that crosses the wire.
func (p *problem) fault() error {
	return fault.New(fault.InvalidFilter, "%s: %s", p.path, p.reason).
		With(map[string]string{"path": p.path, "reason": p.reason})
}

// because turns a value's own error into a problem.
func because(err error) *problem {
	var f *fault.Error
	if errors.As(err, &f) {
		if list, ok := f.Details.([]schema.Problem); ok && len(list) > 0 {
			return &problem{reason: list[0].Reason}
		}
		return &problem{reason: f.Message}
	}
	return bad("the value does not fit the field's type")
}

// clip quotes text of the caller for a message, and keeps it short.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strconv.Quote(s)
}
