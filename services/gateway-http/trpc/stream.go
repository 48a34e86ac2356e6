package trpc

import (
	"context"
	"io"
	"strconv"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/procedure"
)

// stream serves a batch of httpBatchStreamLink: a head that promises a value for
// each call, then a line for each call as soon as it is done
// (@trpc/server, stream/jsonl.ts).
func (t *TRPC) stream(x *httpserver.Exchange, a *ask) {
	x.Op = "batch"
	desk := &procedure.Desk{Lenient: true}
	opened := desk.Open(t.door, x, true)
	id := x.RequestID
	cancel := desk.Leave()
	l := &lines{ready: make(chan []byte, len(a.calls)+1), left: len(a.calls) + 1}
	l.ready <- promise(len(a.calls), a.super)
	go t.each(desk, a, opened, func(i int, r *mesh.Request, body []byte) {
		l.ready <- settled(i, a.super, desk, r, body)
	}, func(i int, e *fault.Error) {
		b := begin(i, a.super)
		b = appendError(b, e, a.calls[i].name, id, false)
		l.ready <- end(b, a.super)
	})
	if err := x.Stream(desk.Context(), cancel, "application/json", nil, l, nil); err != nil {
		t.refuse(x, "", err)
	}
}

// promise is the head: {"0":[[0],[null,0,0]],…}: call 0 is a placeholder, for
// which a promise (0) by the number 0 stands.
func promise(n int, super bool) []byte {
	b := make([]byte, 0, 24*n+16)
	if super {
		b = append(b, `{"json":`...)
	}
	for i := range n {
		b = append(b, sign(i == 0, '{'), '"')
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `":[[0],[null,0,`...)
		b = append(strconv.AppendInt(b, int64(i), 10), ']', ']')
	}
	if super {
		b = append(b, '}')
	}
	return append(b, "}\n"...)
}

// begin and end are what surrounds a call's value in its line: [i,0,[[value]]],
// 0 for a promise that is kept.
func begin(i int, super bool) []byte {
	b := make([]byte, 0, 512)
	if super {
		b = append(b, `{"json":`...)
	}
	return append(strconv.AppendInt(append(b, '['), int64(i), 10), `,0,[[`...)
}

func end(b []byte, super bool) []byte {
	b = append(b, "]]]"...)
	if super {
		b = append(b, '}')
	}
	return append(b, '\n')
}

// settled is the line of a call that went well. superjson frames whole lines.
func settled(i int, super bool, d *procedure.Desk, r *mesh.Request, body []byte) []byte {
	line := append(begin(i, false), head...)
	line = append(append(line, body...), tail...)
	line = end(line, false)
	if !super {
		return line
	}
	m := marks{catalog: d.Project.Catalog, path: []byte("2.0.0.result.data")}
	m.reply(r, body)
	return append(m.wrap(nil, line[:len(line)-1]), '\n')
}

// lines is a reply whose parts come from several goroutines, none of which ever
// waits for the reader.
type lines struct {
	ready chan []byte
	left  int
}

// Next looks at no context: the calls end with theirs, and each has its line then
// also, which says so.
func (l *lines) Next(context.Context) ([]byte, error) {
	if l.left == 0 {
		return nil, io.EOF
	}
	l.left--
	return <-l.ready, nil
}

// Close leaves the rest to the calls' context, which ends with the reply.
func (l *lines) Close() error { return nil }
