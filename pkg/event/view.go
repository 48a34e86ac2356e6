package event

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/valyala/fastjson"
)

// Match tells what a change means to a filtered subscription.
type Match uint8

// The matches. A leaving record's event carries the id only.
const (
	Unfiltered Match = iota
	Enter            // the record did not match before
	Stay             // it matched before and does now
	Leave            // it does not match any more, or is gone
	none             // not for this subscription
)

func (m Match) String() string { return [...]string{"", "enter", "stay", "leave", ""}[m] }

// Event is one event of a stream, or a gap.
type Event struct {
	Type     string // created, updated, deleted, upserted, or Gap
	Entity   string
	ID       string
	JSON     []byte // the whole event object; shared, never to be changed; nil for a Gap
	Match    Match
	Position mesh.Position
}

// Gap is the Type of the event that tells that changes before its Position are
// out of reach (a new change log, or one that no longer reaches back): read the
// state anew. The stream goes on after that position.
const Gap = "gap"

// form is a message encoded for one view.
type form struct {
	view  string
	match Match
	event *Event
}

// encode returns the message as in's view shows it, made once for all streams
// that have the same view.
func (m *Message) encode(in *interest, match Match, limit int) *Event {
	view := in.view
	if match == Leave {
		view = "" // the id only, whatever can be read
	}
	for i := range m.forms {
		if f := &m.forms[i]; f.match == match && f.view == view {
			return f.event
		}
	}
	e := &Event{Type: m.Verb, Entity: m.Entity, ID: m.ID, Match: match, Position: m.Position}
	if match == Unfiltered && in.readable == nil && (m.Truncated || len(m.whole) <= limit) {
		e.JSON = m.whole
	} else {
		e.JSON = m.appendView(make([]byte, 0, min(len(m.whole), limit)+24), in, match, limit)
	}
	m.forms = append(m.forms, form{view, match, e})
	return e
}

func (m *Message) appendView(dst []byte, in *interest, match Match, limit int) []byte {
	dst = append(dst, m.whole[:m.afterID]...)
	if match != Leave {
		switch {
		case m.Truncated || len(m.whole) > limit:
			dst = append(dst, `,"truncated":true`...)
		case len(m.data) > 0:
			dst = append(dst, `,"data":`...)
			dst = in.appendData(dst, m.data)
		}
		if m.changed != nil {
			dst = append(dst, `,"changed":`...)
			dst = in.appendNames(dst, m.changed)
		}
		if m.Verb == mesh.Upserted {
			dst = append(dst, `,"inserted":`...)
			dst = strconv.AppendBool(dst, m.Inserted)
		}
	}
	if match != Unfiltered {
		dst = append(append(append(dst, `,"match":"`...), match.String()...), '"')
	}
	return append(dst, m.whole[m.beforePos:]...)
}

// appendData appends the record without the members that the view lacks.
func (in *interest) appendData(dst, data []byte) []byte {
	if in.readable == nil {
		return append(dst, data...)
	}
	dst = append(dst, '{')
	start := len(dst)
	members(data, func(key string, v []byte) {
		if !in.shows(key) {
			return
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = schema.AppendString(dst, key)
		dst = append(append(dst, ':'), v...)
	})
	return append(dst, '}')
}

func (in *interest) appendNames(dst, names []byte) []byte {
	if in.readable == nil {
		return append(dst, names...)
	}
	dst = append(dst, '[')
	start := len(dst)
	values(names, func(v []byte) {
		name, ok := text(v)
		if !ok || !in.shows(name) {
			return
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = schema.AppendString(dst, name)
	})
	return append(dst, ']')
}

// shows tells whether a record's member can be read. A member that the schema
// does not name (any more) is shown to nobody under a mask; a relation without
// a column belongs to everybody who may read the record.
func (in *interest) shows(name string) bool {
	if c := in.entity.Column(name); c != nil {
		return in.readable(c)
	}
	return in.entity.Relation(name) != nil
}

// rows returns the record after and before the change; nil where there was
// none. Hidden columns are null in both, as they are never in an event.
func (m *Message) rows(e *schema.Entity) (after, before schema.Row) {
	if m.rowsOf == e {
		return m.after, m.before
	}
	m.rowsOf, m.after, m.before = e, nil, nil
	v, err := fastjson.ParseBytes(m.data)
	if err != nil {
		return nil, nil
	}
	last := make(schema.Row, len(e.Columns))
	decodeRow(last, e, v)
	if m.Verb != mesh.Deleted {
		m.after = last
	}
	if m.Verb == mesh.Created || m.Inserted {
		return m.after, nil
	}
	m.before = last
	if len(m.old) > 0 {
		if v, err = fastjson.ParseBytes(m.old); err == nil {
			m.before = append(schema.Row(nil), last...)
			decodeRow(m.before, e, v)
		}
	}
	return m.after, m.before
}

// decodeRow sets the columns that v has. A value that no longer fits its
// column, because the schema moved on, counts as null.
func decodeRow(row schema.Row, e *schema.Entity, v *fastjson.Value) {
	for _, c := range e.Columns {
		x := v.Get(c.Name)
		if x == nil {
			continue
		}
		value, err := c.Decode(x)
		if err != nil {
			value = schema.Null
		}
		row[c.Index] = value
	}
}
