package transporttest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/transporttest"
)

// native is a client of the account APP, as the auth callout would admit one.
var native = embedded.Native{
	Name: "k:AAAAAAAA", Password: "x", Replies: true,
	Permission: bus.Permission{
		Publish:   []string{"mostajs.Product.*", "mostajs._project.*", "mostajs.shop-2.*.*", "mostajs.stream.default.Product.stream", "_CREDIT.*"},
		Subscribe: []string{"_INBOX_AAAAAAAA.>"},
	},
}

func startNATS(t *testing.T, behind mesh.Caller) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(embedded.Options{Natives: []embedded.Native{native}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	h, err := bus.NewHost(s.Dialer(bus.RoleEntity), bus.HostOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	for _, slug := range []string{"default", "shop-2"} {
		if err := h.Serve(bus.Project{Slug: slug}, behind); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// tap records messages that others exchange.
type tap struct {
	conns []*nats.Conn
	msgs  []chan *nats.Msg
}

func (p *tap) listen(t *testing.T, nc *nats.Conn, subjects ...string) {
	t.Helper()
	ch := make(chan *nats.Msg, 4096)
	for _, s := range subjects {
		if _, err := nc.ChanSubscribe(s, ch); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	p.conns, p.msgs = append(p.conns, nc), append(p.msgs, ch)
}

// text returns what was heard since the last call: every listener's messages in
// their order, requests before replies. A listener that heard nothing yet is
// waited for, since the parties may have been quicker than the tap.
func (p *tap) text() string {
	var b strings.Builder
	for i, ch := range p.msgs {
		last := p.first(ch)
		b.WriteString(show(i, last))
		_ = p.conns[i].Flush()
		// The empty message behind the end of a stream is the last one.
		for len(ch) > 0 || last.Header.Get("Octo-Part") == "end" {
			last = p.first(ch)
			b.WriteString(show(i, last))
		}
	}
	return b.String()
}

func (p *tap) first(ch chan *nats.Msg) *nats.Msg {
	select {
	case m := <-ch:
		return m
	case <-time.After(10 * time.Second):
		return nats.NewMsg("nothing was heard")
	}
}

func show(i int, m *nats.Msg) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", []string{">", "<"}[i], m.Subject)
	if m.Reply != "" {
		fmt.Fprintf(&b, " (reply %s)", m.Reply)
	}
	b.WriteString("\n")
	names := make([]string, 0, len(m.Header))
	for name := range m.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range m.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, shorten(name, v))
		}
	}
	fmt.Fprintf(&b, "%q\n", m.Data)
	if len(m.Data) > 0 && json.Valid(m.Data) {
		return strings.TrimSuffix(b.String(), fmt.Sprintf("%q\n", m.Data)) + string(m.Data) + "\n"
	}
	return b.String()
}

// shorten keeps the account and the user of what the server says of a client;
// the rest is its address and times.
func shorten(name, v string) string {
	if name != "Nats-Request-Info" {
		return v
	}
	var info struct{ Acc, User string }
	if err := json.Unmarshal([]byte(v), &info); err != nil {
		return err.Error()
	}
	return fmt.Sprintf(`{"acc":%q,"user":%q,…}`, info.Acc, info.User)
}

func dial(t *testing.T, d bus.Dialer, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := d.Dial("tap", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// calls are the subjects of requests.
var calls = []string{"mostajs.*.*", "mostajs.*.*.*", "mostajs.stream.*.*.*"}

// TestBus puts the mesh's own client and host through the suite.
func TestBus(t *testing.T) {
	p := &tap{}
	transporttest.Run(t, transporttest.Harness{
		Name: "bus", Wire: p.text, Repeats: time.Second,
		Serve: func(t *testing.T, behind mesh.Caller) mesh.Caller {
			s := startNATS(t, behind)
			c, err := bus.NewClient(s.Dialer(bus.RoleGateway), bus.ClientOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			p.listen(t, dial(t, s.Dialer(bus.RoleEntity)), calls...)
			p.listen(t, dial(t, s.Dialer(bus.RoleGateway)), bus.InboxPrefix(bus.RoleGateway)+".>")
			return mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
				q := *r
				q.Transport = "rest"
				return c.Call(ctx, &q)
			})
		},
	})
}

// TestNative puts a plain NATS client through the suite, which knows nothing of
// this house but docs: a subject, a JSON object, a few headers.
func TestNative(t *testing.T) {
	p := &tap{}
	transporttest.Run(t, transporttest.Harness{
		Name: "nats", Wire: p.text,
		Serve: func(t *testing.T, behind mesh.Caller) mesh.Caller {
			s := startNATS(t, mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
				if r.Native != native.Name || r.Transport != "nats" || r.Token != "" {
					t.Errorf("the identity arrived as %q over %q with token %q", r.Native, r.Transport, r.Token)
				}
				return behind.Call(ctx, r)
			}))
			connect := func() *nats.Conn {
				nc, err := nats.Connect(s.ClientURL(), nats.UserInfo(native.Name, native.Password), nats.CustomInboxPrefix("_INBOX_AAAAAAAA"))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(nc.Close)
				return nc
			}
			p.listen(t, dial(t, s.Dialer(bus.RoleEntity)), calls...)
			p.listen(t, connect(), "_INBOX_AAAAAAAA.>")
			return &plain{connect()}
		},
	})
}

