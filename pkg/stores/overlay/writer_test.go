package overlay

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// database is one in memory: a Base, and a Commit that notes the ids of each group.
type database struct {
	driver.Reader
	e      *schema.Entity
	rows   []schema.Row
	last   int64
	groups []string
	refuse func(ids string) error
}

func (*database) Replay(string, string) (*driver.Stored, error) { return nil, nil }

func (d *database) Select(_ context.Context, q *query.Select, each func(driver.Row) error) error {
	for _, r := range query.Run(q, d.rows) {
		if err := each(&memory{columns: q.Projection.Columns, row: r}); err != nil {
			return err
		}
	}
	return nil
}

func (d *database) commit(fill func(Base, int64) (*Group, error)) error {
	g, err := fill(d, d.last)
	if err != nil || g.Empty() {
		return err
	}
	var ids []string
	for i, c := range g.Changes() {
		if c.Seq != d.last+int64(i)+1 {
			return fault.New(fault.Internal, "seq %d comes after %d others", c.Seq, d.last+int64(i))
		}
		ids = append(ids, c.ID)
	}
	names := strings.Join(ids, " ")
	if d.refuse != nil {
		if err := d.refuse(names); err != nil {
			return err
		}
	}
	d.groups, d.last = append(d.groups, names), g.Last()
	return g.Records(func(r *Record) error {
		d.rows = append(d.rows, r.Row)
		return nil
	})
}

// bench is a writer over a database, and how often each unit ran.
type bench struct {
	*database
	w    *Writer
	mu   sync.Mutex
	runs map[string]int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	cat, err := schema.Parse([]byte(`[{"name":"Thing","collection":"things","fields":{"code":{"type":"string","unique":true}}}]`))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{database: &database{e: cat.Entity("Thing")}, runs: make(map[string]int)}
	b.w = NewWriter(b.commit)
	t.Cleanup(b.w.Close)
	return b
}

// put inserts a thing with a code.
func (b *bench) put(id, code string) driver.Unit {
	return driver.Unit{Run: func(tx driver.Tx) error {
		b.mu.Lock()
		b.runs[id]++
		b.mu.Unlock()
		row := make(schema.Row, len(b.e.Columns))
		row[0], row[1], row[b.e.Column("code").Index] = schema.TextOf(id), schema.IntOf(1), schema.TextOf(code)
		if err := tx.Insert(b.e, row); err != nil {
			return err
		}
		return tx.Append(&mesh.Change{Entity: b.e.Name, ID: id, Verb: mesh.Created, Version: 1, At: time.UnixMilli(1)})
	}}
}

// together writes units that all wait, in their order, when the writer comes to
// them, behind a thing named first. It returns their codes, "" for those that went well.
func (b *bench) together(t *testing.T, units ...driver.Unit) []fault.Code {
	t.Helper()
	begun, goOn := make(chan struct{}), make(chan struct{})
	answers := make([]error, len(units))
	var all sync.WaitGroup
	all.Go(func() {
		first := b.put("first", "first")
		err := b.w.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error {
			close(begun)
			<-goOn
			return first.Run(tx)
		}})
		if err != nil {
			t.Error(err)
		}
	})
	<-begun
	for i, u := range units {
		all.Go(func() { answers[i] = b.w.Write(context.Background(), u) })
		for b.w.Waiting() <= i {
			runtime.Gosched()
		}
	}
	close(goOn)
	all.Wait()
	codes := make([]fault.Code, len(units))
	for i, err := range answers {
		if err != nil {
			codes[i] = fault.CodeOf(err)
		}
	}
	return codes
}

func (b *bench) want(t *testing.T, got, codes []fault.Code, groups, runs string) {
	t.Helper()
	if !slices.Equal(got, codes) {
		t.Errorf("answers %q, want %q", got, codes)
	}
	if g := strings.Join(b.groups, ", "); g != groups {
		t.Errorf("groups %s, want %s", g, groups)
	}
	if r := fmt.Sprint(b.runs); r != runs {
		t.Errorf("runs %s, want %s", r, runs)
	}
}

