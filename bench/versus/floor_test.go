package versus

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/octomesh/octomesh/bench/load"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// goal is what the product promises against the floor: at most so much CPU for
// each request, and at least such a rate.
type goal struct {
	kind   string
	status int
	cpu    float64 // product / floor
	rate   float64 // product / floor; 0 = not promised
}

var sqliteGoals = []goal{
	{"get", 200, 1.2, 0},
	{"list", 200, 0.8, 0},
	{"create", 201, 0.9, 1.3},
	{"update", 200, 1.2, 0},
}

// On PostgreSQL the database's processor time counts too.
var postgresGoals = []goal{
	{"get", 200, 0.75, 1.5},
	{"list", 200, 0.9, 0},
	{"create", 201, 0.8, 0},
}

// conns, bursts and burst are the protocol of every comparison: floor and
// product alternate; a pair is thrown away when others used the machine.
const (
	conns  = 64
	bursts = 7
	burst  = 4 * time.Second
	others = 0.3 // cores
)

// pair is one burst of each.
type pair struct{ product, floor load.Result }

// TestAgainstFloor needs a quiet machine and minutes, so it runs for the
// acceptance alone.
func TestAgainstFloor(t *testing.T) {
	if os.Getenv("OCTOMESH_ACCEPT") == "" {
		t.Skip("skipped: comparison with the floor (go run ./bench/accept house.8)")
	}
	compare(t, "sqlite", floor(t, "full"), product(t, "full"), sqliteGoals)
}

// TestAgainstFloorPostgres gives both a database of one durable server.
func TestAgainstFloorPostgres(t *testing.T) {
	if os.Getenv("OCTOMESH_ACCEPT") == "" {
		t.Skip("skipped: comparison with the floor on PostgreSQL (go run ./bench/accept stores.3)")
	}
	server := testserver.StartPostgreSQL(t, testserver.Options{Durable: true})
	f := floor(t, "full", "-postgres", server.Database(t))
	p := product(t, "full", "--db-dialect", "postgres", "--db-uri", server.Database(t))
	f.database, p.database = server.PID(), server.PID()
	compare(t, "postgres", f, p, postgresGoals)
}

func compare(t *testing.T, dialect string, f, p *contender, goals []goal) {
	for _, g := range goals {
		t.Run(g.kind, func(t *testing.T) {
			pairs := alternate(t, p, f, g.kind, g.status)
			cpu := median(pairs, func(x pair) float64 { return float64(x.product.CPUPer()) / float64(x.floor.CPUPer()) })
			rate := median(pairs, func(x pair) float64 { return x.product.PerSecond() / x.floor.PerSecond() })
			figure(map[string]any{
				"dialect": dialect, "op": g.kind, "sync": "full", "conns": conns, "pairs": len(pairs), "cpu_ratio": round(cpu), "rate_ratio": round(rate),
				"product_us": micros(pairs, func(x pair) load.Result { return x.product }), "floor_us": micros(pairs, func(x pair) load.Result { return x.floor }),
				"product_rps": rps(pairs, func(x pair) load.Result { return x.product }), "floor_rps": rps(pairs, func(x pair) load.Result { return x.floor }),
				"product_body": pairs[0].product.Body, "floor_body": pairs[0].floor.Body,
			})
			if cpu > g.cpu {
				t.Errorf("%s costs %.2f times the floor's CPU, promised %.2f", g.kind, cpu, g.cpu)
			}
			if rate < g.rate {
				t.Errorf("%s reaches %.2f times the floor's rate, promised %.2f", g.kind, rate, g.rate)
			}
		})
	}
}

// alternate runs floor and product in turn until enough quiet pairs are there.
func alternate(t *testing.T, p, f *contender, kind string, status int) []pair {
	t.Helper()
	return inTurn(t,
		&load.Load{Addr: p.addr, PID: p.pid, Also: p.database, Conns: conns, Request: p.fill(kind), Status: status},
		&load.Load{Addr: f.addr, PID: f.pid, Also: f.database, Conns: conns, Request: f.fill(kind), Status: status})
}

// bursting is a kind of request that can be made for a while.
type bursting interface {
	Burst(d time.Duration) (load.Result, error)
}

// inTurn is alternate for two loads of any kind: what is measured, and what it
// is measured against.
func inTurn(t *testing.T, lp, lf bursting) []pair {
	t.Helper()
	run := func(l bursting, d time.Duration) load.Result {
		r, err := l.Burst(d)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	run(lf, time.Second) // warm up
	run(lp, time.Second)
	var pairs []pair
	for tries := 0; len(pairs) < bursts; tries++ {
		if tries == 3*bursts {
			t.Fatalf("the machine is too busy: only %d of %d pairs ran with under %.1f cores used by others", len(pairs), tries, others)
		}
		x := pair{floor: run(lf, burst), product: run(lp, burst)}
		if busy() || max(x.floor.Others, x.product.Others) <= others {
			pairs = append(pairs, x)
		}
	}
	return pairs
}

// busy makes a run on a machine that others use, whose figures say something and
// judge nothing.
func busy() bool { return os.Getenv("OCTOMESH_BUSY") != "" }

func median(pairs []pair, of func(pair) float64) float64 {
	v := make([]float64, len(pairs))
	for i, p := range pairs {
		v[i] = of(p)
	}
	slices.Sort(v)
	return v[len(v)/2]
}

func micros(pairs []pair, of func(pair) load.Result) float64 {
	return round(median(pairs, func(p pair) float64 { return float64(of(p).CPUPer()) / 1e3 }))
}

func rps(pairs []pair, of func(pair) load.Result) float64 {
	return round(median(pairs, func(p pair) float64 { return of(p).PerSecond() }))
}

func round(f float64) float64 { return float64(int(f*100+0.5)) / 100 }

// figure prints a line that bench/accept keeps.
func figure(v map[string]any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	fmt.Printf("figure: %s\n", b)
}
