package codec

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/protofile"
)

// The wire types (protobuf.dev/programming-guides/encoding).
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireLength  = 2
	wireFixed32 = 5
)

// wireType is that of a kind's values.
func wireType(k protofile.Kind) uint8 {
	switch k {
	case protofile.Double:
		return wireFixed64
	case protofile.Int32, protofile.Int64, protofile.Bool:
		return wireVarint
	}
	return wireLength
}

func malformed(what string) error {
	return fault.New(fault.InvalidRequest, "the message cannot be read: %s", what)
}

// varint reads a number; n is 0 where it does not end, or is over 64 bits.
func varint(b []byte) (v uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	v, n = binary.Uvarint(b)
	return v, max(n, 0)
}

// field is one field as it lies on the wire.
type field struct {
	number int32
	wire   uint8
	num    uint64 // of a varint or a fixed number
	data   []byte // of a length-delimited one
}

// next takes the first field of a message and returns what follows it.
// Errors: INVALID_REQUEST.
func next(b []byte, f *field) ([]byte, error) {
	key, n := varint(b)
	if n == 0 || key > math.MaxUint32 || key>>3 == 0 {
		return nil, malformed("a field has no proper number")
	}
	b = b[n:]
	f.number, f.wire = int32(key>>3), uint8(key&7)
	switch f.wire {
	case wireVarint:
		if f.num, n = varint(b); n == 0 {
			return nil, malformed("a number does not end")
		}
	case wireFixed64:
		if n = 8; len(b) < n {
			return nil, malformed("it ends too early")
		}
		f.num = binary.LittleEndian.Uint64(b)
	case wireFixed32:
		if n = 4; len(b) < n {
			return nil, malformed("it ends too early")
		}
		f.num = uint64(binary.LittleEndian.Uint32(b))
	case wireLength:
		size, k := varint(b)
		if k == 0 || size > uint64(len(b)-k) {
			return nil, malformed("a field is longer than the message")
		}
		n = k + int(size)
		f.data = b[k:n]
	default:
		return nil, malformed("it has groups, or wire types that there are not")
	}
	return b[n:], nil
}

func text(name string, b []byte) error {
	if !utf8.Valid(b) {
		return fault.New(fault.InvalidRequest, "%s: a text must be valid UTF-8", name)
	}
	return nil
}

// tag is the key of a field on the wire.
func tag(f *protofile.Field) []byte {
	return binary.AppendUvarint(nil, uint64(f.Number)<<3|uint64(wireType(f.Kind)))
}

func sizeVarint(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// lengthRoom is what is left free for the length of what is written next; most
// records have one of two bytes.
const lengthRoom = 2

// closeLength puts the length of what stands behind the room at at into it.
func closeLength(dst []byte, at int) []byte {
	n := len(dst) - at - lengthRoom
	size := sizeVarint(uint64(n))
	if size > lengthRoom {
		dst = append(dst, make([]byte, size-lengthRoom)...)
	}
	if size != lengthRoom {
		copy(dst[at+size:], dst[at+lengthRoom:at+lengthRoom+n])
	}
	binary.PutUvarint(dst[at:at+size], uint64(n))
	return dst[:at+size+n]
}
