package columnar

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/octomesh/octomesh/pkg/fault"
)

// ContentType is that of an IPC stream, as IANA registered it.
const ContentType = "application/vnd.apache.arrow.stream"

// MaxCompressed bounds the streams that a process compresses at a time: each
// needs some 10 MB for it.
const MaxCompressed = 16

// compressing has a place for each stream that may be compressed.
var compressing = make(chan struct{}, MaxCompressed)

// IsStream reports whether a reply that begins so is an IPC stream: no JSON text
// begins with its first byte.
func IsStream(start []byte) bool { return len(start) > 0 && start[0] == 0xff }

// Encoder writes batches as an Arrow IPC stream (docs/format/Columnar of Apache
// Arrow, "IPC Streaming Format"): Schema, any number of times Batch, End. Each
// appends whole messages. It is one goroutine's, and is to be closed.
type Encoder struct {
	shape *Shape
	w     *ipc.Writer
	out   []byte
	begun bool
	held  bool // a place among those that compress
}

// NewEncoder returns an Encoder of that shape; compression is zstd, lz4, or empty
// for none. Errors: INVALID_REQUEST for another one; OVERLOADED when too many
// streams are being compressed.
func NewEncoder(s *Shape, compression string) (*Encoder, error) {
	e := &Encoder{shape: s}
	options := []ipc.Option{ipc.WithSchema(s.arrow)}
	switch compression {
	case "":
	case "zstd":
		options = append(options, ipc.WithZstd())
	case "lz4":
		options = append(options, ipc.WithLZ4())
	default:
		return nil, fault.New(fault.InvalidRequest, "compression is zstd or lz4")
	}
	if compression != "" {
		select {
		case compressing <- struct{}{}:
			e.held = true
		default:
			return nil, fault.New(fault.Overloaded, "%d streams are being compressed: ask without compression, or later", MaxCompressed).After(5 * time.Second)
		}
	}
	e.w = ipc.NewWriterWithPayloadWriter((*payloads)(e), options...)
	return e, nil
}

// Schema appends the message that begins the stream.
func (e *Encoder) Schema(dst []byte) []byte { return append(dst, e.shape.Encapsulated()...) }

// Encapsulated is the schema as a message of an IPC stream, which is how Flight
// tells it too.
func (s *Shape) Encapsulated() []byte {
	p := ipc.GetSchemaPayload(s.arrow, memory.DefaultAllocator)
	defer p.Release()
	out := &Encoder{}
	_, _ = p.WritePayload((*sink)(out)) // into memory
	return out.out
}

// Batch appends what the Builder holds, and empties it. Errors: INTERNAL for a text
// that is no UTF-8.
func (e *Encoder) Batch(dst []byte, b *Builder) ([]byte, error) {
	batch, err := b.batch()
	if err != nil {
		return dst, err
	}
	e.out = dst
	err = e.w.Write(batch)
	batch.Release()
	b.Reset()
	return e.taken(err)
}

// End appends the marker that a whole stream ends with.
func (e *Encoder) End(dst []byte) []byte { return append(dst, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0) }

// Close frees what the Encoder holds.
func (e *Encoder) Close() {
	if e.held {
		e.held = false
		<-compressing
	}
}

func (e *Encoder) taken(err error) ([]byte, error) {
	dst := e.out
	e.out = nil
	if err != nil {
		return dst, fault.Wrap(err, fault.Internal, "records could not be encoded")
	}
	return dst, nil
}

// payloads takes the writer's messages. The first is the schema, which has been
// written before.
type payloads Encoder

func (p *payloads) Start() error { return nil }
func (p *payloads) Close() error { return nil }

func (p *payloads) WritePayload(m ipc.Payload) error {
	if !p.begun {
		p.begun = true
		return nil
	}
	_, err := m.WritePayload((*sink)(p))
	return err
}

// sink appends what is written.
type sink Encoder

func (s *sink) Write(p []byte) (int, error) {
	s.out = append(s.out, p...)
	return len(p), nil
}