func TestWriterGroups(t *testing.T) {
	b := newBench(t)
	got := b.together(t, b.put("a", "1"), b.put("b", "2"), b.put("c", "3"))
	b.want(t, got, make([]fault.Code, 3), "first, a b c", "map[a:1 b:1 c:1 first:1]")
}

// TestWriterConflict: a value that the database has is found out at the end of
// the group: what comes before is stored, what comes behind runs once more.
func TestWriterConflict(t *testing.T) {
	b := newBench(t)
	got := b.together(t, b.put("a", "1"), b.put("b", "first"), b.put("c", "3"), b.put("d", "4"))
	b.want(t, got, []fault.Code{"", fault.Conflict, "", ""}, "first, a, c d", "map[a:1 b:1 c:2 d:2 first:1]")
}

// TestWriterNeighbours: a unit that fails, panics or takes a value of its own
// group leaves nothing and does not disturb the others.
func TestWriterNeighbours(t *testing.T) {
	b := newBench(t)
	stop, insert := errors.New("stop"), b.put("x", "4")
	fails := driver.Unit{Run: func(tx driver.Tx) error { return errors.Join(insert.Run(tx), stop) }}
	panics := driver.Unit{Run: func(tx driver.Tx) error { panic(insert.Run(tx)) }}
	got := b.together(t, b.put("a", "1"), fails, panics, b.put("b", "1"), b.put("c", "4"))
	b.want(t, got, []fault.Code{"", fault.Internal, fault.Internal, fault.Conflict, ""}, "first, a c", "map[a:1 b:1 c:1 first:1 x:2]")
}

// TestWriterRefusal: what the engine refuses is looked for one by one.
func TestWriterRefusal(t *testing.T) {
	b := newBench(t)
	b.refuse = func(ids string) error {
		if strings.Contains(ids, "b") {
			return fault.New(fault.PayloadTooLarge, "too large")
		}
		return nil
	}
	got := b.together(t, b.put("a", "1"), b.put("b", "2"), b.put("c", "3"))
	b.want(t, got, []fault.Code{"", fault.PayloadTooLarge, ""}, "first, a, c", "map[a:2 b:2 c:2 first:1]")
}

// TestWriterLost: a group that may have been stored, or that each of its units
// would wait for in vain, is not run again.
func TestWriterLost(t *testing.T) {
	for _, code := range []fault.Code{fault.Timeout, fault.DBNotConnected, fault.Overloaded} {
		b := newBench(t)
		b.refuse = func(ids string) error {
			if ids != "first" {
				return fault.New(code, "lost")
			}
			return nil
		}
		got := b.together(t, b.put("a", "1"), b.put("b", "2"))
		b.want(t, got, []fault.Code{code, code}, "first", "map[a:1 b:1 first:1]")
	}
}

// TestWriterEnds: who gives up while waiting is let fall, Close stores what
// waits, and nothing is taken afterwards.
func TestWriterEnds(t *testing.T) {
	b := newBench(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_ = b.w.Write(t.Context(), driver.Unit{Run: func(driver.Tx) error {
			close(begun)
			<-goOn
			return nil
		}})
	})
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	all.Go(func() {
		if err := b.w.Write(ctx, b.put("gone", "1")); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		close(goOn)
	})
	for b.w.Waiting() == 0 {
		runtime.Gosched()
	}
	var last error
	all.Go(func() { last = b.w.Write(t.Context(), b.put("a", "1")) })
	for b.w.Waiting() < 2 {
		runtime.Gosched()
	}
	cancel()
	b.w.Close()
	all.Wait()
	b.want(t, []fault.Code{fault.CodeOf(b.w.Write(t.Context(), b.put("late", "2")))}, []fault.Code{fault.DBNotConnected}, "a", "map[a:1]")
	if last != nil {
		t.Error(last)
	}
}
