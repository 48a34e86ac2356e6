package web

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// call is one call of a browser's in the form in which handlers of gRPC see
// calls: it is their grpc.ServerStream, and the transport beneath.
type call struct {
	*request
	ctx     context.Context
	methods Methods
	in      *message // nil once it has been read
	json    bool     // what came and leaves is JSON
	send    func(*message) error
	header  http.Header // of the reply
	trailer http.Header

	descriptor protoreflect.MethodDescriptor

	sending sync.Mutex // held while a message leaves
	ended   bool
}

// Context implements grpc.ServerStream.
func (c *call) Context() context.Context { return c.ctx }

// RecvMsg implements grpc.ServerStream. There is one message to receive.
func (c *call) RecvMsg(v any) error {
	if c.in == nil {
		return io.EOF
	}
	m, ok := v.(*rpc.Message)
	if !ok {
		return wrongMessage()
	}
	b := c.in.bytes
	c.in = nil
	if c.json {
		var err error
		if c.descriptor, err = c.methods.Method(c.ctx, c.method); err != nil {
			return err
		}
		if c.descriptor == nil { // the handler knows what to say
			b = nil
		} else if b, err = toProto(b, c.descriptor.Input()); err != nil {
			return err
		}
	}
	m.Bytes = b
	return nil
}

// SendMsg implements grpc.ServerStream. It fails when the client takes nothing for
// writeTime, and once the call has ended.
func (c *call) SendMsg(v any) error {
	m, ok := v.(*rpc.Message)
	if !ok || c.json && c.descriptor == nil {
		return wrongMessage()
	}
	out := &message{bytes: m.Bytes}
	if c.json {
		b, err := toJSON(m.Bytes, c.descriptor.Output())
		if err != nil {
			return err
		}
		out.bytes, out.json = b, true
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeTime)) // before the lock: see end
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.ended {
		return context.Canceled
	}
	return c.send(out)
}

// end waits for a message that is leaving, and lets no other one leave: what is
// beneath the call is connect's and the server's again. A client that takes
// nothing loses its connection.
func (c *call) end() {
	if !c.sending.TryLock() {
		_ = c.conn.SetWriteDeadline(time.Now().Add(lastWords))
		c.sending.Lock()
	}
	defer c.sending.Unlock()
	c.ended = true
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeTime)) // for how it ended
}

func wrongMessage() error {
	return fault.New(fault.Unsupported, "this method is for gRPC over HTTP/2")
}

// SetHeader implements grpc.ServerStream and grpc.ServerTransportStream, as do
// the methods below.
func (c *call) SetHeader(md metadata.MD) error {
	add(c.header, md)
	return nil
}

// SendHeader sends nothing yet: headers leave with the first message.
func (c *call) SendHeader(md metadata.MD) error { return c.SetHeader(md) }

// SetTrailer adds to what follows the last message.
func (c *call) SetTrailer(md metadata.MD) { add(c.trailer, md) }

// transport is a call as what is beneath a stream.
type transport struct{ *call }

var _ grpc.ServerTransportStream = transport{}

// Method is the call's full name.
func (t transport) Method() string { return t.method }

// SetTrailer implements grpc.ServerTransportStream.
func (t transport) SetTrailer(md metadata.MD) error {
	t.call.SetTrailer(md)
	return nil
}

func add(h http.Header, md metadata.MD) {
	for name, values := range md {
		for _, v := range values {
			h.Add(name, v)
		}
	}
}
