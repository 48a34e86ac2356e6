package flight

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// The bounds of a message of a worker, in bytes; a record has 32 MB at most.
const (
	maxHeader = 4 << 20
	maxBody   = 256 << 20
)

// messages cuts an IPC stream (docs/format/Columnar of Apache Arrow, "Encapsulated
// message format") into its messages, whose contents it does not look into.
type messages struct {
	chunks mesh.Chunks
	rest   []byte // of a chunk, still to be read
	head   []byte // the header of the message that next has found
	prefix [8]byte
	rows   int64 // of all batches that next has found
}

// errEnded is an IPC stream that ends without its end marker.
var errEnded = fault.New(fault.Internal, "the records ended in the middle of a batch")

// next reads a header and returns how long the message's body is; io.EOF behind
// the last message. Errors: those of the chunks; INTERNAL for what is no stream.
func (m *messages) next(ctx context.Context) (body int, err error) {
	if err := m.fill(ctx, m.prefix[:]); err != nil {
		return 0, err
	}
	n := binary.LittleEndian.Uint32(m.prefix[4:])
	switch {
	case binary.LittleEndian.Uint32(m.prefix[:]) != 0xffffffff || n > maxHeader:
		return 0, fault.New(fault.Internal, "the worker's reply is no Arrow stream")
	case n == 0:
		return 0, io.EOF
	}
	if cap(m.head) < int(n) {
		m.head = make([]byte, n)
	}
	m.head = m.head[:n]
	if err := m.fill(ctx, m.head); err != nil {
		return 0, err
	}
	size, rows, ok := header(m.head)
	if !ok || size > maxBody {
		return 0, fault.New(fault.Internal, "the worker's reply has a damaged Arrow message")
	}
	m.rows += rows
	return int(size), nil
}

// fill reads dst whole.
func (m *messages) fill(ctx context.Context, dst []byte) error {
	for {
		n := copy(dst, m.rest)
		dst, m.rest = dst[n:], m.rest[n:]
		if len(dst) == 0 {
			return nil
		}
		var err error
		if m.rest, err = m.chunks.Next(ctx); err != nil {
			if errors.Is(err, io.EOF) {
				return errEnded
			}
			return err
		}
	}
}

// header reads what a Message of Arrow's flatbuffers (Message.fbs) says of its
// body's length, and where it is a record batch, of its rows.
func header(b []byte) (body, rows int64, ok bool) {
	t, ok := table(b, 0)
	if !ok {
		return 0, 0, false
	}
	const kindField, headerField, bodyField, recordBatch = 1, 2, 3, 3
	if at := t.field(bodyField, 8); at > 0 {
		body = int64(binary.LittleEndian.Uint64(b[at:]))
	}
	if body < 0 {
		return 0, 0, false
	}
	kind, at := t.field(kindField, 1), t.field(headerField, 4)
	if kind == 0 || at == 0 || b[kind] != recordBatch {
		return body, 0, true
	}
	batch, ok := table(b, at)
	if !ok {
		return 0, 0, false
	}
	if at := batch.field(0, 8); at > 0 {
		rows = int64(binary.LittleEndian.Uint64(b[at:]))
	}
	return body, rows, rows >= 0
}

// flat is a table in a flatbuffer (flatbuffers' internals, "Tables").
type flat struct {
	b              []byte
	at, vtable, to int
}

// table finds the one to which the offset at that place leads.
func table(b []byte, place int) (t flat, ok bool) {
	if len(b) > maxHeader || place+4 > len(b) {
		return t, false
	}
	t = flat{b: b, at: place + int(int32(binary.LittleEndian.Uint32(b[place:])))}
	if t.at < 0 || t.at+4 > len(b) {
		return t, false
	}
	t.vtable = t.at - int(int32(binary.LittleEndian.Uint32(b[t.at:])))
	if t.vtable < 0 || t.vtable+4 > len(b) {
		return t, false
	}
	t.to = t.vtable + int(binary.LittleEndian.Uint16(b[t.vtable:]))
	return t, t.to <= len(b)
}

// field is the place of field i, which has so many bytes; 0 if it is not there.
func (t *flat) field(i, size int) int {
	slot := t.vtable + 4 + 2*i
	if slot+2 > t.to {
		return 0
	}
	off := int(binary.LittleEndian.Uint16(t.b[slot:]))
	if off == 0 || t.at+off+size > len(t.b) {
		return 0
	}
	return t.at + off
}

// The fields of FlightData (Flight.proto).
const (
	dataHeader   protowire.Number = 2
	dataMetadata protowire.Number = 3
	dataBody     protowire.Number = 1000
)

// data reads the message's body behind its header into a FlightData, whose
// metadata says how many rows there have been.
func (m *messages) data(ctx context.Context, body int) (*rpc.Message, error) {
	out := &rpc.Message{Bytes: *buffers.Get(len(m.head) + body + 128), Pool: &buffers}
	b := protowire.AppendTag(out.Bytes[:0], dataHeader, protowire.BytesType)
	b = protowire.AppendBytes(b, m.head)
	if m.rows > 0 {
		var room [40]byte
		about := append(strconv.AppendInt(append(room[:0], `{"rows":`...), m.rows, 10), '}')
		b = protowire.AppendBytes(protowire.AppendTag(b, dataMetadata, protowire.BytesType), about)
	}
	b = protowire.AppendTag(b, dataBody, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(body))
	at := len(b)
	out.Bytes = b[:at+body]
	return out, m.fill(ctx, out.Bytes[at:])
}

// pool lends the memory of messages on their way out.
type pool struct{ sync.Pool }

var buffers pool

// usual is what a message of a full batch needs.
const usual = 512 << 10

// Get implements mem.BufferPool.
func (p *pool) Get(n int) *[]byte {
	if n <= usual/8 || n > usual { // a small one is not worth it, a large one is rare
		b := make([]byte, n)
		return &b
	}
	if b, ok := p.Pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, usual)
	return &b
}

// Put implements mem.BufferPool.
func (p *pool) Put(b *[]byte) {
	if cap(*b) == usual {
		*b = (*b)[:usual]
		p.Pool.Put(b)
	}
}
