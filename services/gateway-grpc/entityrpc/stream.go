package entityrpc

import (
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/protofile/codec"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// stream sends each line of a chunked reply as a message of its own. A client
// that reads slowly makes the worker wait: nothing gathers here but one chunk.
func (s *Services) stream(ss grpc.ServerStream, c *rpc.Caller, m *codec.Method, in []byte) error {
	ctx := ss.Context()
	args, reply, err := s.ask(ctx, c, m, in)
	if err != nil {
		return err
	}
	args.release() // the worker has them
	parts := reply.Parts()
	defer func() { _ = parts.Close() }()
	for lines := columnar.NewScanner(parts); ; {
		line, err := lines.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := sendRecord(ss, m, line); err != nil {
			return err
		}
	}
}

func sendRecord(ss grpc.ServerStream, m *codec.Method, object []byte) error {
	room := rooms.Get().(*[]byte)
	out, err := m.Record((*room)[:0], object)
	if err != nil {
		giveBack(room, out)
		return err
	}
	return send(ss, room, out)
}
