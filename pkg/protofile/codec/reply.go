package codec

import (
	"bytes"

	"github.com/octomesh/octomesh/pkg/fault"
)

// replyHead is how workers begin a reply.
var replyHead = []byte(`{"status":"ok","data":`)

func misfit() error {
	return fault.New(fault.Unavailable, "the reply does not fit the schema that is known here: it has just been changed, so ask again")
}

// Reply appends the message that a worker's reply becomes. found is false where
// it has null instead of the record that the message is.
// Errors: UNAVAILABLE for a reply of another schema than the codec's.
func (m *Method) Reply(dst, body []byte) (out []byte, found bool, err error) {
	if !m.whole {
		dst, end := m.out.object(dst, body, blank(body, 0), maxDepth)
		if end < 0 {
			return dst, false, misfit()
		}
		return dst, true, nil
	}
	i := len(replyHead)
	if !bytes.HasPrefix(body, replyHead) {
		if i = data(body); i < 0 {
			return dst, false, misfit()
		}
	}
	if bytes.HasPrefix(body[i:], nullText) {
		return dst, false, nil
	}
	dst, end := m.out.object(dst, body, i, maxDepth)
	if end < 0 {
		return dst, false, misfit()
	}
	return dst, true, nil
}

// data returns where the data of a reply begin.
func data(b []byte) int {
	i := blank(b, 0)
	if i >= len(b) || b[i] != '{' {
		return -1
	}
	for i = blank(b, i+1); ; i = blank(b, i+1) {
		end := quote(b, i)
		if end < 0 {
			return -1
		}
		key := b[i:end]
		if i = blank(b, end); i >= len(b) || b[i] != ':' {
			return -1
		}
		i = blank(b, i+1)
		if string(key) == `"data"` {
			return i
		}
		if i = skip(b, i); i < 0 {
			return -1
		}
		if i = blank(b, i); i >= len(b) || b[i] != ',' {
			return -1
		}
	}
}

// Record appends the message of one record or one event, which object is.
// Errors: UNAVAILABLE for a record of another schema than the codec's.
func (m *Method) Record(dst, object []byte) ([]byte, error) {
	dst, end := m.out.object(dst, object, blank(object, 0), maxDepth)
	if end < 0 || blank(object, end) != len(object) {
		return dst, misfit()
	}
	return dst, nil
}
