package plan

import (
	"encoding/json"
	"strconv"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// Batch is which records a Joined node's call is to bring: those whose member
// By is one of IDs, at most Limit of them behind Skip or Cursor.
type Batch struct {
	By, Cursor  string
	IDs         []string
	Skip, Limit int
	MinPosition string
}

// Join appends the request object of a Joined node's call.
// Errors: INVALID_REQUEST, INVALID_FILTER, PARSE_ERROR.
func (n *Node) Join(dst []byte, v *Vars, q Batch) ([]byte, error) {
	var more []byte
	more = schema.AppendString(append(more, '{'), q.By)
	more = append(more, `:{"$in":[`...)
	for i, id := range q.IDs {
		if i > 0 {
			more = append(more, ',')
		}
		more = schema.AppendString(more, id)
	}
	more = append(more, `]}}`...)
	filter, err := v.value(n.Args, "filter")
	if err != nil {
		return dst, named(err, "filter")
	}
	where, err := v.value(n.Args, "where")
	if err != nil {
		return dst, named(err, "where")
	}
	o := newObject(dst)
	o.key("filter")
	if o.b, err = appendFilter(o.b, &filter, &where, string(more)); err != nil {
		return o.b, err
	}
	sort, err := v.value(n.Args, "sort")
	if err != nil {
		return o.b, err
	}
	order, err := v.value(n.Args, "orderBy")
	if err != nil {
		return o.b, err
	}
	switch {
	case sort.Kind > Null && order.Kind > Null:
		return o.b, errSorts
	case sort.Kind > Null:
		o.key("sort")
		o.b = appendSort(o.b, &sort)
	case order.Kind == List && len(order.Items) > 0:
		o.key("sort")
		o.b, _ = appendOrder(o.b, &order)
	}
	fields, paths := n.Level.wants(v)
	shown := []string{q.By}
	for _, f := range fields {
		if f != q.By {
			shown = append(shown, f)
		}
	}
	o.texts("select", shown)
	if len(paths) > 0 {
		o.texts("relations", paths)
	}
	o.key("limit")
	o.b = strconv.AppendInt(o.b, int64(q.Limit), 10)
	if q.Skip > 0 {
		o.key("skip")
		o.b = strconv.AppendInt(o.b, int64(q.Skip), 10)
	}
	if q.Cursor != "" {
		o.key("cursor")
		o.b = schema.AppendString(o.b, q.Cursor)
	}
	o.position(q.MinPosition)
	return append(o.b, '}'), nil
}

// Links appends the request object of the call that tells what a many-to-many
// relation links to the owners: with the records that it shows, unless they come
// by a call of their own.
func (n *Node) Links(dst []byte, v *Vars, q Batch) []byte {
	path := n.Relation.Name
	o := newObject(dst)
	o.key("filter")
	o.b = append(o.b, `{"id":{"$in":[`...)
	for i, id := range q.IDs {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = schema.AppendString(o.b, id)
	}
	o.b = append(o.b, `]}}`...)
	o.texts("select", []string{"id"})
	paths := []string{path}
	if len(n.Args) == 0 {
		if _, below := n.Level.wants(v); len(below) > 0 {
			paths = paths[:0]
			for _, p := range below {
				paths = append(paths, path+"."+p)
			}
		}
	}
	o.texts("relations", paths)
	o.key("limit")
	o.b = append(o.b, "1000"...)
	o.position(q.MinPosition)
	return append(o.b, '}')
}

func (o *object) position(p string) {
	if p != "" {
		o.key("minPosition")
		o.b = schema.AppendString(o.b, p)
	}
}

// Ordered tells whether a Joined node's arguments put its records in order.
func (n *Node) Ordered(v *Vars) bool {
	for _, a := range []string{"sort", "orderBy"} {
		if got, err := v.value(n.Args, a); err == nil && got.Kind > Null {
			return true
		}
	}
	return false
}

// Cut tells which part of its list each parent shows: limit -1 = to the end.
// Errors: INVALID_REQUEST, INVALID_FILTER.
func (n *Node) Cut(v *Vars) (skip, limit int, err error) {
	limit = -1
	for _, a := range []string{"skip", "limit", "first"} {
		got, err := v.value(n.Args, a)
		if err != nil {
			return 0, 0, named(err, a)
		}
		if got.Kind != Scalar {
			continue
		}
		var x int
		if json.Unmarshal([]byte(got.Raw), &x) != nil || x < 0 {
			return 0, 0, fault.New(fault.InvalidFilter, "%s must not be negative", a)
		}
		switch {
		case a == "skip":
			skip = x
		case limit >= 0:
			return 0, 0, errLimits
		default:
			limit = x
		}
	}
	return skip, limit, nil
}
