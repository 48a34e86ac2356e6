package spanner

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cloud.google.com/go/spanner"
	admin "cloud.google.com/go/spanner/admin/database/apiv1"
	adminpb "cloud.google.com/go/spanner/admin/database/apiv1/databasepb"
	"cloud.google.com/go/spanner/apiv1/spannerpb"
	"cloud.google.com/go/spanner/spannertest"
	"cloud.google.com/go/spanner/spansql"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
	"github.com/octomesh/octomesh/pkg/storetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// fakeDialect is Spanner's without what the fake lacks (its README: functions,
// subselects, HAVING): text tests and aggregations fall back to the worker, as
// they do for what Spanner itself can't. Their SQL is pinned by golden files. It
// shows no indexes either, so they would be made again each time.
func fakeDialect() *sqlgen.Dialect {
	d := Dialect()
	d.Tables.Indexes = sqlgen.IndexesNone
	d.Match = func(b *sqlgen.Builder, m sqlgen.Match) bool {
		m.Operand()
		b.Write(" IS NOT NULL")
		return false
	}
	return d
}

// fake is a Spanner in this process; hold, if set, is asked before each call.
type fake struct {
	addr, name string
	hold       atomic.Pointer[func(method string) error]
}

var fakes atomic.Int64

func newFake(t testing.TB) *fake {
	t.Helper()
	server, err := spannertest.NewServer("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	server.SetLogger(func(string, ...any) {})
	return &fake{addr: server.Addr, name: fmt.Sprintf("projects/p/instances/i/databases/d%d", fakes.Add(1))}
}

func (f *fake) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if hold := f.hold.Load(); hold != nil {
		if err := (*hold)(method); err != nil {
			return err
		}
	}
	return next(ctx, method, req, reply, cc, opts...)
}

// unquoted takes the quotes from a name behind a bracket, where the fake's parser
// can't read them.
type unquoted struct{ grpc.ClientStream }

var quotedBehindBracket = regexp.MustCompile("\\(`([a-zA-Z_0-9]+)`")

func (u unquoted) SendMsg(m any) error {
	if r, ok := m.(*spannerpb.ExecuteSqlRequest); ok {
		r.Sql = quotedBehindBracket.ReplaceAllStringFunc(r.Sql, func(s string) string {
			if name := strings.Trim(s, "(`"); !spansql.IsKeyword(name) {
				return "(" + name
			}
			return "(NOT NOT " + s[1:] // says the same of a condition
		})
	}
	return u.ClientStream.SendMsg(m)
}

// dial connects; whoever uses the connection closes it.
func (f *fake) dial() (*grpc.ClientConn, error) {
	return grpc.NewClient(f.addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(f.intercept),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			s, err := next(ctx, desc, cc, method, opts...)
			return unquoted{s}, err
		}))
}

func (f *fake) open(ctx context.Context, cat *schema.Catalog, s driver.Strategy) (driver.Conn, error) {
	wire, err := f.dial()
	if err != nil {
		return nil, err
	}
	return Open(ctx, "spanner://"+f.name, cat, Options{
		Strategy: s, dialect: fakeDialect(), plain: true, Client: []option.ClientOption{option.WithGRPCConn(wire)},
	})
}

// exec runs statements as another program would.
func (f *fake) exec(t testing.TB, sql []string) {
	t.Helper()
	wire, err := f.dial()
	if err != nil {
		t.Fatal(err)
	}
	o := option.WithGRPCConn(wire)
	ddl, err := admin.NewDatabaseAdminClient(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer ddl.Close()
	data, err := spanner.NewClientWithConfig(t.Context(), f.name, spanner.ClientConfig{DisableNativeMetrics: true}, o)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	for _, s := range sql {
		if word, _, _ := strings.Cut(s, " "); word == "CREATE" || word == "ALTER" || word == "DROP" {
			op, err := ddl.UpdateDatabaseDdl(t.Context(), &adminpb.UpdateDatabaseDdlRequest{Database: f.name, Statements: []string{s}})
			if err == nil {
				err = op.Wait(t.Context())
			}
			if err != nil {
				t.Fatalf("%s: %v", s, err)
			}
			continue
		}
		_, err := data.ReadWriteTransaction(t.Context(), func(ctx context.Context, txn *spanner.ReadWriteTransaction) error {
			_, err := txn.Update(ctx, spanner.Statement{SQL: s})
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// at is a Conn that knows its fake.
type at struct {
	driver.Conn
	fake *fake
}

func harness() storetest.Harness {
	open := func(t testing.TB, f *fake, cat *schema.Catalog) driver.Conn {
		conn, err := f.open(t.Context(), cat, driver.Update)
		if err != nil {
			t.Fatal(err)
		}
		return at{conn, f}
	}
	return storetest.Harness{
		Open: func(t testing.TB, cat *schema.Catalog) driver.Conn { return open(t, newFake(t), cat) },
		Reopen: func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, conn.(at).fake, cat)
		},
		Tables: tablesOf(),
		Gaps: map[string]string{
			"tables at once": "the fake does not isolate transactions from each other (two epochs are made)",
			"tables collide": "the fake has no HAVING, by which values that collide are found",
			"tables swap":    "the fake has no HAVING, by which values that collide are found",
			"tables adopt":   "the fake adds no NOT NULL column, not even with a default",
			"tables free":    "the fake adds no NOT NULL column, not even with a default",
		},
	}
}

func tablesOf() *storetest.Tables {
	var known sync.Map
	get := func(name string) *fake { f, _ := known.Load(name); return f.(*fake) }
	return &storetest.Tables{
		Dialect: fakeDialect(), Key: "STRING(128)",
		Database: func(t testing.TB) string {
			f := newFake(t)
			known.Store(f.name, f)
			return f.name
		},
		Open: func(ctx context.Context, name string, cat *schema.Catalog, s driver.Strategy) (driver.Conn, error) {
			return get(name).open(ctx, cat, s)
		},
		Exec: func(t testing.TB, name string, sql ...string) { get(name).exec(t, sql) },
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, harness())
}

func TestProperty(t *testing.T) {
	t.Parallel()
	storetest.Property(t, harness(), storetest.ServerCases())
}

func TestSeededBugs(t *testing.T) {
	t.Parallel()
	storetest.SeededBugs(t, harness(), storetest.ServerCases())
}
