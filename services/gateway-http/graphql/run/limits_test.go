package run

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
	"github.com/octomesh/octomesh/services/gateway-http/replies"
)

// do carries a document out behind what dst has, over a mesh that answers calls
// by "Entity.op": for findAll records, else one.
func do(t *testing.T, query string, dst []byte, answer func(r *mesh.Request) string) Result {
	t.Helper()
	c, err := schema.Parse([]byte(`[{"name":"Product","collection":"products","fields":{"name":"string","note":"text"},"relations":{"next":{"target":"Product","type":"many-to-one"},"lines":{"target":"Line","type":"one-to-many","mappedBy":"product"},"groups":{"target":"Group","type":"many-to-many"}}},
	 {"name":"Line","collection":"lines","fields":{"n":"integer"},"relations":{"product":{"target":"Product","type":"many-to-one"}}},
	 {"name":"Group","collection":"groups","fields":{"name":"string"}}]`))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sdl.Build(c, sdl.View{View: mesh.View{Read: true, Write: true}})
	if err != nil {
		t.Fatal(err)
	}
	p, problems := plan.Compile(s, query, "", plan.DefaultLimits, true)
	if problems != nil {
		t.Fatal(problems)
	}
	vars, err := p.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	caller := mesh.CallerFunc(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":` + answer(r) + `,"metadata":{"count":1}}`)}, nil
	})
	var room replies.Room
	room.Open(replies.Limit, nil)
	return Do(t.Context(), Request{Caller: caller, Room: &room, Project: "default", Plan: p, Vars: vars}, dst)
}

// rows writes records by a form that takes their number.
func rows(n int, form string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, form, i)
	}
	return "[" + b.String() + "]"
}

// TestLargeResponses: what the document multiplies is given up when it is too
// large, not afterwards, and the other fields have their values.
func TestLargeResponses(t *testing.T) {
	note := strings.Repeat("x", 1<<20)
	var aliases strings.Builder
	for i := range 90 {
		fmt.Fprintf(&aliases, " a%d: note", i)
	}
	record := `{"id":"1","note":"` + note + `","next":{"id":"2","note":"` + note + `"}}`
	for name, query := range map[string]string{
		"in one record":         `{ big: product(id: 1) {` + aliases.String() + ` } n: productCount }`,
		"in a list":             `{ big: products {` + aliases.String() + ` } n: productCount }`,
		"in what could be null": `{ big: product(id: 1) { next {` + aliases.String() + ` } } n: productCount }`,
	} {
		answer := func(r *mesh.Request) string {
			switch r.Op {
			case "findAll":
				return "[" + record + "," + record + "," + record + "]"
			case "findById":
				return record
			}
			return "7"
		}
		out := do(t, query, nil, answer)
		if !bytes.HasPrefix(out.Body, []byte(`{"data":{"big":null,"n":7},"errors":[{`)) || bytes.Count(out.Body, []byte("PAYLOAD_TOO_LARGE")) != 1 {
			t.Errorf("%s: %.300s", name, out.Body)
		}
		if cap(out.Body) > 2*MaxReply {
			t.Errorf("%s: the response took up to %d bytes", name, cap(out.Body))
		}
	}
}

// TestResponsesBehindOthers: in a batch each response has the limit to itself.
func TestResponsesBehindOthers(t *testing.T) {
	for _, query := range []string{`mutation { deleteProduct(id: 1) }`, `{ __type(name: "Line") { name } }`, `{ products { name } }`} {
		dst := make([]byte, MaxReply, MaxReply+1024)
		out := do(t, query, dst, func(r *mesh.Request) string {
			if r.Op == "delete" {
				return "true"
			}
			return `[{"id":"1","name":"x"}]`
		})
		if got := string(out.Body[MaxReply:]); strings.Contains(got, "errors") {
			t.Errorf("%s: %s", query, got)
		}
	}
}

