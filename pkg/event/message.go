package event

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// The headers of a message on the events subjects. The server adds the
// sequence when it hands a stored message on to the live subjects.
const (
	PrevHeader     = "Octo-Prev"     // seq of the project's change before
	IDHeader       = "Nats-Msg-Id"   // <project>:<epoch>:<seq>
	SequenceHeader = "Nats-Sequence" // where the stream has it; replies never carry it
)

// NewMessage returns what a relay publishes for a change: prev is the seq of
// the project's change before it, limit the most bytes of the event.
func NewMessage(project, epoch string, prev int64, c *mesh.Change, limit int) *nats.Msg {
	return &nats.Msg{
		Subject: subject.Event(project, c.Entity, c.Verb),
		Data:    c.AppendEvent(make([]byte, 0, len(c.After)+len(c.Old)+256), project, epoch, limit),
		Header: nats.Header{
			IDHeader:   {MessageID(project, mesh.Position{Epoch: epoch, Seq: c.Seq})},
			PrevHeader: {strconv.FormatInt(prev, 10)},
		},
	}
}

// MessageID returns the Nats-Msg-Id of a change.
func MessageID(project string, p mesh.Position) string {
	return project + ":" + p.Epoch + ":" + strconv.FormatInt(p.Seq, 10)
}

// ParseMessageID takes a Nats-Msg-Id apart.
func ParseMessageID(id string) (project string, p mesh.Position, ok bool) {
	project, rest, ok1 := strings.Cut(id, ":")
	epoch, seq, ok2 := strings.Cut(rest, ":")
	p, err := mesh.ParsePosition(epoch + "-" + seq)
	return project, p, ok1 && ok2 && err == nil && project != ""
}

// Message is one change as it came from NATS or from op changes, taken apart
// once: its spans are parts of the bytes that it came in.
type Message struct {
	Project, Entity, Verb, ID string
	Position                  mesh.Position
	Prev                      int64 // seq of the project's change before it
	Inserted                  bool
	Truncated                 bool // too large for a message: no data here

	whole              []byte // the event as a subscriber sees it who may read everything
	afterID, beforePos int    // in whole: the ends of the id and of what precedes the position
	data, changed, old []byte
	size               int

	// What follows is made when first needed, under the project's lock.
	forms         []form
	rowsOf        *schema.Entity
	after, before schema.Row
}

// Decode takes an event in the form of mesh.Change.AppendEvent apart. It keeps
// b and changes its last members: the caller gives it away. Errors: PARSE_ERROR.
func Decode(b []byte) (*Message, error) {
	m := &Message{size: len(b)}
	var verb, position string
	var end int
	good := true
	str := func(v []byte, into *string) {
		var ok bool
		*into, ok = text(v)
		good = good && ok
	}
	comma := func(v []byte) int { return max(0, bytes.LastIndexByte(b[:offset(b, v)], ',')) }
	closed := members(b, func(key string, v []byte) {
		switch key {
		case "event":
			str(v, &verb)
		case "project":
			str(v, &m.Project)
		case "entity":
			str(v, &m.Entity)
		case "id":
			str(v, &m.ID)
			m.afterID = offset(b, v) + len(v)
		case "data":
			m.data = v
		case "changed":
			m.changed = v
		case "inserted":
			m.Inserted = string(v) == "true"
		case "truncated":
			m.Truncated = string(v) == "true"
		case "position":
			str(v, &position)
			m.beforePos = comma(v)
		case "op":
			end = comma(v)
		case "old":
			m.old = v
		}
	})
	p, err := mesh.ParsePosition(position)
	var named bool
	m.Verb, named = strings.CutPrefix(verb, "entity.")
	if !closed || !good || err != nil || !named || m.Entity == "" || m.afterID == 0 || m.beforePos < m.afterID || end <= m.beforePos {
		return nil, fault.New(fault.ParseError, "the bytes are no event")
	}
	m.Position = p
	b[end] = '}' // the comma before "op"
	m.whole = b[: end+1 : end+1]
	return m, nil
}

// offset tells where part, a slice of whole, begins.
func offset(whole, part []byte) int { return cap(whole) - cap(part) }

// FromLive decodes a message of a live subject. It refuses what the stream did
// not store: a reply can be addressed to a live subject by anyone, but never
// carries the headers that the server gives a stored message.
func FromLive(msg *nats.Msg) (*Message, bool) {
	if msg.Header.Get(SequenceHeader) == "" {
		return nil, false
	}
	return fromStored(msg.Header, msg.Data)
}

func fromStored(h nats.Header, data []byte) (*Message, bool) {
	project, p, ok := ParseMessageID(h.Get(IDHeader))
	if !ok {
		return nil, false
	}
	prev, err := strconv.ParseInt(h.Get(PrevHeader), 10, 64)
	if err != nil || prev < 0 || prev >= p.Seq {
		return nil, false
	}
	m, err := Decode(data)
	if err != nil || m.Project != project || m.Position != p {
		return nil, false
	}
	m.Prev = prev
	return m, true
}
