package arrowhttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// records serves /arrow/stream/<entity> and /arrow/query/<entity>.
func (t *Arrow) records(x *httpserver.Exchange, p *gateway.Project, entity string) {
	if m := x.Method(); m != "GET" && m != "POST" {
		refuse(x, m, allowAsk)
		return
	}
	if _, ok := x.JSONBody(); !ok {
		return
	}
	x.Op = "stream"
	name, err := p.EntityName(entity)
	if err != nil {
		x.Fail(err)
		return
	}
	e := p.Catalog.Entity(name)
	if e != nil {
		x.LogEntity = e.Name
	}
	a := ask{binary: binary(x)}
	args, err := a.arguments(x, e)
	if err != nil {
		x.Fail(err)
		return
	}
	x.Buf = args
	header, err := t.door.Header(x, p.Version)
	if err != nil {
		x.Fail(err)
		return
	}
	ctx, cancel := x.Context(), func() {}
	if a.binary {
		ctx, cancel = x.LongContext()
	}
	reply, err := t.door.Caller.Call(ctx, &mesh.Request{Project: p.Slug, Entity: name, Op: "stream", Args: args, Header: header})
	if err != nil {
		cancel()
		x.Fail(err)
		return
	}
	lines := reply.Chunks
	if lines == nil {
		lines = &body{left: reply.Body}
	}
	var shape *columnar.Shape
	if e != nil {
		shape, err = columnar.Asked(e, args, a.scale)
	}
	if shape == nil {
		_ = lines.Close()
		cancel()
		x.Fail(fault.Wrap(err, fault.Unavailable, "the entity has just been changed: ask again"))
		return
	}
	if a.binary {
		out := newStream(lines, shape, &a)
		if a.compression != "" {
			if err := t.compress(out); err != nil {
				_ = lines.Close()
				cancel()
				x.Fail(err)
				return
			}
		}
		if err := x.Stream(ctx, cancel, ContentType, nil, out, nil); err != nil {
			x.Fail(err)
		}
		return
	}
	defer func() { _ = lines.Close() }()
	out, err := columns(ctx, name, shape, lines)
	if err != nil {
		x.Fail(err)
		return
	}
	x.JSON(200, out)
}

// maxCompressed bounds the streams that are compressed at a time: each needs some
// 10 MB for it.
const maxCompressed = 16

// compress takes one of the places until the stream is closed. Errors: OVERLOADED.
func (t *Arrow) compress(s *stream) error {
	select {
	case t.compressing <- struct{}{}:
		s.free = sync.OnceFunc(func() { <-t.compressing })
		return nil
	default:
		return fault.New(fault.Overloaded, "%d streams are being compressed: ask without compression, or later", maxCompressed).After(5 * time.Second)
	}
}

// piece bounds in bytes what is written to a client at once: so much it has to
// take within the server's patience.
const piece = 256 << 10

// stream is an IPC stream as chunks. It ends with Arrow's end-of-stream marker;
// one that breaks has none.
type stream struct {
	lines   mesh.Chunks
	records *columnar.Reader
	options []ipc.Option
	out     bytes.Buffer
	w       *ipc.Writer // once the schema is settled
	rest    []byte      // of out, still to be handed on
	ended   bool
	free    func() // gives back what a compressed stream holds
}

func newStream(lines mesh.Chunks, shape *columnar.Shape, a *ask) *stream {
	s := &stream{lines: lines, records: columnar.NewReader(lines, shape, a.rows)}
	switch a.compression {
	case "zstd":
		s.options = append(s.options, ipc.WithZstd())
	case "lz4":
		s.options = append(s.options, ipc.WithLZ4())
	}
	return s
}

// Next implements mesh.Chunks: it encodes a batch as soon as the one before has
// been taken.
func (s *stream) Next(ctx context.Context) ([]byte, error) {
	if len(s.rest) == 0 {
		if s.ended {
			return nil, io.EOF
		}
		if err := s.encode(ctx); err != nil {
			return nil, err
		}
	}
	p := s.rest[:min(len(s.rest), piece)]
	s.rest = s.rest[len(p):]
	return p, nil
}

func (s *stream) encode(ctx context.Context) error {
	batch, err := s.records.Read(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	s.out.Reset()
	if s.w == nil {
		s.w = ipc.NewWriter(&s.out, append(s.options, ipc.WithSchema(s.records.Shape().Arrow()))...)
	}
	if s.ended = err != nil; s.ended {
		err = s.w.Close()
	} else {
		err = s.w.Write(batch)
	}
	if err != nil {
		return fault.Wrap(err, fault.Internal, "records could not be encoded")
	}
	s.rest = s.out.Bytes()
	return nil
}

// Close gives the producer up.
func (s *stream) Close() error {
	if s.free != nil {
		s.free()
	}
	return s.lines.Close()
}