// plain is a Caller by hand over a plain connection.
type plain struct{ nc *nats.Conn }

func (c *plain) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	subject := "mostajs." + r.Entity + "." + r.Op
	switch {
	case r.Op == "stream":
		subject = "mostajs.stream." + r.Project + "." + r.Entity + "." + r.Op
	case r.Project != "default":
		subject = "mostajs." + r.Project + "." + r.Entity + "." + r.Op
	}
	m := &nats.Msg{Subject: subject, Data: r.Args, Header: nats.Header{"X-Request-Id": {r.RequestID}}}
	if r.IdempotencyKey != "" {
		m.Header["Idempotency-Key"] = []string{r.IdempotencyKey}
	}
	// What a client claims about itself is of no account.
	m.Header["Octo"] = []string{`{"v":1,"t":"rest","r":"forged","tok":"forged"}`}
	if r.Op == "stream" {
		return c.stream(m)
	}
	got, err := c.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return nil, err
	}
	if e := failure(got.Header, got.Data); e != nil {
		return nil, e
	}
	reply := &mesh.Reply{Body: got.Data, Replayed: got.Header.Get("Idempotency-Replayed") == "true"}
	if text := got.Header.Get("Octo-Position"); text != "" {
		if reply.Position, err = mesh.ParsePosition(text); err != nil {
			return nil, err
		}
	}
	var body struct {
		Data json.RawMessage `json:"data"`
	}
	var record struct {
		Version int64 `json:"_version"`
	}
	if json.Unmarshal(got.Data, &body) == nil && json.Unmarshal(body.Data, &record) == nil {
		reply.Version = record.Version
	}
	return reply, nil
}

// failure reads micro's error headers and the body, which must agree: a client
// may go by either.
func failure(h nats.Header, data []byte) error {
	code := h.Get("Nats-Service-Error")
	if code == "" {
		return nil
	}
	var body struct {
		Status string `json:"status"`
		Error  struct {
			Code, Message string
			Details       any
		} `json:"error"`
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return err
	}
	if body.Status != "error" || body.Error.Code != code {
		return fmt.Errorf("headers say %s, the body %s", code, data)
	}
	e := &fault.Error{Code: fault.Code(code), Message: body.Error.Message, Details: body.Error.Details}
	if ms, err := strconv.Atoi(h.Get("Octo-Retry-After")); err == nil {
		e.RetryAfter = time.Duration(ms) * time.Millisecond
	}
	return e
}

func (c *plain) stream(m *nats.Msg) (*mesh.Reply, error) {
	m.Reply = c.nc.NewInbox()
	sub, err := c.nc.SubscribeSync(m.Reply)
	if err != nil {
		return nil, err
	}
	if err := c.nc.PublishMsg(m); err != nil {
		return nil, err
	}
	return &mesh.Reply{Chunks: &plainChunks{c.nc, sub}}, nil
}

// plainChunks reads a stream as docs describe it, and gives credit for each
// chunk.
type plainChunks struct {
	nc  *nats.Conn
	sub *nats.Subscription
}

func (c *plainChunks) Next(ctx context.Context) ([]byte, error) {
	for {
		m, err := c.sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, err
		}
		switch m.Header.Get("Octo-Part") {
		case "start", "beat", "working":
			continue
		case "end":
			if code := m.Header.Get("Nats-Service-Error"); code != "" {
				return nil, fault.New(fault.Code(code), "%s", m.Header.Get("Octo-Fault"))
			}
			return nil, io.EOF
		}
		if e := failure(m.Header, m.Data); e != nil {
			return nil, e
		}
		if len(m.Data) == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		if m.Reply != "" {
			_ = c.nc.Publish(m.Reply, []byte("1"))
		}
		return m.Data, nil
	}
}

func (c *plainChunks) Close() error { return c.sub.Unsubscribe() }
