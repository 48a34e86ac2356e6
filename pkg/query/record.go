package query

import (
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/valyala/fastjson"
)

// DecodeRecord reads a record, as a reply or an event shows it, into a row that
// is aligned to e.Columns: members that are absent, hidden columns among them,
// become null, a populated reference becomes its id, and members that are no
// columns are passed over. The row keeps nothing of v.
// Errors: VALIDATION_ERROR naming the member.
func DecodeRecord(e *schema.Entity, v *fastjson.Value, into schema.Row) error {
	if len(into) != len(e.Columns) {
		return fault.New(fault.Internal, "a row of %s has %d columns", e.Name, len(e.Columns))
	}
	o, err := v.Object()
	if err != nil {
		return fault.Wrap(err, fault.ValidationError, "expected a record of %s as an object", e.Name)
	}
	clear(into)
	var wrong error
	o.Visit(func(key []byte, v *fastjson.Value) {
		if wrong != nil {
			return
		}
		c := e.Column(view(key))
		if c == nil || c.Index >= len(into) {
			return
		}
		if c.Role == schema.RoleReference && v.Type() == fastjson.TypeObject {
			if v = v.Get("id"); v == nil {
				return
			}
		}
		value, err := c.Decode(v)
		if err != nil {
			wrong = fault.Wrap(err, fault.ValidationError, "%s.%s: %s", e.Name, c.Name, because(err).reason)
			return
		}
		into[c.Index] = value
	})
	return wrong
}
