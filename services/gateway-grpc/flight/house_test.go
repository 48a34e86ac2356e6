package flight_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	af "github.com/apache/arrow-go/v18/arrow/flight"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
	"github.com/octomesh/octomesh/services/gateway-grpc/flight"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The keys of the tests: one for everything, one that only reads, one for another
// project, one that may not use Arrow, one for everything that has a rate.
const (
	master = "sk_test_AAAAAAAA_0000000000000000000000000000000000000000000"
	reader = "sk_test_BBBBBBBB_0000000000000000000000000000000000000000000"
	other  = "sk_test_CCCCCCCC_0000000000000000000000000000000000000000000"
	rested = "sk_test_DDDDDDDD_0000000000000000000000000000000000000000000"
	paced  = "sk_test_FFFFFFFF_0000000000000000000000000000000000000000000"
)

var scopes = map[string]mesh.Scopes{
	master: {"projects": {"*"}, "operations": {"*"}, "transports": {"*"}},
	reader: {"projects": {"id-shop"}, "operations": {"read"}, "transports": {"arrow"}},
	other:  {"projects": {"id-none"}, "operations": {"*"}, "transports": {"*"}},
	rested: {"projects": {"*"}, "operations": {"*"}, "transports": {"rest"}},
	paced:  {"projects": {"*"}, "operations": {"*"}, "transports": {"*"}},
}

// house is a server over a store in SQLite.
type house struct {
	testing.TB
	stores map[string]*store.Store
	addr   string
	calls  func(*mesh.Request) // sees every call, if set
	within func(context.Context)
	stop   chan struct{} // closed when the gateway stops
}

// Principal implements rpc.Identifier.
func (h *house) Principal(_ context.Context, c access.Credential) (*mesh.Principal, string, error) {
	c.FindKey()
	s, ok := scopes[c.Key]
	if !ok {
		return nil, "", fault.New(fault.Unauthorized, "who is that?")
	}
	who := &mesh.Principal{ID: "k:" + c.Key[8:16], Kind: mesh.Key, Scopes: s}
	if c.Key == paced {
		who.Rate = mesh.Rate{Calls: 1000, Seconds: 1, Burst: 1000}
	}
	return who, c.Key, nil
}

// Call implements mesh.Caller as the worker does.
func (h *house) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	if h.calls != nil {
		h.calls(r)
	}
	if h.within != nil {
		h.within(ctx)
	}
	s := h.stores[r.Project]
	var who *mesh.Principal
	if r.Token != "" {
		who, _, _ = h.Principal(ctx, access.Credential{Key: r.Token})
	}
	class := mesh.Read
	if op := mesh.LookupOp(r.Entity, r.Op); op != nil {
		class = op.Class
	}
	if err := access.Check(who, access.Ask{ProjectID: "id-" + r.Project, Project: r.Project, Class: class, Transport: r.Transport}); err != nil {
		return nil, err
	}
	q := *r
	q.Principal = who
	return s.Call(ctx, &q, nil)
}

// serve opens a house with the projects default and shop, of that catalog.
func serve(t testing.TB, source string) *house {
	t.Helper()
	h := &house{TB: t, stores: map[string]*store.Store{}, stop: make(chan struct{})}
	projects := gateway.NewProjects()
	for _, slug := range []string{gateway.DefaultProject, "shop"} {
		cat, err := schema.Parse([]byte(source))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), slug+".db"), cat, sqlite.Options{Sync: "normal"})
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(t.Context(), conn, cat, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		h.stores[slug] = s
		projects.Put(&gateway.Project{ID: "id-" + slug, Slug: slug, Version: "v1", Catalog: cat})
	}
	projects.SetLoaded()
	e := &rpc.Entrance{Caller: h, Identity: h, Projects: projects, Rates: access.NewLimiter(), Log: slog.New(slog.DiscardHandler), Timeout: 10 * time.Second, Stopping: h.stop}
	server := rpc.NewServer(e, rpc.Unknown)
	flight.New(e, nil).Register(server)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h
}

// client dials the house.
func (h *house) client() af.Client {
	h.Helper()
	c, err := af.NewClientWithMiddleware(h.addr, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = c.Close() })
	return c
}

// as is a context that shows the key.
func as(t testing.TB, key string, headers ...string) context.Context {
	ctx := metadata.AppendToOutgoingContext(t.Context(), headers...)
	if key == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "x-api-key", key)
}

// do asks the project's store directly.
func (h *house) do(project, op, entity, args string) string {
	h.Helper()
	r, err := h.stores[project].Call(context.Background(), &mesh.Request{Project: project, Entity: entity, Op: op, Args: []byte(args)}, nil)
	if err != nil {
		h.Fatalf("%s %s %s: %v", op, entity, args, err)
	}
	return string(r.Body)
}

// reason is the fault's code in an error's status; the error itself where there
// is none.
func reason(err error) string {
	if err == nil {
		return "ok"
	}
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			if want := fault.Code(info.Reason).Image().GRPC; uint32(status.Code(err)) != want {
				return fmt.Sprintf("%s with status %d", info.Reason, want)
			}
			return info.Reason
		}
	}
	return err.Error()
}

const shop = `[{"name":"Item","collection":"items","timestamps":true,"softDelete":true,"fields":{
 "name":{"type":"string","required":true,"maxLength":100},"price":"number","stock":"integer","cost":"decimal","active":"boolean","added":"date","meta":"json",
 "blob":"binary","tags":{"type":"array","arrayOf":"string"},"sizes":{"type":"array","arrayOf":"integer"},"secret":{"type":"string","hidden":true}},
 "relations":{"maker":{"type":"many-to-one","target":"Maker"},"kin":{"type":"many-to-many","target":"Maker"}}},
 {"name":"Maker","collection":"makers","fields":{"name":{"type":"string","unique":true}}}]`

// stock puts n items into a project.
func (h *house) stock(project string, n int) {
	h.Helper()
	h.do(project, "create", "Maker", `{"data":{"id":"m1","name":"M"}}`)
	for i := 0; i < n; {
		var ops []string
		for ; len(ops) < 500 && i < n; i++ {
			ops = append(ops, fmt.Sprintf(`{"op":"create","entity":"Item","data":{"id":"i%06d","name":"Item %d é","price":%d.25,"stock":%d,"cost":%d.5,"active":%t,"added":"2026-01-02T03:04:05.678Z","meta":{"n":%d},"blob":"AAH/","tags":["a","b"],"sizes":[1,2],"maker":"m1"}}`,
				i, i, i, i+9007199254740993, i, i%2 == 0, i))
		}
		h.do(project, "transaction", mesh.ProjectEntity, `{"operations":[`+strings.Join(ops, ",")+`]}`)
	}
}
