package entityrpc

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/protofile"
	"github.com/octomesh/octomesh/pkg/protofile/codec"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// anyEntity is the codec of EntityService, which is the same in every project.
var anyEntity = codec.New(newAny())

// anyFile describes it.
var anyFile = sync.OnceValues(func() (protoreflect.FileDescriptor, error) { return newAny().Compile("entity.proto") })

func newAny() *protofile.File {
	return protofile.New(&schema.Catalog{}, nil, mesh.View{Read: true, Write: true})
}

// generic serves EntityService, whose messages may name the project.
func (s *Services) generic(ss grpc.ServerStream, c *rpc.Caller, name string, in []byte) error {
	m := anyEntity.Method(prefix + protofile.EntityService + "/" + name)
	if m == nil {
		return fault.New(fault.UnknownOp, "the service has no such method; server reflection lists all")
	}
	if m.Op == protofile.OpWatch {
		return s.watchAll(ss, c, m, in)
	}
	call, err := m.Execute(in)
	if err != nil {
		return err
	}
	ctx := ss.Context()
	if err := s.Choose(ctx, c, string(call.Project)); err != nil {
		return err
	}
	r := &mesh.Request{Project: c.Project.Slug, Entity: string(call.Entity), Args: call.Payload, Header: c.Header}
	if r.Entity != mesh.ProjectEntity {
		if r.Entity, err = c.Project.EntityName(r.Entity); err != nil {
			return err
		}
	}
	op := mesh.LookupOp(r.Entity, string(call.Op))
	if op == nil {
		return fault.New(fault.UnknownOp, "there is no such operation")
	}
	x := rpc.ExchangeOf(ctx)
	r.Op, x.Op, x.Entity = op.Name, op.Name, r.Entity
	if len(r.Args) == 0 {
		r.Args = []byte("{}")
	}
	if r.Args, err = beside(ctx, op.Name, r.Args); err != nil {
		return err
	}
	if m.Op == protofile.OpExecuteStream {
		return s.executeStream(ctx, ss, r)
	}
	if op.Chunked {
		return fault.New(fault.InvalidRequest, "the op %s has a reply of any size: call ExecuteStream", op.Name)
	}
	return s.execute(ctx, ss, r)
}

func (s *Services) execute(ctx context.Context, ss grpc.ServerStream, r *mesh.Request) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	reply, err := s.Caller.Call(ctx, r)
	if err != nil {
		return err
	}
	body, err := reply.Whole(ctx, fits)
	if err != nil {
		return err
	}
	tell(ss, reply)
	room := rooms.Get().(*[]byte)
	out := payload((*room)[:0], body)
	if reply.Release != nil {
		reply.Release()
	}
	return send(ss, room, out)
}

func (s *Services) executeStream(ctx context.Context, ss grpc.ServerStream, r *mesh.Request) error {
	reply, err := s.Caller.Call(ctx, r)
	if err != nil {
		return err
	}
	tell(ss, reply)
	parts := reply.Parts()
	defer func() { _ = parts.Close() }()
	for {
		part, err := parts.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(part) == 0 {
			continue
		}
		room := rooms.Get().(*[]byte)
		if err := send(ss, room, payload((*room)[:0], part)); err != nil {
			return err
		}
	}
}

// payload appends a message whose first field has these bytes, as that of
// ExecuteResponse and of ExecuteChunk.
func payload(dst, b []byte) []byte {
	dst = append(dst, 1<<3|2)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func (s *Services) watchAll(ss grpc.ServerStream, c *rpc.Caller, m *codec.Method, in []byte) error {
	w, err := m.Watch(in)
	if err != nil {
		return err
	}
	if err := s.Choose(ss.Context(), c, string(w.Project)); err != nil {
		return err
	}
	rpc.ExchangeOf(ss.Context()).Op = protofile.OpWatch
	for i, name := range w.Entities {
		w.Entities[i] = strings.TrimSpace(name)
	}
	return s.follow(ss, c, m, w)
}
