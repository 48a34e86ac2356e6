package entityrpc

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/protofile/codec"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

const (
	// maxReply is how long a reply may be that is one message, in bytes of JSON.
	maxReply = 16 << 20
	// keptRoom is the largest buffer that is kept for the next call.
	keptRoom = 256 << 10
)

// rooms are buffers for arguments and replies.
var rooms = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

func giveBack(room *[]byte, b []byte) {
	if cap(b) <= keptRoom {
		*room = b[:0]
		rooms.Put(room)
	}
}

// sent is the pool that the bytes of sent messages go back to.
type sent struct{}

func (sent) Get(n int) *[]byte {
	b := make([]byte, n)
	return &b
}

func (sent) Put(b *[]byte) {
	if cap(*b) <= keptRoom {
		*b = (*b)[:0]
		rooms.Put(b)
	}
}

// small is up to how long a message is copied to leave, which costs less than to
// have gRPC count who holds its room and give it back (BenchmarkFindByID).
const small = 1 << 10

func send(ss grpc.ServerStream, room *[]byte, b []byte) error {
	if len(b) <= small {
		m := rpc.Message{Bytes: bytes.Clone(b)}
		giveBack(room, b)
		return ss.SendMsg(&m)
	}
	return ss.SendMsg(&rpc.Message{Bytes: b, Pool: sent{}})
}

func (s *Services) unary(ss grpc.ServerStream, c *rpc.Caller, m *codec.Method, in []byte) error {
	ctx, cancel := context.WithTimeout(ss.Context(), s.Timeout)
	defer cancel()
	args, reply, err := s.ask(ctx, c, m, in)
	if err != nil {
		return err
	}
	defer args.release()
	body, err := reply.Whole(ctx, fits)
	if err != nil {
		return err
	}
	tell(ss, reply)
	room := rooms.Get().(*[]byte)
	out, found, err := m.Reply((*room)[:0], body)
	if reply.Release != nil {
		reply.Release()
	}
	switch {
	case err != nil:
	case !found:
		err = fault.New(fault.NotFound, "there is no such record")
	}
	if err != nil {
		giveBack(room, out)
		return err
	}
	return send(ss, room, out)
}

// arguments are the bytes of a request object, until released.
type arguments struct {
	room *[]byte
	b    []byte
}

func (a *arguments) release() { giveBack(a.room, a.b) }

// ask carries a call of a typed method out. Errors: those of the codec and of the
// mesh; without one, the arguments are to be released once the reply is read.
func (s *Services) ask(ctx context.Context, c *rpc.Caller, m *codec.Method, in []byte) (*arguments, *mesh.Reply, error) {
	a := &arguments{room: rooms.Get().(*[]byte)}
	var err error
	if a.b, err = m.Request((*a.room)[:0], in); err == nil {
		var more []byte
		if more, err = beside(ctx, m.Op, a.b); err == nil {
			a.b = more
		}
	}
	if err != nil {
		a.release()
		return nil, nil, err
	}
	reply, err := s.Caller.Call(ctx, &mesh.Request{
		Project: c.Project.Slug, Entity: m.Service.Entity, Op: m.Op, Args: a.b, Header: c.Header,
	})
	if err != nil {
		a.release()
		return nil, nil, err
	}
	return a, reply, nil
}

// beside puts what the metadata octo-min-position and if-match ask for into the
// request object, unless it says so itself. Errors: INVALID_REQUEST, CONFLICT.
func beside(ctx context.Context, op string, args []byte) ([]byte, error) {
	md := rpc.Sent(ctx)
	if len(md["octo-min-position"]) == 0 && len(md["if-match"]) == 0 {
		return args, nil
	}
	position, err := rpc.Position(ctx)
	if err != nil {
		return nil, err
	}
	tag := strings.Join(md["if-match"], ",")
	if _, err := strconv.ParseUint(tag, 10, 63); err == nil {
		tag = `"` + tag + `"` // a version alone will do here
	}
	return gateway.Beside(args, op, position, tag)
}

// tell puts what a reply has beside its body into the header.
func tell(ss grpc.ServerStream, r *mesh.Reply) {
	if r.Position.IsZero() && r.Version == 0 && !r.Replayed {
		return
	}
	x := rpc.ExchangeOf(ss.Context())
	if !r.Position.IsZero() {
		x.Tell("octo-position", r.Position.String())
	}
	if r.Version > 0 {
		x.Tell("octo-version", strconv.FormatInt(r.Version, 10))
	}
	if r.Replayed {
		x.Tell("idempotency-replayed", "true")
	}
}

// fits bounds a reply that is put together. Errors: PAYLOAD_TOO_LARGE.
func fits(held, more int) error {
	if held+more > maxReply {
		return fault.New(fault.PayloadTooLarge, "the reply is over %d bytes: ask for pages, or call Stream", maxReply)
	}
	return nil
}
