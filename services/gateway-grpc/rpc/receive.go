package rpc

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/octomesh/octomesh/pkg/fault"
)

// messages is how all messages are read and written.
var messages = newCodec()

// RecvMsg implements grpc.ServerStream; io.EOF after the last message. A message
// that follows gives back what the one before held. Errors: PAYLOAD_TOO_LARGE;
// INVALID_REQUEST; of a message over SmallMessage OVERLOADED, TIMEOUT, and
// Somebody's, unless somebody has been found to call already.
func (s *stream) RecvMsg(m any) error {
	if s.below == nil {
		return s.ServerStream.RecvMsg(m)
	}
	data, err := s.receive()
	if errors.Is(err, io.EOF) && s.one && !s.some {
		return fault.New(fault.InvalidRequest, "the call ended without a message")
	}
	if err != nil {
		return s.why(err)
	}
	s.some = true
	defer data.Free()
	if err := messages.Unmarshal(data, m); err != nil {
		return fault.Wrap(err, fault.InvalidRequest, "the message is not of this method")
	}
	return nil
}

// receive reads a message. gRPC would open the client's window for all of it before
// it asks anybody, so its length is looked at here
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
func (s *stream) receive() (mem.BufferSlice, error) {
	s.share.Hold(0)
	if err := s.below.ReadMessageHeader(s.prefix[:]); err != nil {
		return nil, cutOff(err)
	}
	n := int64(binary.BigEndian.Uint32(s.prefix[1:]))
	if n > MaxMessage {
		return nil, tooLarge()
	}
	var late *time.Timer
	if n > SmallMessage {
		if err := s.admit(n); err != nil {
			return nil, err
		}
		late = time.AfterFunc(s.entrance.arrival(), func() {
			s.end(fault.New(fault.Timeout, "a message did not arrive within %s", s.entrance.arrival()))
		})
	}
	data, err := s.below.Read(int(n))
	if late != nil {
		late.Stop()
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil, cutOff(io.ErrUnexpectedEOF)
	case err != nil:
		return nil, cutOff(err)
	case s.prefix[0] == 0:
		return data, nil
	case s.prefix[0] == 1:
		defer data.Free()
		return s.unpack(data)
	}
	data.Free()
	return nil, fault.New(fault.InvalidRequest, "a message is compressed or it is not: its first byte is 1 or 0")
}

// admit finds room for a message of n bytes, for somebody.
func (s *stream) admit(n int64) error {
	if s.x.who == nil {
		if _, err := s.entrance.Somebody(s.ctx, s.x.Transport); err != nil {
			return err
		}
	}
	if !s.share.Hold(n) {
		return Crowded()
	}
	return nil
}

// unpack decompresses a message, which may become of any size.
func (s *stream) unpack(data mem.BufferSlice) (mem.BufferSlice, error) {
	c := encoding.GetCompressor(s.below.RecvCompress())
	if c == nil {
		return nil, fault.New(fault.InvalidRequest, "a compressed message needs the metadata grpc-encoding: gzip")
	}
	in := data.Reader()
	defer func() { _ = in.Close() }()
	from, err := c.Decompress(in)
	if err != nil {
		return nil, notPacked(err)
	}
	pool := mem.DefaultBufferPool()
	out, err := mem.ReadAll(io.LimitReader(from, SmallMessage+1), pool)
	if err == nil && out.Len() > SmallMessage {
		if err := s.admit(MaxMessage); err != nil {
			out.Free()
			return nil, err
		}
		var rest mem.BufferSlice
		rest, err = mem.ReadAll(io.LimitReader(from, int64(MaxMessage+1-out.Len())), pool)
		out = append(out, rest...)
	}
	if err != nil {
		out.Free()
		return nil, notPacked(err)
	}
	if out.Len() > MaxMessage {
		out.Free()
		return nil, tooLarge()
	}
	s.share.Keep(int64(max(out.Len(), data.Len())))
	return out, nil
}

func notPacked(err error) error {
	return fault.Wrap(err, fault.InvalidRequest, "the message cannot be decompressed")
}

func tooLarge() error {
	return fault.New(fault.PayloadTooLarge, "a message has at most %d bytes", MaxMessage)
}

// cutOff is what became of a read: a status where the call has ended, io.EOF where
// there is no further message.
func cutOff(err error) error {
	if _, ok := grpcstatus.FromError(err); ok || errors.Is(err, io.EOF) {
		return err
	}
	return fault.Wrap(err, fault.InvalidRequest, "the call ended within a message")
}

// Streams registers generated services in such a way that each of their calls is a
// stream: of a unary one gRPC would read the message, whatever its size, before
// anybody has seen who sends it.
type Streams struct{ grpc.ServiceRegistrar }

// RegisterService implements grpc.ServiceRegistrar.
func (r Streams) RegisterService(d *grpc.ServiceDesc, impl any) {
	streams := *d
	streams.Methods, streams.Streams = nil, slices.Clone(d.Streams)
	for _, m := range d.Methods {
		streams.Streams = append(streams.Streams, grpc.StreamDesc{StreamName: m.MethodName, Handler: func(srv any, ss grpc.ServerStream) error {
			out, err := m.Handler(srv, ss.Context(), ss.RecvMsg, nil)
			if err != nil {
				return err
			}
			return ss.SendMsg(out)
		}})
	}
	r.ServiceRegistrar.RegisterService(&streams, impl)
}
