package versus

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/bench/load"
)

// doorway is a kind of request to one door, and what it may cost beside the
// request to REST that asks for the same.
type doorway struct {
	name string
	rest string  // path and query of REST's request, {id} the record's
	cpu  float64 // at most so many times REST's CPU for each request
	// fill makes the door's request, n is the record.
	fill func(n int64, r *fasthttp.Request)
	has  string // what the reply must hold, %d is the record
	rows int    // how often it must hold it
}

const (
	oneRecord = "/api/v1/users/{id}"
	listed    = "/api/v1/users?filter=%7B%22age%22:%7B%22$gte%22:30%7D%7D&sort=-created&limit=20"
	fourOf    = listed + "&select=email,name,age" // with id four, though _version comes too
)

// doorways are the requests to compare. A door is added by a line.
var doorways = []doorway{
	{"jsonrpc findById", oneRecord, 1.2, func(n int64, r *fasthttp.Request) {
		post(r, "/rpc", fmt.Sprintf(`{"jsonrpc":"2.0","method":"User.findById","params":{"id":"u%05d"},"id":%d}`, n, n))
	}, `"email":"seed%d@example.com"`, 1},
	{"trpc findById", oneRecord, 1.2, func(n int64, r *fasthttp.Request) {
		r.SetRequestURI("/trpc/User.findById?input=" + url.QueryEscape(fmt.Sprintf(`{"id":"u%05d"}`, n)))
	}, `"email":"seed%d@example.com"`, 1},
	{"graphql list of 4 fields", fourOf, 1.4, func(_ int64, r *fasthttp.Request) {
		post(r, "/graphql", `{"query":"query L($w: String) { users(filter: $w, sort: \"{\\\"created\\\":-1}\", limit: 20) { id email name age } }","variables":{"w":"{\"age\":{\"$gte\":30}}"}}`)
	}, `"email":"seed`, 20},
	{"odata list", listed, 1.5, func(_ int64, r *fasthttp.Request) {
		r.SetRequestURI("/odata/users?$filter=" + url.QueryEscape("age ge 30") + "&$orderby=" + url.QueryEscape("created desc") + "&$top=20")
	}, `"email":"seed`, 20},
}

func post(r *fasthttp.Request, path, body string) {
	r.SetRequestURI(path)
	r.Header.SetMethod(fasthttp.MethodPost)
	r.Header.SetContentType("application/json")
	r.SetBodyString(body)
}

// TestDoors holds what each door costs against REST in the same server and the
// same sitting. Only an acceptance run measures; any run sees to it that the
// requests are answered with what they ask for.
func TestDoors(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: requests to all doors (go test without -short)")
	}
	p := product(t, "full")
	for _, d := range doorways {
		t.Run(d.name, func(t *testing.T) {
			request := func(fill func(n int64, r *fasthttp.Request)) load.Request {
				return func(n int64, r *fasthttp.Request) {
					r.Header.Set("X-API-Key", p.key)
					fill(n%rows+1, r)
				}
			}
			door := request(d.fill)
			rest := request(func(n int64, r *fasthttp.Request) {
				r.SetRequestURI(strings.Replace(d.rest, "{id}", fmt.Sprintf("u%05d", n), 1))
			})
			d.check(t, p, rest)
			d.check(t, p, door)
			if os.Getenv("OCTOMESH_ACCEPT") == "" || t.Failed() {
				return
			}
			pairs := inTurn(t,
				&load.Load{Addr: p.addr, PID: p.pid, Conns: conns, Request: door, Status: 200},
				&load.Load{Addr: p.addr, PID: p.pid, Conns: conns, Request: rest, Status: 200})
			cpu := median(pairs, func(x pair) float64 { return float64(x.product.CPUPer()) / float64(x.floor.CPUPer()) })
			figure(map[string]any{
				"door": d.name, "conns": conns, "pairs": len(pairs), "cpu_ratio": round(cpu), "promised": d.cpu,
				"door_us": micros(pairs, func(x pair) load.Result { return x.product }), "rest_us": micros(pairs, func(x pair) load.Result { return x.floor }),
				"door_body": pairs[0].product.Body, "rest_body": pairs[0].floor.Body,
			})
			if cpu > d.cpu {
				t.Errorf("%s costs %.2f times the CPU of REST, promised %.2f", d.name, cpu, d.cpu)
			}
		})
	}
}

// check sends one request and looks for the rows in the reply.
func (d doorway) check(t *testing.T, p *contender, fill load.Request) {
	t.Helper()
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	fill(6, req) // the seventh record
	req.SetHost(p.addr)
	want := d.has
	if d.rows == 1 {
		want = fmt.Sprintf(d.has, 7)
	}
	if err := fasthttp.Do(req, resp); err != nil || resp.StatusCode() != 200 || bytes.Count(resp.Body(), []byte(want)) != d.rows {
		t.Errorf("%s %s: %v, %d %.300s", req.Header.Method(), req.URI(), err, resp.StatusCode(), resp.Body())
	}
}
