package changelog

import (
	"encoding/json"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

var nothing = []byte("{}")

// OldColumn is what the column "old" holds of a change; nil = null. An insert has
// no former values: that tells the two ways of an upsert apart.
func OldColumn(c *mesh.Change) []byte {
	switch {
	case c.Inserted:
		return nil
	case c.Old == nil && c.Verb == mesh.Upserted:
		return nothing
	}
	return c.Old
}

// AppendChanged appends what the column "changed" holds of a change that has
// Changed: a JSON array.
func AppendChanged(dst []byte, c *mesh.Change) []byte {
	dst = append(dst, '[')
	for i, name := range c.Changed {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = schema.AppendString(dst, name)
	}
	return append(dst, ']')
}

// Complete derives from a change as it was read, and from its column "changed"
// (nil = null), what has no column of its own.
func Complete(c *mesh.Change, changed []byte) *mesh.Change {
	c.Inserted = c.Verb == mesh.Upserted && c.Old == nil
	if changed != nil {
		_ = json.Unmarshal(changed, &c.Changed) // AppendChanged has written it
	}
	return c
}
