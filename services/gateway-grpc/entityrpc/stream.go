package entityrpc

import (
	"bytes"
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/protofile/codec"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// maxLine bounds a record of a stream; a worker sends none that is longer.
const maxLine = 64 << 20

// stream sends each line of a chunked reply as a message of its own. A client
// that reads slowly makes the worker wait: nothing gathers here but one chunk.
func (s *Services) stream(ss grpc.ServerStream, c *rpc.Caller, m *codec.Method, in []byte) error {
	ctx := ss.Context()
	args, reply, err := s.ask(ctx, c, m, in)
	if err != nil {
		return err
	}
	args.release() // the worker has them
	var held []byte
	return parts(ctx, reply, func(part []byte, last bool) error {
		for len(part) > 0 || last && len(held) > 0 {
			line, rest, ended := bytes.Cut(part, newline)
			part = rest
			if len(held) > 0 || !ended && !last { // it goes on in the next chunk
				if held = append(held, line...); !ended && !last {
					if len(held) > maxLine {
						return fault.New(fault.PayloadTooLarge, "a record is over %d bytes", maxLine)
					}
					return nil
				}
				line = held
			}
			if len(line) > 0 {
				if err := sendRecord(ss, m, line); err != nil {
					return err
				}
			}
			held = held[:0]
		}
		return nil
	})
}

var newline = []byte{'\n'}

func sendRecord(ss grpc.ServerStream, m *codec.Method, object []byte) error {
	room := rooms.Get().(*[]byte)
	out, err := m.Record((*room)[:0], object)
	if err != nil {
		giveBack(room, out)
		return err
	}
	return send(ss, room, out)
}

// parts calls f with the chunks of a reply, or with its body, and once more with
// nothing as the last. Errors: those of f and of the mesh.
func parts(ctx context.Context, r *mesh.Reply, f func(part []byte, last bool) error) error {
	if r.Chunks == nil {
		if err := f(r.Body, false); err != nil {
			return err
		}
		return f(nil, true)
	}
	defer func() { _ = r.Chunks.Close() }()
	for {
		part, err := r.Chunks.Next(ctx)
		if errors.Is(err, io.EOF) {
			return f(nil, true)
		}
		if err == nil {
			err = f(part, false)
		}
		if err != nil {
			return err
		}
	}
}
