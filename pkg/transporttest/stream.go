package transporttest

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// streamCase is a reply in chunks and how it ends.
type streamCase struct {
	name  string
	parts []string
	end   error // nil: whole
}

// streamCases: chunks may end in the middle of a line and of a character.
var streamCases = []streamCase{
	{name: "a stream", parts: []string{`{"id":"1","name":"é`, "\xc3", "\xa9" + `"}` + "\n" + `{"id":"2"}` + "\n", `{"id":"3","n":null}` + "\n"}},
	{name: "a stream of nothing"},
	{name: "a stream that is refused", end: fault.New(fault.Forbidden, "not you")},
	{name: "a stream that breaks", parts: []string{`{"id":"1"}` + "\n", `{"id":"2"}` + "\n"}, end: fault.New(fault.Unavailable, "the database went away")},
}

// parts is a chunked reply from memory.
type parts struct {
	left []string
	end  error
}

func (p *parts) Next(context.Context) ([]byte, error) {
	if len(p.left) == 0 {
		if p.end != nil {
			return nil, p.end
		}
		return nil, io.EOF
	}
	b := []byte(p.left[0])
	p.left = p.left[1:]
	return b, nil
}

func (p *parts) Close() error { return nil }

// streams sends a chunked reply through the transport. How it is cut on the way
// is the transport's affair; a stream that broke must never look whole.
func streams(t *testing.T, behind *seen, client mesh.Caller, c streamCase) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	behind.next(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: &parts{left: slices.Clone(c.parts), end: c.end}}, nil
	})
	reply, err := client.Call(ctx, ask(oneCase{entity: "Product", op: "stream", args: `{"sort":"id"}`}))
	got := ""
	if err == nil {
		if reply.Chunks == nil {
			t.Fatalf("no chunks came: %s", reply.Body)
		}
		for err == nil {
			var b []byte
			b, err = reply.Chunks.Next(ctx)
			got += string(b)
		}
		if e := reply.Chunks.Close(); e != nil {
			t.Errorf("close: %v", e)
		}
	}
	whole := strings.Join(c.parts, "")
	switch {
	case c.end == nil && (!errors.Is(err, io.EOF) || got != whole):
		t.Errorf("got %q, ended by %v, sent %q", got, err, whole)
	case c.end != nil && errors.Is(err, io.EOF):
		t.Errorf("a stream that broke looks whole: %q", got)
	case c.end != nil && len(c.parts) == 0 && fault.CodeOf(err) != fault.CodeOf(c.end):
		t.Errorf("refused with %v, sent %v", err, c.end)
	case !strings.HasPrefix(whole, got):
		t.Errorf("got %q, sent %q", got, whole)
	}
	if r := behind.request(); r == nil || r.Op != "stream" || !sameJSON(t, r.Args, []byte(`{"sort":"id"}`)) {
		t.Errorf("arrived: %+v", r)
	}
}
