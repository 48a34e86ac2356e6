package query

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
)

// Cursor is where a page ended: what metadata.next carries, opaque and
// authenticated, and the next request brings back.
type Cursor struct {
	Query     [8]byte // Fingerprint of the query that it goes on with
	Principal string  // whose cursor it is
	// Values are the last record's values of the sort keys; the last one is
	// its id.
	Values []schema.Value
}

const (
	cursorVersion = 1
	cursorTag     = 16 // bytes of HMAC-SHA256
	// maxCursor bounds a cursor's text; it has to fit into a URL.
	maxCursor = 6 << 10
)

// Fingerprint is a digest of what makes two requests pages of one query: its
// entity, filter and order, each by name, so that it is the same in every
// process.
func Fingerprint(e *schema.Entity, where Expr, order []Order) (sum [8]byte) {
	text := append([]byte(e.Name), '\n')
	text = AppendText(text, where)
	text = AppendOrderText(append(text, '\n'), order)
	full := sha256.Sum256(text)
	copy(sum[:], full[:])
	return sum
}

// EncodeCursor returns the cursor as text for a URL or a JSON string. It is
// empty when a sort value is too long for one (over about 4 KB): the next page
// can then only be had by skip.
func EncodeCursor(key []byte, c *Cursor) string {
	b := append(make([]byte, 0, 128), cursorVersion)
	b = append(b, c.Query[:]...)
	b = appendBytes(b, c.Principal)
	b = binary.AppendUvarint(b, uint64(len(c.Values)))
	for _, v := range c.Values {
		b = append(b, byte(v.Kind()))
		switch v.Kind() {
		case schema.KindNull:
		case schema.KindBool:
			b = appendBool(b, v.Bool())
		case schema.KindInt, schema.KindTime:
			b = binary.BigEndian.AppendUint64(b, uint64(v.Int()))
		case schema.KindFloat:
			b = binary.BigEndian.AppendUint64(b, math.Float64bits(v.Float()))
		default:
			b = appendBytes(b, v.Text())
		}
	}
	b = append(b, tag(key, b)...)
	if base64.RawURLEncoding.EncodedLen(len(b)) > maxCursor {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func appendBytes(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func tag(key, b []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(b)
	return mac.Sum(nil)[:cursorTag]
}

// DecodeCursor reads a cursor that a caller brought back, for the query of that
// fingerprint and order, and returns the sort values for After. A cursor that
// was changed, cut, made with another key, for another query or for somebody
// else is refused. Errors: INVALID_FILTER.
func DecodeCursor(key []byte, text string, query [8]byte, principal string, order []Order) ([]schema.Value, error) {
	invalid := (&problem{path: "cursor", reason: "it is not a cursor that this server gave; start again without it"}).fault()
	if len(text) > maxCursor || strings.ContainsAny(text, "\r\n") { // which base64 would skip
		return nil, invalid
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < cursorTag+1 {
		return nil, invalid
	}
	body := b[:len(b)-cursorTag]
	if !hmac.Equal(tag(key, body), b[len(body):]) || body[0] != cursorVersion {
		return nil, invalid
	}
	r := reader{b: body[1:]}
	var c Cursor
	copy(c.Query[:], r.take(len(c.Query)))
	c.Principal = string(r.bytes())
	if n := r.uvarint(); n == uint64(len(order)) {
		c.Values = make([]schema.Value, n)
		for i := range c.Values {
			c.Values[i] = r.value()
		}
	}
	switch {
	case r.short || len(r.b) > 0 && c.Values != nil:
		return nil, invalid
	case c.Principal != principal:
		return nil, (&problem{path: "cursor", reason: "it was given to another caller; start again without it"}).fault()
	case c.Query != query || c.Values == nil || !fits(c.Values, order):
		return nil, (&problem{path: "cursor", reason: "it belongs to another query; repeat the same filter and sort, or start again without it"}).fault()
	}
	return c.Values, nil
}

func fits(values []schema.Value, order []Order) bool {
	for i, v := range values {
		if !v.IsNull() && v.Kind() != order[i].Column.Type.Kind() {
			return false
		}
	}
	return true
}

// reader takes a cursor apart; short is set when there is less than it asks.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.short, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.short, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.short, r.b = true, nil
		return nil
	}
	return r.take(int(n))
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) value() schema.Value {
	kind := r.take(1)
	if kind == nil {
		return schema.Null
	}
	switch k := schema.Kind(kind[0]); k {
	case schema.KindNull:
	case schema.KindBool:
		if b := r.take(1); b != nil {
			return schema.BoolOf(b[0] == 1)
		}
	case schema.KindInt:
		return schema.IntOf(int64(r.uint64()))
	case schema.KindTime:
		return schema.TimeOf(int64(r.uint64()))
	case schema.KindFloat:
		return schema.FloatOf(math.Float64frombits(r.uint64()))
	case schema.KindDecimal:
		return schema.DecimalOf(string(r.bytes()))
	case schema.KindText:
		return schema.TextOf(string(r.bytes()))
	default:
		r.short = true
	}
	return schema.Null
}
