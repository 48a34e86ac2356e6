package columnar

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// column is one column of a batch while it is filled, in the form in which
// Arrow lays it out (docs/format/Columnar of Apache Arrow): a bitmap of what is
// not null, offsets where values differ in length, the values, little-endian.
type column struct {
	kind    kind
	scale   int
	hollow  bool
	width   int // bytes of each value; 0 = it depends, or a bit
	of      arrow.DataType
	n       int
	nulls   int
	valid   []byte // empty until the first null
	offsets []byte // int32 each
	data    []byte
	elem    *column // of a list
}

func newColumn(f *field) *column {
	c := &column{kind: f.kind, scale: f.scale, hollow: f.hollow, width: f.kind.width(), of: f.arrowType()}
	if f.kind == lists {
		c.elem = &column{kind: f.elem, scale: f.scale, width: f.elem.width(), of: scalar(f.elem, f.scale)}
	}
	c.reset()
	return c
}

// reset empties the column and keeps its buffers.
func (c *column) reset() {
	c.n, c.nulls = 0, 0
	c.valid, c.data = c.valid[:0], c.data[:0]
	c.offsets = append(c.offsets[:0], 0, 0, 0, 0)
	if c.elem != nil {
		c.elem.reset()
	}
}

func (k kind) width() int {
	switch k {
	case floats, integers, instants:
		return 8
	case decimals:
		return 16
	}
	return 0
}

// null adds a null.
func (c *column) null() {
	if c.nulls == 0 {
		for i := range c.n {
			c.valid = appendBit(c.valid, i, true)
		}
	}
	c.nulls++
	c.valid = appendBit(c.valid, c.n, false)
	switch c.kind {
	case truths:
		c.data = appendBit(c.data, c.n, false)
	default:
		c.data = append(c.data, nothing[:c.width]...)
	}
	c.close()
}

var nothing [16]byte

// done ends a value that has been appended to data.
func (c *column) done() {
	if c.nulls > 0 {
		c.valid = appendBit(c.valid, c.n, true)
	}
	c.close()
}

// word adds a value of eight bytes.
func (c *column) word(v uint64) {
	c.data = binary.LittleEndian.AppendUint64(c.data, v)
	if c.nulls > 0 {
		c.valid = appendBit(c.valid, c.n, true)
	}
	c.n++
}

// endText ends a text that has been appended to data: what done does, without
// asking what the column is.
func (c *column) endText() {
	c.offsets = binary.LittleEndian.AppendUint32(c.offsets, uint32(len(c.data)))
	if c.nulls > 0 {
		c.valid = appendBit(c.valid, c.n, true)
	}
	c.n++
}

func (c *column) close() {
	c.n++
	switch {
	case c.width > 0 || c.kind == truths:
	case c.elem != nil:
		c.offsets = binary.LittleEndian.AppendUint32(c.offsets, uint32(c.elem.n))
	default:
		c.offsets = binary.LittleEndian.AppendUint32(c.offsets, uint32(len(c.data)))
	}
}

// cut takes all but the first n values back; lists have no lists in them.
func (c *column) cut(n int) {
	c.n = n
	switch size := c.width; {
	case c.kind == truths:
		c.data = cutBits(c.data, n)
	case size > 0:
		c.data = c.data[:n*size]
	default:
		c.offsets = c.offsets[:4*(n+1)]
		c.data = c.data[:binary.LittleEndian.Uint32(c.offsets[4*n:])]
	}
	if c.nulls == 0 {
		return
	}
	c.valid = cutBits(c.valid, n)
	c.nulls = n
	for _, b := range c.valid {
		c.nulls -= bits.OnesCount8(b)
	}
	if c.nulls == 0 {
		c.valid = c.valid[:0]
	}
}

func cutBits(b []byte, n int) []byte {
	b = b[:(n+7)/8]
	if n&7 != 0 {
		b[n>>3] &= 1<<(n&7) - 1
	}
	return b
}

// sound reports whether each text is UTF-8: whether all of them together are,
// which costs a fraction of looking at each, and none begins within a character.
func (c *column) sound() bool {
	if !utf8.Valid(c.data) {
		return false
	}
	for at := 4; at < len(c.offsets)-4; at += 4 {
		if begin := binary.LittleEndian.Uint32(c.offsets[at:]); int(begin) < len(c.data) && !utf8.RuneStart(c.data[begin]) {
			return false
		}
	}
	return true
}

func appendBit(dst []byte, i int, set bool) []byte {
	if i&7 == 0 {
		dst = append(dst, 0)
	}
	if set {
		dst[i>>3] |= 1 << (i & 7)
	}
	return dst
}

// array views the column as Arrow. It is valid until the column changes.
func (c *column) array() arrow.ArrayData {
	buffers := make([]*memory.Buffer, 1, 3)
	if c.nulls > 0 {
		buffers[0] = memory.NewBufferBytes(c.valid)
	}
	var children []arrow.ArrayData
	switch {
	case c.kind == lists:
		buffers = append(buffers, memory.NewBufferBytes(c.offsets))
		children = []arrow.ArrayData{c.elem.array()}
	case c.kind == truths || c.width > 0:
		buffers = append(buffers, memory.NewBufferBytes(c.data))
	default:
		buffers = append(buffers, memory.NewBufferBytes(c.offsets), memory.NewBufferBytes(c.data))
	}
	return array.NewData(c.of, c.n, buffers, children, c.nulls, 0)
}
