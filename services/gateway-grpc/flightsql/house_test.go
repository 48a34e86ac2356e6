package flightsql_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	af "github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
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
	octosql "github.com/octomesh/octomesh/services/gateway-grpc/flightsql"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The keys of the tests: one for everything, one that only reads one project, one
// for another project, one that may not use Arrow.
const (
	master = "sk_test_AAAAAAAA_0000000000000000000000000000000000000000000"
	reader = "sk_test_BBBBBBBB_0000000000000000000000000000000000000000000"
	other  = "sk_test_CCCCCCCC_0000000000000000000000000000000000000000000"
	rested = "sk_test_DDDDDDDD_0000000000000000000000000000000000000000000"
)

var scopes = map[string]mesh.Scopes{
	master: {"projects": {"*"}, "operations": {"*"}, "transports": {"*"}},
	reader: {"projects": {"id-shop"}, "operations": {"read"}, "transports": {"arrow"}},
	other:  {"projects": {"id-none"}, "operations": {"*"}, "transports": {"*"}},
	rested: {"projects": {"*"}, "operations": {"*"}, "transports": {"rest"}},
}

// house is a server over stores in SQLite.
type house struct {
	testing.TB
	stores   map[string]*store.Store
	addr     string
	entrance *rpc.Entrance
	streams  atomic.Int64 // open streams of the stores
}

// Principal implements rpc.Identifier.
func (h *house) Principal(_ context.Context, c access.Credential) (*mesh.Principal, string, error) {
	c.FindKey()
	s, ok := scopes[c.Key]
	if !ok {
		return nil, "", fault.New(fault.Unauthorized, "who is that?")
	}
	return &mesh.Principal{ID: "k:" + c.Key[8:16], Kind: mesh.Key, Scopes: s}, c.Key, nil
}

// Call implements mesh.Caller as the worker does.
func (h *house) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	who, _, err := h.Principal(ctx, access.Credential{Key: r.Token})
	if err != nil {
		return nil, err
	}
	if err := access.Check(who, access.Ask{ProjectID: "id-" + r.Project, Project: r.Project, Class: mesh.Read, Transport: r.Transport}); err != nil {
		return nil, err
	}
	q := *r
	q.Principal = who
	reply, err := h.stores[r.Project].Call(ctx, &q, nil)
	if err == nil && reply.Chunks != nil {
		h.streams.Add(1)
		reply.Chunks = &counted{reply.Chunks, h}
	}
	return reply, err
}

// counted is a stream that tells when it is closed.
type counted struct {
	mesh.Chunks
	h *house
}

func (c *counted) Close() error {
	c.h.streams.Add(-1)
	return c.Chunks.Close()
}

// serve opens a house with the projects default and shop, of that catalog.
func serve(t testing.TB, source string) *house {
	t.Helper()
	h := &house{TB: t, stores: map[string]*store.Store{}}
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
	e := &rpc.Entrance{Caller: h, Identity: h, Projects: projects, Rates: access.NewLimiter(), Log: slog.New(slog.DiscardHandler), Timeout: 10 * time.Second}
	h.entrance = e
	server := rpc.NewServer(e, rpc.Unknown)
	flight.New(e, octosql.New(e)).Register(server)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.GracefulStop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := h.streams.Load(); n != 0 {
			t.Errorf("%d streams are open", n)
		}
	})
	return h
}

// client dials the house.
func (h *house) client() *flightsql.Client {
	h.Helper()
	c, err := flightsql.NewClient(h.addr, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
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

// do asks a project's store directly.
func (h *house) do(project, op, entity, args string) string {
	h.Helper()
	r, err := h.stores[project].Call(context.Background(), &mesh.Request{Project: project, Entity: entity, Op: op, Args: []byte(args)}, nil)
	if err != nil {
		h.Fatalf("%s %s %s: %v", op, entity, args, err)
	}
	return string(r.Body)
}

// fetch reads what a FlightInfo leads to: its schema, and its rows as JSON.
func fetch(ctx context.Context, c *flightsql.Client, info *af.FlightInfo) (*arrow.Schema, []string, error) {
	told, err := af.DeserializeSchema(info.Schema, nil)
	if err != nil {
		return nil, nil, err
	}
	r, err := c.DoGet(ctx, info.Endpoint[0].Ticket)
	if err != nil {
		return told, nil, err
	}
	defer r.Release()
	if !r.Schema().Equal(told) {
		return told, nil, fmt.Errorf("GetFlightInfo told %s, DoGet gave %s", told, r.Schema())
	}
	var rows []string
	for r.Next() {
		b := r.RecordBatch()
		for i := range int(b.NumRows()) {
			var cells []string
			for _, col := range b.Columns() {
				cells = append(cells, strings.TrimSpace(col.ValueStr(i)))
			}
			rows = append(rows, strings.Join(cells, " "))
		}
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
		return told, rows, err
	}
	return told, rows, nil
}

// query runs a statement.
func query(ctx context.Context, c *flightsql.Client, text string) (string, error) {
	info, err := c.Execute(ctx, text)
	if err != nil {
		return "", err
	}
	_, rows, err := fetch(ctx, c, info)
	return strings.Join(rows, "|"), err
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

const music = `[
{"name":"Artist","collection":"artists","fields":{"name":{"type":"string","required":true},"secret":{"type":"string","hidden":true}},
 "relations":{"albums":{"type":"one-to-many","target":"Album","mappedBy":"artist"}}},
{"name":"Album","collection":"albums","fields":{"title":{"type":"string","required":true},"price":"decimal","sold":"integer","released":"date","live":"boolean","rating":"number","tags":{"type":"array","arrayOf":"string"},"meta":"json","cover":"binary"},
 "relations":{"artist":{"type":"many-to-one","target":"Artist","onDelete":"cascade"}}}]`

func (h *house) fill(project string) {
	h.Helper()
	h.do(project, "create", "Artist", `{"data":{"id":"a1","name":"AC/DC","secret":"s"}}`)
	h.do(project, "create", "Artist", `{"data":{"id":"a2","name":"Édith"}}`)
	for i := range 6 {
		h.do(project, "create", "Album", fmt.Sprintf(`{"data":{"id":"b%d","title":"Album %d","price":"%d.50","sold":%d,"released":"2026-01-0%d","live":%t,"rating":%d.5,"tags":["x"],"meta":{"k":%d},"cover":"AAE=","artist":"a%d"}}`,
			i, i, i, 9007199254740993+i, i+1, i%2 == 0, i, i, i%2+1))
	}
}

// chinook is the data set's folder, if the environment names it.
func chinook(t *testing.T) *house {
	dir := os.Getenv("OCTOMESH_CHINOOK")
	if dir == "" {
		t.Skip("skipped: the Chinook data set (OCTOMESH_CHINOOK=<its folder>)")
	}
	source, err := os.ReadFile(filepath.Join(dir, "schemas.json"))
	if err != nil {
		t.Fatal(err)
	}
	h := serve(t, string(source))
	f, err := os.Open(filepath.Join(dir, "records.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var lines []string
	for in := bufio.NewScanner(f); in.Scan(); {
		lines = append(lines, in.Text())
	}
	for range 2 { // an employee may name a later one
		for at := 0; at < len(lines); at += 500 {
			h.do("default", "restore", mesh.ProjectEntity, `{"records":[`+strings.Join(lines[at:min(at+500, len(lines))], ",")+`]}`)
		}
	}
	return h
}
