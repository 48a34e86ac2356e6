package translate

import (
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
)

// Ask answers a Sub with a JSON array of ids.
type Ask func(*Sub) ([]byte, error)

// Cond is a condition that becomes a filter.
type Cond interface {
	// Append appends the filter as a JSON object. Errors: those of ask.
	Append(dst []byte, ask Ask) ([]byte, error)
}

// Sub is a question whose answer a filter needs: the ids of the records of Type
// for which Where holds; or, with By, the distinct values of that member among
// them, of which each must occur so often as Having says (nil: at least once).
type Sub struct {
	Type   *metadata.Type
	Where  Cond // nil = every record
	By     string
	Having *Having
}

// Having is a condition on how many records have a value: Op is $gt, $lte, ….
type Having struct {
	Op string
	N  string
}

// raw is a filter that is written already.
type raw string

func (r raw) Append(dst []byte, _ Ask) ([]byte, error) { return append(dst, r...), nil }

const (
	always = raw(`{}`)
	never  = raw(`{"id":{"$in":[]}}`)
)

func constant(b bool) Cond {
	if b {
		return always
	}
	return never
}

type all []Cond

type some []Cond

type not struct{ x Cond }

func (l all) Append(dst []byte, ask Ask) ([]byte, error)  { return appendList(dst, "$and", l, ask) }
func (l some) Append(dst []byte, ask Ask) ([]byte, error) { return appendList(dst, "$or", l, ask) }

func appendList(dst []byte, op string, list []Cond, ask Ask) ([]byte, error) {
	dst = append(append(append(dst, `{"`...), op...), `":[`...)
	for i, c := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = c.Append(dst, ask); err != nil {
			return dst, err
		}
	}
	return append(dst, ']', '}'), nil
}

func (n not) Append(dst []byte, ask Ask) ([]byte, error) {
	dst, err := n.x.Append(append(dst, `{"$not":`...), ask)
	return append(dst, '}'), err
}

// and joins conditions; a list within a list is one list.
func and(list ...Cond) Cond {
	var out all
	for _, c := range list {
		switch c := c.(type) {
		case nil:
		case all:
			out = append(out, c...)
		default:
			switch c {
			case Cond(always):
			case Cond(never):
				return never
			default:
				out = append(out, c)
			}
		}
	}
	switch len(out) {
	case 0:
		return always
	case 1:
		return out[0]
	}
	return out
}

func or(list ...Cond) Cond {
	var out some
	for _, c := range list {
		switch c := c.(type) {
		case nil:
		case some:
			out = append(out, c...)
		default:
			switch c {
			case Cond(never):
			case Cond(always):
				return always
			default:
				out = append(out, c)
			}
		}
	}
	switch len(out) {
	case 0:
		return never
	case 1:
		return out[0]
	}
	return out
}

// negate is the opposite in two-valued logic.
func negate(c Cond) Cond {
	switch c := c.(type) {
	case not:
		return c.x
	case member:
		c.out = !c.out
		return c
	case raw:
		switch c {
		case always:
			return never
		case never:
			return always
		}
	}
	return not{c}
}

// member asks whether a member's value is among a Sub's answer (out: is not).
type member struct {
	name string
	out  bool
	sub  *Sub
}

func (m member) Append(dst []byte, ask Ask) ([]byte, error) {
	ids, err := ask(m.sub)
	if err != nil {
		return dst, err
	}
	dst = schema.AppendString(append(dst, '{'), m.name)
	if m.out {
		dst = append(dst, `:{"$nin":`...)
	} else {
		dst = append(dst, `:{"$in":`...)
	}
	return append(append(dst, ids...), '}', '}'), nil
}

// is writes {"name":{"op":value}}, and {"name":value} for $eq.
func is(name, op, value string) Cond {
	b := make([]byte, 0, len(name)+len(op)+len(value)+12)
	b = append(schema.AppendString(append(b, '{'), name), ':')
	if op == "$eq" {
		return raw(append(append(b, value...), '}'))
	}
	b = append(append(append(b, `{"`...), op...), `":`...)
	return raw(append(append(b, value...), '}', '}'))
}

// matches writes a pattern.
func matches(name, pattern string, fold bool) Cond {
	b := schema.AppendString([]byte{'{'}, name)
	b = schema.AppendString(append(b, `:{"$regex":`...), pattern)
	if fold {
		b = append(b, `,"$regexFlags":"i"`...)
	}
	return raw(append(b, '}', '}'))
}

func exists(name string) Cond { return is(name, "$exists", "true") }

// Exists is the condition that a member has a value.
func Exists(name string) Cond { return exists(name) }