// TestJoinsAreBounded: for all parents together, however they share.
func TestJoinsAreBounded(t *testing.T) {
	parents := rows(900, `{"id":"p%d"}`)
	for _, c := range []struct {
		name, query string
		each        int // records of each parent
		fits        bool
	}{
		{"lists of their own", `{ products(limit: 900) { lines(sort: "n") { n } } }`, 12, false},
		{"few in each", `{ products(limit: 900) { lines(sort: "n") { n } } }`, 11, true},
		{"shared lists", `{ products(limit: 900) { groups(sort: "name") { name } } }`, 12, false},
		{"few shared", `{ products(limit: 900) { groups(sort: "name") { name } } }`, 11, true},
	} {
		out := do(t, c.query, nil, func(r *mesh.Request) string {
			if !bytes.Contains(r.Args, []byte(`$in`)) {
				return parents
			}
			switch r.Entity {
			case "Product": // the links of a batch
				shared := rows(c.each, `{"id":"g%d"}`)
				var b strings.Builder
				for i := range 900 {
					if id := fmt.Sprintf(`"p%d"`, i); bytes.Contains(r.Args, []byte(id)) {
						fmt.Fprintf(&b, `,{"id":%s,"groups":%s}`, id, shared)
					}
				}
				return "[" + b.String()[1:] + "]"
			case "Group":
				return rows(c.each, `{"id":"g%d","name":"x"}`)
			}
			var b strings.Builder
			for i := range 900 {
				if id := fmt.Sprintf(`"p%d"`, i); bytes.Contains(r.Args, []byte(id)) {
					b.WriteString(strings.Repeat(`,{"id":"l","n":1,"product":`+id+`}`, c.each))
				}
			}
			return "[" + b.String()[1:] + "]"
		})
		if fits := !bytes.Contains(out.Body, []byte("leads to more than 10000 records")); fits != c.fits {
			t.Errorf("%s: %.300s", c.name, out.Body)
		}
	}
}

// TestCutsHoldForAll: a last batch of one parent leaves the others theirs.
func TestCutsHoldForAll(t *testing.T) {
	out := do(t, `{ products(limit: 501) { lines(skip: 1, limit: 1) { n } } }`, nil, func(r *mesh.Request) string {
		if r.Entity == "Product" {
			return rows(maxBatch+1, `{"id":"p%d"}`)
		}
		if bytes.Contains(r.Args, []byte(`"p500"`)) {
			return `[{"id":"a","n":4,"product":"p500"},{"id":"b","n":5,"product":"p500"}]`
		}
		return `[{"id":"a","n":1,"product":"p0"},{"id":"b","n":2,"product":"p0"},{"id":"c","n":3,"product":"p0"}]`
	})
	if got := string(out.Body); !strings.HasPrefix(got, `{"data":{"products":[{"lines":[{"n":2}]},{"lines":[]},`) || !strings.HasSuffix(got, `,{"lines":[{"n":5}]}]}}`) {
		t.Errorf("%.100s … %s", got, got[len(got)-100:])
	}
}

// TestOrderOverCalls: more linked records than a call asks for come in the order
// of id, and in no other that would not be theirs.
func TestOrderOverCalls(t *testing.T) {
	answer := func(r *mesh.Request) string {
		switch {
		case r.Entity == "Product" && bytes.Contains(r.Args, []byte(`$in`)):
			ids := rows(maxBatch, `{"id":"b%d"}`)
			return `[{"id":"p0","groups":` + ids[:len(ids)-1] + `,{"id":"a"}]}]`
		case r.Entity == "Product":
			return `[{"id":"p0"}]`
		}
		var found []string
		for _, id := range append([]string{"a"}, strings.Split(rows(maxBatch, "b%d"), ",")...) {
			if id = strings.Trim(id, "[]"); bytes.Contains(r.Args, []byte(`"`+id+`"`)) {
				found = append(found, `{"id":"`+id+`"}`)
			}
		}
		return "[" + strings.Join(found, ",") + "]"
	}
	if got := string(do(t, `{ products { groups(limit: 1) { id } } }`, nil, answer).Body); got != `{"data":{"products":[{"groups":[{"id":"a"}]}]}}` {
		t.Error(got)
	}
	if got := string(do(t, `{ products { groups(sort: "name", limit: 1) { id } } }`, nil, answer).Body); !strings.Contains(got, "too many to put them in order") {
		t.Error(got)
	}
}
