// Package changelog knows what a change holds and how a repeated request is
// told from a new one: rows before and after a write go in, the old values that
// a Change keeps come out; a request goes in, the hash of its meaning comes out;
// and a Change's record becomes a row again.
package changelog

import (
	"slices"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// Diff tells what an update did: the names of the members that a caller would
// say have changed, and the former values of all columns that differ, as a JSON
// object; nil where none does. Old has _version and the managed times too, so
// that whoever holds the record after can rebuild the record before. Hidden
// columns are in neither.
func Diff(e *schema.Entity, before, after schema.Row) (changed []string, old []byte) {
	for _, c := range e.Columns {
		if c.Hidden || c.Role == schema.RoleDiscriminator || before[c.Index].Equal(after[c.Index]) {
			continue
		}
		if c.Role == schema.RoleField || c.Role == schema.RoleReference {
			changed = append(changed, c.Name)
		}
		if old == nil {
			old = append(old, '{')
		} else {
			old = append(old, ',')
		}
		old = append(schema.AppendString(old, c.Name), ':')
		old = before[c.Index].AppendJSON(old)
	}
	if old != nil {
		old = append(old, '}')
	}
	return changed, old
}

// Mask leaves of old and changed what readable allows.
func Mask(e *schema.Entity, old []byte, changed []string, readable func(*schema.Column) bool) ([]byte, []string, error) {
	visible := func(name string) bool {
		c := e.Column(name)
		return c == nil || readable(c)
	}
	changed = slices.DeleteFunc(slices.Clone(changed), func(name string) bool { return !visible(name) })
	if len(old) == 0 {
		return nil, changed, nil
	}
	doc, err := strictjson.Parse(old)
	if err != nil {
		return nil, nil, damaged(err)
	}
	defer doc.Release()
	out := []byte{'{'}
	for _, c := range e.Columns {
		v := doc.Root.Get(c.Name)
		if v == nil || !readable(c) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(schema.AppendString(out, c.Name), ':')
		out = strictjson.Compact(out, v)
	}
	return append(out, '}'), changed, nil
}

// Row reads a record that the log keeps (Change.After) back into a row. Hidden
// columns, which the log never has, are null.
func Row(e *schema.Entity, record []byte) (schema.Row, error) {
	doc, err := strictjson.Parse(record)
	if err != nil {
		return nil, damaged(err)
	}
	defer doc.Release()
	row := make(schema.Row, len(e.Columns))
	if err := query.DecodeRecord(e, doc.Root, row); err != nil {
		return nil, damaged(err)
	}
	return row, nil
}

func damaged(err error) error {
	return fault.Wrap(err, fault.Internal, "the change log holds a record that cannot be read")
}
