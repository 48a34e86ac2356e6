package columnar

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// add takes a value of a record in. Errors: INVALID_REQUEST for a decimal that
// the scale asked for cannot hold; INTERNAL for a value that is not of the
// column's type, which a worker does not send.
func (c *column) add(v *fastjson.Value) error {
	if c.hollow || v.Type() == fastjson.TypeNull {
		c.null()
		return nil
	}
	switch c.kind {
	case texts:
		return c.text(v)
	case documents:
		c.data = strictjson.Compact(c.data, v)
	case loose:
		if v.Type() == fastjson.TypeString {
			return c.text(v)
		}
		c.data = strictjson.Compact(c.data, v)
	case ids:
		if v.Type() == fastjson.TypeObject {
			if v = v.Get("id"); v == nil {
				return c.wrong("a record without an id")
			}
		}
		return c.text(v)
	case floats, integers:
		return c.number(v)
	case decimals:
		if v.Type() != fastjson.TypeNumber {
			return c.wrong(v.Type().String())
		}
		return c.decimal(string(v.MarshalTo(nil)))
	case truths:
		if t := v.Type(); t != fastjson.TypeTrue && t != fastjson.TypeFalse {
			return c.wrong(t.String())
		}
		c.data = appendBit(c.data, c.n, v.Type() == fastjson.TypeTrue)
	case instants:
		b, err := v.StringBytes()
		ms, ok := schema.ParseTime(view(b))
		if err != nil || !ok {
			return c.wrong(v.Type().String())
		}
		c.word(uint64(ms))
		return nil
	case binaries:
		b, err := v.StringBytes()
		if err != nil {
			return c.wrong(v.Type().String())
		}
		if c.data, err = base64.StdEncoding.AppendDecode(c.data, b); err != nil {
			return c.wrong("text that is no base64")
		}
	case lists:
		return c.list(v)
	}
	c.done()
	return nil
}

func (c *column) wrong(found string) error {
	return fault.New(fault.Internal, "a column of Arrow type %s met a value that does not fit: %s", c.of, found)
}

func (c *column) text(v *fastjson.Value) error {
	b, err := v.StringBytes()
	if err != nil {
		return c.wrong(v.Type().String())
	}
	c.data = append(c.data, b...)
	c.done()
	return nil
}

func (c *column) list(v *fastjson.Value) error {
	members, err := v.Array()
	if err != nil {
		return c.wrong(v.Type().String())
	}
	for _, m := range members {
		if err := c.elem.add(m); err != nil {
			return err
		}
	}
	c.done()
	return nil
}

// number reads a number to the last bit. The JSON reader's own conversion
// rounds twice where a number has more than 15 digits.
func (c *column) number(v *fastjson.Value) error {
	if v.Type() != fastjson.TypeNumber {
		return c.wrong(v.Type().String())
	}
	at := len(c.data)
	c.data = v.MarshalTo(c.data) // room for the text, which goes before the value comes
	s := view(c.data[at:])
	c.data = c.data[:at]
	if n, ok := schema.SmallInt(s); ok {
		if c.kind == floats {
			n = int64(math.Float64bits(float64(n)))
		}
		c.word(uint64(n))
		return nil
	}
	if c.kind == integers {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return c.wrong("a number that is no integer of 64 bits")
		}
		c.word(uint64(n))
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || strings.IndexByte(s, 'n') >= 0 { // the reader lets nan and inf pass
		return c.wrong("a number out of range")
	}
	c.word(math.Float64bits(f))
	return nil
}

func (c *column) decimal(s string) error {
	text, ok := schema.CanonicalDecimal(s)
	if !ok {
		return c.wrong("a number out of range")
	}
	whole, frac, _ := strings.Cut(text, ".")
	if len(frac) > c.scale || whole != "0" && whole != "-0" && len(strings.TrimPrefix(whole, "-"))+c.scale > schema.MaxDecimalDigits {
		return fault.New(fault.InvalidRequest, "the decimal %s does not fit into 38 digits with %d behind the point: ask with another scale, or for texts", text, c.scale)
	}
	scaled, _ := new(big.Int).SetString(whole+frac+strings.Repeat("0", c.scale-len(frac)), 10)
	n := decimal128.FromBigInt(scaled)
	c.data = binary.LittleEndian.AppendUint64(c.data, n.LowBits())
	c.word(uint64(n.HighBits()))
	return nil
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
