package mongotest

import (
	"encoding/binary"
	"errors"
	"io"
	"net"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The operations of the wire protocol (specification "MongoDB Wire Protocol").
const (
	opReply = 1
	opQuery = 2004
	opMsg   = 2013

	maxMessage = 48_000_000
	moreToCome = 1 << 1 // the sender wants no answer
)

// message is one request.
type message struct {
	id    int32
	query bool // OP_QUERY: the first hello of a connection
	quiet bool // no answer is wanted
	body  bson.Raw
	// lists are the document sequences, by their names.
	lists map[string][]bson.Raw
}

var errWire = errors.New("mongotest: a message cannot be read")

func readMessage(c net.Conn) (*message, error) {
	var head [16]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	length := int(binary.LittleEndian.Uint32(head[:]))
	if length < 16 || length > maxMessage {
		return nil, errWire
	}
	b := make([]byte, length-16)
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, err
	}
	m := &message{id: int32(binary.LittleEndian.Uint32(head[4:]))}
	switch binary.LittleEndian.Uint32(head[12:]) {
	case opMsg:
		return m, m.sections(b)
	case opQuery:
		m.query = true
		return m, m.legacy(b)
	}
	return nil, errWire
}

func (m *message) sections(b []byte) error {
	if len(b) < 4 {
		return errWire
	}
	flags := binary.LittleEndian.Uint32(b)
	m.quiet = flags&moreToCome != 0
	for b = b[4:]; len(b) > 5 || len(b) > 4 && flags&1 == 0; {
		kind := b[0]
		size := int(binary.LittleEndian.Uint32(b[1:]))
		if size < 5 || size > len(b)-1 {
			return errWire
		}
		part := b[1 : 1+size]
		b = b[1+size:]
		if kind == 0 {
			m.body = bson.Raw(part)
			continue
		}
		name, rest, ok := cString(part[4:])
		if !ok {
			return errWire
		}
		if m.lists == nil {
			m.lists = map[string][]bson.Raw{}
		}
		for len(rest) > 0 {
			n := int(binary.LittleEndian.Uint32(rest))
			if n < 5 || n > len(rest) {
				return errWire
			}
			m.lists[name] = append(m.lists[name], bson.Raw(rest[:n]))
			rest = rest[n:]
		}
	}
	return m.body.Validate()
}

// legacy reads flags, the name of a collection, two numbers and the document.
func (m *message) legacy(b []byte) error {
	if len(b) < 4 {
		return errWire
	}
	_, rest, ok := cString(b[4:])
	if !ok || len(rest) < 8 {
		return errWire
	}
	m.body = bson.Raw(rest[8:])
	return m.body.Validate()
}

func cString(b []byte) (s string, rest []byte, ok bool) {
	for i, c := range b {
		if c == 0 {
			return string(b[:i]), b[i+1:], true
		}
	}
	return "", nil, false
}

func (m *message) answer(c net.Conn, body bson.Raw) error {
	if m.quiet {
		return nil
	}
	b := make([]byte, 16, len(body)+64)
	op := uint32(opMsg)
	if m.query {
		op = opReply
		b = binary.LittleEndian.AppendUint32(b, 8) // it could await data
		b = append(b, make([]byte, 12)...)         // no cursor, from the first on
		b = binary.LittleEndian.AppendUint32(b, 1)
	} else {
		b = append(b, 0, 0, 0, 0, 0) // no flags; one document
	}
	b = append(b, body...)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	binary.LittleEndian.PutUint32(b[8:], uint32(m.id))
	binary.LittleEndian.PutUint32(b[12:], op)
	_, err := c.Write(b)
	return err
}

// list is a member that is sent as a document sequence or as an array.
func (m *message) list(name string) []bson.Raw {
	if l, ok := m.lists[name]; ok {
		return l
	}
	return documents(m.body.Lookup(name))
}

func documents(v bson.RawValue) []bson.Raw {
	array, ok := v.ArrayOK()
	if !ok {
		return nil
	}
	values, _ := array.Values()
	var out []bson.Raw
	for _, v := range values {
		if d, ok := v.DocumentOK(); ok {
			out = append(out, d)
		}
	}
	return out
}
