package procedure_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/procedure"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// at runs f with a desk that has been opened for an exchange, of several calls
// if batch, and returns the response's headers.
func at(t *testing.T, answer func(context.Context, *mesh.Request) (*mesh.Reply, error), batch bool, f func(x *httpserver.Exchange, s *procedure.Desk), headers ...string) http.Header {
	t.Helper()
	h := scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) {
		h.Mesh.Answer(answer)
		m.Mount("x", func(x *httpserver.Exchange) {
			x.Transport = "rest"
			var s procedure.Desk
			if err := s.Open(h.Door, x, batch); err != nil {
				t.Error(err)
			}
			x.Empty(http.StatusNoContent)
			f(x, &s)
		})
	})
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+h.Addr+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", scripted.Key)
	for _, s := range headers {
		name, value, _ := strings.Cut(s, ": ")
		req.Header.Set(name, value)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.Header
}

// TestIdempotencyKeys: the header's key is every call's own in a batch; a key
// among the arguments is taken as it stands and is no argument.
func TestIdempotencyKeys(t *testing.T) {
	long := strings.Repeat("k", 127)
	for _, c := range []struct {
		batch             bool
		i                 int
		header, args      string
		key, left, refuse string
	}{
		{false, 0, "k", `{"data":{}}`, "k", `{"data":{}}`, ""},
		{true, 7, "k", `{"data":{}}`, "k.7", `{"data":{}}`, ""},
		{true, 7, "k", `{"idempotencyKey":"own","data":{}}`, "own", `{"data":{}}`, ""},
		{true, 7, "", `{}`, "", `{}`, ""},
		{true, 7, long, `{}`, "", "", "128"}, // with its ending it is too long
		{false, 0, "", `{"idempotencyKey":""}`, "", "", "128"},
		{false, 0, "", `{"idempotencyKey":"é"}`, "", "", "128"},
	} {
		at(t, nil, c.batch, func(_ *httpserver.Exchange, s *procedure.Desk) {
			var r mesh.Request
			err := s.Request(&r, c.i, "Product.create", []byte(c.args), nil)
			switch {
			case c.refuse != "":
				if fault.CodeOf(err) != fault.InvalidRequest || !strings.Contains(err.Error(), c.refuse) {
					t.Errorf("%+v: %v", c, err)
				}
			case err != nil || r.IdempotencyKey != c.key || string(r.Args) != c.left:
				t.Errorf("%+v: %q %s %v", c, r.IdempotencyKey, r.Args, err)
			}
		}, "Idempotency-Key: "+c.header)
	}
}

// TestRoom: all replies together have 16 MiB; what does not fit takes no room
// from what does, whichever way it came, and is closed.
func TestRoom(t *testing.T) {
	const mib = 1 << 20
	replies := map[string]func() *mesh.Reply{
		"count":    func() *mesh.Reply { return &mesh.Reply{Body: make([]byte, 10*mib)} },
		"findById": func() *mesh.Reply { return &mesh.Reply{Body: make([]byte, 5*mib)} },
		"findOne": func() *mesh.Reply {
			return &mesh.Reply{Body: make([]byte, mib), Chunks: &scripted.Chunks{Parts: []string{strings.Repeat(" ", 8*mib)}}}
		},
		"delete": func() *mesh.Reply {
			return &mesh.Reply{Body: make([]byte, mib), Chunks: &scripted.Chunks{Parts: []string{"x"}, Err: errors.New("broken")}}
		},
	}
	closed := make(chan struct{})
	answer := func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		reply := replies[r.Op]()
		if c, ok := reply.Chunks.(*scripted.Chunks); ok {
			closed = make(chan struct{})
			c.Closed = closed
		}
		return reply, nil
	}
	at(t, answer, true, func(_ *httpserver.Exchange, s *procedure.Desk) {
		for i, c := range []struct {
			op, want string
			tell     bool
		}{
			{"count", "", true},
			{"count", "", true}, // nobody reads them
			{"count", "", false},
			{"count", "PAYLOAD_TOO_LARGE", false}, // 6 MiB are left
			{"findOne", "PAYLOAD_TOO_LARGE", false},
			{"delete", "INTERNAL", false},
			{"findOne", "", true},
			{"findById", "", false},
			{"findById", "PAYLOAD_TOO_LARGE", false},
		} {
			var r mesh.Request
			err := s.Request(&r, i, "Product."+c.op, nil, nil)
			if err == nil && c.tell {
				err = s.Tell(&r)
			} else if err == nil {
				_, err = s.Call(&r)
			}
			if got := string(fault.CodeOf(err)); got != c.want {
				t.Errorf("call %d, %s: %v", i, c.op, err)
			}
			if c.op == "findOne" || c.op == "delete" {
				<-closed
			}
		}
	})
}

