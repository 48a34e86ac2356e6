package rpc

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress with it
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Message is a message that crosses the server as its bytes: nobody between the
// connection and the handler decodes it.
type Message struct {
	Bytes []byte
	// Pool, if not nil, gets Bytes of a sent message back once they have left.
	Pool mem.BufferPool

	buffer mem.Buffer
}

// Free gives a received message's memory back; Bytes is not to be used after it.
func (m *Message) Free() {
	if m.buffer != nil {
		m.buffer.Free()
		m.buffer, m.Bytes = nil, nil
	}
}

// codec passes Messages through and leaves generated messages to gRPC's own.
type codec struct{ generated encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

// Name implements encoding.CodecV2.
func (codec) Name() string { return proto.Name }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*Message)
	if !ok {
		return c.generated.Marshal(v)
	}
	if m.Pool == nil {
		return mem.BufferSlice{mem.SliceBuffer(m.Bytes)}, nil
	}
	return mem.BufferSlice{mem.NewBuffer(&m.Bytes, m.Pool)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*Message)
	if !ok {
		return c.generated.Unmarshal(data, v)
	}
	m.Free()
	m.buffer = data.MaterializeToBuffer(mem.DefaultBufferPool())
	m.Bytes = m.buffer.ReadOnlyData()
	return nil
}
