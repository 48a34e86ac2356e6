package entityrpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway/scripted"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/transporttest"
)

// TestSuite puts EntityService through the suite, which asks that what arrives is
// what was sent, to the byte; the typed methods are held to that by the oracle of
// pkg/protofile/codec.
func TestSuite(t *testing.T) {
	c := &suiteClient{}
	transporttest.Run(t, transporttest.Harness{Name: "grpc", Wire: c.take, Serve: func(t *testing.T, behind mesh.Caller) mesh.Caller {
		c.h = open(t, grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
		c.h.mesh.Answer(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
			if r.Transport != "grpc" || r.Token != "token-of-key" || r.CatalogVersion != "v1" || r.RequestID == "" {
				t.Errorf("the header arrived as %+v", r.Header)
			}
			return behind.Call(ctx, r)
		})
		return c
	}})
}

// suiteClient makes RPCs of requests, with messages written by hand.
type suiteClient struct {
	h  *house
	mu sync.Mutex
	b  strings.Builder
}

func (c *suiteClient) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.b.Reset()
	return c.b.String()
}

func (c *suiteClient) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(&c.b, format, args...)
}

// metadata writes down what is ours in a header or trailer, in order.
func (c *suiteClient) metadata(sign string, md metadata.MD) {
	for _, k := range slices.Sorted(func(yield func(string) bool) {
		for k := range md {
			if k != "content-type" && !yield(k) {
				return
			}
		}
	}) {
		c.add("%s %s: %s\n", sign, k, strings.Join(md[k], ", "))
	}
}

const execute, executeStream = "/mostajs.EntityService/Execute", "/mostajs.EntityService/ExecuteStream"

func (c *suiteClient) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	pairs := []string{"x-request-id", r.RequestID}
	if r.IdempotencyKey != "" {
		pairs = append(pairs, "idempotency-key", r.IdempotencyKey)
	}
	if r.Project != "default" {
		pairs = append(pairs, "x-project", r.Project)
	}
	ctx = as(ctx, scripted.Key, pairs...)
	var in raw
	for i, s := range []string{r.Op, r.Entity, "", string(r.Args)} {
		if s != "" {
			in = protowire.AppendString(protowire.AppendTag(in, protowire.Number(i+1), protowire.BytesType), s)
		}
	}
	path := execute
	if mesh.LookupOp(r.Entity, r.Op).Chunked {
		path = executeStream
	}
	c.add("> %s\n", path)
	out, _ := metadata.FromOutgoingContext(ctx)
	c.metadata(">", out)
	c.add("> %q\n", string(in))
	ctx, cancel := context.WithCancel(ctx)
	s, err := c.h.cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path)
	if err == nil {
		err = errors.Join(s.SendMsg(in), s.CloseSend())
	}
	if err != nil {
		cancel()
		return nil, err
	}
	chunks := &suiteChunks{c: c, s: s, cancel: cancel}
	if path == executeStream {
		return &mesh.Reply{Chunks: chunks}, nil
	}
	defer cancel()
	body, err := chunks.Next(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := chunks.Next(ctx); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("a second message: %w", err)
	}
	return answer(chunks.s, body)
}

// answer reads a reply's header.
func answer(s grpc.ClientStream, body []byte) (*mesh.Reply, error) {
	h, err := s.Header()
	if err != nil {
		return nil, err
	}
	one := func(key string) string { return strings.Join(h[key], ",") }
	reply := &mesh.Reply{Body: body, Replayed: one("idempotency-replayed") == "true"}
	if at := one("octo-position"); at != "" {
		if reply.Position, err = mesh.ParsePosition(at); err != nil {
			return nil, err
		}
	}
	if v := one("octo-version"); v != "" {
		reply.Version, err = strconv.ParseInt(v, 10, 64)
	}
	return reply, err
}

type suiteChunks struct {
	c      *suiteClient
	s      grpc.ClientStream
	cancel context.CancelFunc
	told   bool
}

func (s *suiteChunks) Next(context.Context) ([]byte, error) {
	var m raw
	err := s.s.RecvMsg(&m)
	if !s.told {
		s.told = true
		h, _ := s.s.Header()
		s.c.metadata("<", h)
	}
	switch {
	case errors.Is(err, io.EOF):
		s.c.add("< OK\n")
		return nil, err
	case err != nil:
		return nil, s.c.refusal(err)
	}
	s.c.add("< %q\n", string(m))
	_, _, n := protowire.ConsumeTag(m)
	b, _ := protowire.ConsumeBytes(m[n:])
	return b, nil
}

func (s *suiteChunks) Close() error { s.cancel(); return nil }

// refusal reads a status.
func (c *suiteClient) refusal(err error) error {
	st := status.Convert(err)
	c.add("< %s: %s\n", st.Code(), st.Message())
	var e *fault.Error
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			e = fault.New(fault.Code(d.Reason), "%s", st.Message())
			c.add("<   ErrorInfo %s %s %s\n", d.Reason, d.Domain, d.Metadata["details"])
			if text := d.Metadata["details"]; text != "" {
				var v any
				if err := json.Unmarshal([]byte(text), &v); err != nil {
					return err
				}
				e = e.With(v)
			}
		case *errdetails.RetryInfo:
			c.add("<   RetryInfo %s\n", d.RetryDelay.AsDuration())
			if e != nil {
				e = e.After(d.RetryDelay.AsDuration())
			}
		default:
			c.add("<   %T\n", d)
		}
	}
	if e == nil {
		return err
	}
	return e
}
