package procedure

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// One carries the only call of an exchange out and replies with status 200 and
// the reply's body between head and tail; with trimmed, Trimmed's rest of it. A
// reply in chunks is passed on as it comes. An error is returned with nothing
// written.
func (s *Desk) One(r *mesh.Request, head, tail []byte, trimmed bool) error {
	x := s.x
	chunked := mesh.LookupOp(r.Entity, r.Op).Chunked
	ctx, cancel := s.ctx, context.CancelFunc(nil)
	if chunked {
		ctx, cancel = x.LongContext()
	}
	reply, err := s.door.Caller.Call(ctx, r)
	if err != nil {
		if cancel != nil {
			cancel()
		}
		return err
	}
	s.note(reply)
	if reply.Chunks == nil {
		if cancel != nil {
			cancel()
		}
		if chunked {
			reply.Body = array(reply.Body)
		}
		x.JSON(200, nil)
		out := &x.Ctx.Response
		body := reply.Body
		if trimmed {
			body = Trimmed(body)
		}
		out.AppendBody(head)
		out.AppendBody(body)
		out.AppendBody(tail)
		return nil
	}
	chunks := reply.Chunks
	if chunked {
		chunks = &lines{Chunks: chunks}
	}
	if trimmed {
		chunks = &trim{Chunks: chunks}
	}
	return x.Stream(ctx, cancel, "application/json", bytes.Clone(head), chunks, bytes.Clone(tail))
}

// note puts what a reply has beside its body into headers, as REST has them.
func (s *Desk) note(reply *mesh.Reply) {
	if !reply.Position.IsZero() {
		var room [40]byte
		s.x.Ctx.Response.Header.SetBytesV("Octo-Position", reply.Position.Append(room[:0]))
	}
	if reply.Replayed {
		s.x.SetHeader("Idempotency-Replayed", "true")
	}
}

var okStart = []byte(`{"status":"ok"`)

// Trimmed is a reply's body without its status and without its first brace:
// "data":…,"metadata":…}.
func Trimmed(body []byte) []byte {
	rest, ok := bytes.CutPrefix(body, okStart)
	if !ok || len(rest) == 0 {
		return bytes.TrimPrefix(body, []byte{'{'})
	}
	if rest[0] == ',' {
		rest = rest[1:]
	}
	return rest
}

// Take sets n bytes of what all replies may have aside, as Call does by itself.
// It may be called side by side. Errors: PAYLOAD_TOO_LARGE.
func (s *Desk) Take(n int) error { return s.room.Take(n) }

// whole puts a chunked reply together.
func (s *Desk) whole(ctx context.Context, r *mesh.Request, reply *mesh.Reply) ([]byte, error) {
	if mesh.LookupOp(r.Entity, r.Op).Chunked {
		reply = &mesh.Reply{Chunks: &lines{Chunks: reply.Parts()}}
	}
	return s.room.Whole(ctx, reply)
}

// lines makes one reply object of records that come one a line, since these
// protocols have no form for a stream: {"status":"ok","data":[…]}.
type lines struct {
	mesh.Chunks
	begun, ended, pending bool
	b                     []byte
}

func (l *lines) Next(ctx context.Context) ([]byte, error) {
	if l.ended {
		return nil, io.EOF
	}
	l.b = l.b[:0]
	part, err := l.Chunks.Next(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !l.begun {
		if l.begun = true; columnar.IsStream(part) {
			return nil, fault.New(fault.InvalidRequest, "this protocol carries JSON: ask /arrow or Flight for Arrow")
		}
		l.b = append(l.b, `{"status":"ok","data":[`...)
	}
	if err != nil {
		l.ended = true
		return append(l.b, "]}"...), nil
	}
	l.add(part)
	return l.b, nil
}

// add puts a comma for each line end that something follows.
func (l *lines) add(part []byte) {
	for len(part) > 0 {
		line, rest, end := bytes.Cut(part, newline)
		if len(line) > 0 {
			if l.pending {
				l.b, l.pending = append(l.b, ','), false
			}
			l.b = append(l.b, line...)
		}
		l.pending = l.pending || end
		part = rest
	}
}

var newline = []byte{'\n'}

// array is lines for a reply that came whole.
func array(body []byte) []byte {
	l := lines{b: append(make([]byte, 0, len(body)+32), `{"status":"ok","data":[`...)}
	l.add(body)
	return append(l.b, "]}"...)
}

// trim is Trimmed for a reply in chunks.
type trim struct {
	mesh.Chunks
	begun bool
	head  []byte
}

func (t *trim) Next(ctx context.Context) ([]byte, error) {
	for {
		part, err := t.Chunks.Next(ctx)
		if err != nil || t.begun {
			return part, err
		}
		// The first chunk may end anywhere, though it hardly ever is so short.
		if t.head = append(t.head, part...); len(t.head) <= len(okStart) {
			continue
		}
		t.begun = true
		return Trimmed(t.head), nil
	}
}
