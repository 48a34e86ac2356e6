package flight

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	af "github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/octomesh/octomesh/pkg/fault"
)

// What batches take while they are decoded, in bytes: compressed ones may be much
// larger than the message that they came in. maxMemory bounds a stream's, maxTotal
// those of all streams of the process together.
const (
	maxMemory = 128 << 20
	maxTotal  = 512 << 20
)

// Reader reads the record batches that a client sends. What arrow-go would take
// on trust it looks through before anyone else does, and bounds. It is one
// goroutine's, and is to be released.
type Reader struct {
	of     *af.Reader
	memory *bounded
}

// NewReader reads the first message, and the schema unless an option delays it.
// Errors: INVALID_REQUEST, PAYLOAD_TOO_LARGE, OVERLOADED; a status of the transport
// as it is.
func NewReader(in af.DataStreamReader, o ...ipc.Option) (r *Reader, err error) {
	room := &bounded{of: memory.DefaultAllocator}
	defer func() {
		if err != nil {
			room.close()
		}
	}()
	defer recovered(&err)
	of, err := af.NewRecordReader(in, append(o, ipc.WithAllocator(room))...)
	if err != nil {
		return nil, unreadable(err)
	}
	return &Reader{of, room}, nil
}

// Descriptor is the last one that the client has sent; nil for none.
func (r *Reader) Descriptor() *af.FlightDescriptor { return r.of.LatestFlightDescriptor() }

// Next returns the next batch, which is valid until the next call; io.EOF behind
// the last one. Errors: as NewReader.
func (r *Reader) Next() (b arrow.RecordBatch, err error) {
	defer recovered(&err)
	b, err = r.of.Read()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, unreadable(err)
	}
	for _, a := range b.Columns() {
		if v, ok := a.(interface{ ValidateFull() error }); ok {
			if err := v.ValidateFull(); err != nil {
				return nil, unreadable(err)
			}
		}
	}
	return b, nil
}

// Release gives the memory of the last batch back.
func (r *Reader) Release() {
	defer r.memory.close()
	r.of.Release()
}

// unreadable is INVALID_REQUEST for what is no Arrow; a status of the transport
// passes as it is.
func unreadable(err error) error {
	if f := transport(err); f != nil {
		return f
	}
	return fault.Wrap(err, fault.InvalidRequest, "the stream is no valid Arrow: %.300s", err)
}

// recovered makes an error of a panic: arrow-go trusts what it reads.
func recovered(err *error) {
	switch v := recover().(type) {
	case nil:
	case error:
		*err = unreadable(v)
	default:
		*err = unreadable(fmt.Errorf("%v", v))
	}
}

// bounded is an allocator that gives a stream so much and no more.
type bounded struct {
	of     memory.Allocator
	used   atomic.Int64
	closed atomic.Bool
}

// decoding is what all streams have taken.
var decoding atomic.Int64

// Allocate implements memory.Allocator.
func (b *bounded) Allocate(n int) []byte {
	b.take(n)
	return b.of.Allocate(n)
}

// Reallocate implements memory.Allocator.
func (b *bounded) Reallocate(n int, old []byte) []byte {
	b.take(n - len(old))
	return b.of.Reallocate(n, old)
}

// Free implements memory.Allocator.
func (b *bounded) Free(p []byte) {
	b.count(-len(p))
	b.of.Free(p)
}

func (b *bounded) take(n int) {
	if used, all := b.count(n); used > maxMemory {
		panic(fault.New(fault.PayloadTooLarge, "a batch takes more than %d MB: send smaller ones", maxMemory>>20))
	} else if all > maxTotal {
		panic(fault.New(fault.Overloaded, "too many batches are being decoded: come again").After(time.Second))
	}
}

// count counts what is taken, and what is given back. A stream that has ended has
// nothing any more.
func (b *bounded) count(n int) (used, all int64) {
	if b.closed.Load() {
		return 0, 0
	}
	return b.used.Add(int64(n)), decoding.Add(int64(n))
}

// close gives back what the reader, which a panic may have left, has not.
func (b *bounded) close() {
	if !b.closed.Swap(true) {
		decoding.Add(-b.used.Load())
	}
}
