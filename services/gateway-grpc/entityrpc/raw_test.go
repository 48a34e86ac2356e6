package entityrpc_test

import "google.golang.org/grpc/mem"

// raw are the bytes of a message, for what no message can be built for.
type raw []byte

type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.(raw))}, nil
}

func (rawCodec) Unmarshal(b mem.BufferSlice, v any) error {
	*v.(*raw) = b.Materialize()
	return nil
}