// TestLines: records that come one a line are one array, wherever a part ends
// and whether or not the last line does.
func TestLines(t *testing.T) {
	for _, c := range []struct {
		parts []string
		want  string
	}{
		{nil, `[]`},
		{[]string{"{\"a\":1}\n"}, `[{"a":1}]`},
		{[]string{`{"a"`, ":1}\n{}", "\n", "{}"}, `[{"a":1},{},{}]`},
		{[]string{"{}\n\n", "\n{}\n"}, `[{},{}]`},
	} {
		for _, whole := range []bool{false, true} {
			reply := &mesh.Reply{Chunks: &scripted.Chunks{Parts: c.parts}}
			if whole {
				reply = &mesh.Reply{Body: []byte(strings.Join(c.parts, ""))}
			}
			at(t, func(context.Context, *mesh.Request) (*mesh.Reply, error) { return reply, nil }, true, func(_ *httpserver.Exchange, s *procedure.Desk) {
				var r mesh.Request
				if err := s.Request(&r, 0, "Product.stream", nil, nil); err != nil {
					t.Error(err)
				}
				if body, err := s.Call(&r); err != nil || string(body) != `{"status":"ok","data":`+c.want+`}` {
					t.Errorf("%q, whole %v: %s %v", c.parts, whole, body, err)
				}
			})
		}
	}
}

// TestLeave: calls that go on after the handler do not depend on the exchange.
func TestLeave(t *testing.T) {
	release, done := make(chan struct{}), make(chan error, 1)
	answer := func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: fmt.Appendf(nil, "%s %s %v", r.IdempotencyKey, r.Args, ctx.Err())}, nil
	}
	at(t, answer, true, func(x *httpserver.Exchange, s *procedure.Desk) {
		cancel := s.Leave()
		go func() {
			<-release
			var r mesh.Request
			err := s.Request(&r, 3, "Product.create", nil, nil)
			var body []byte
			if err == nil {
				body, err = s.Call(&r)
			}
			if want := `k.3 {"minPosition":"e-7"} <nil>`; err == nil && string(body) != want {
				err = fmt.Errorf("%s, want %s", body, want)
			}
			if cancel(); s.Context().Err() == nil {
				err = errors.New("the context does not end")
			}
			done <- err
		}()
		copy(x.Ctx.Request.Header.Peek("Idempotency-Key"), "x") // as the next request of the connection does
		copy(x.Ctx.Request.Header.Peek("Octo-Min-Position"), "xxx")
	}, "Idempotency-Key: k", "Octo-Min-Position: e-7")
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestEach: every index has its turn once, and a panic is that call's alone.
func TestEach(t *testing.T) {
	var s procedure.Desk
	const n = 3 * procedure.MaxBatch
	turns, failures := make([]int, n), make([]error, n)
	s.Each(n, func(i int) {
		if turns[i]++; i%100 == 7 {
			panic("secret")
		}
	}, func(i int, err error) { failures[i] = err })
	for i := range n {
		if turns[i] != 1 || (failures[i] != nil) != (i%100 == 7) {
			t.Errorf("call %d: %d turns, %v", i, turns[i], failures[i])
		}
	}
	if e := fault.From(failures[7]); e.Code != fault.Internal || strings.Contains(e.Message, "secret") || !strings.Contains(failures[7].Error(), "secret") {
		t.Error(failures[7])
	}
	s.Each(0, func(int) { t.Error("of nothing") }, nil)
}
