package storetest

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// rules is a Guard made of a few words.
type rules struct {
	rows   map[string]query.Expr // by entity
	secret map[string]bool       // columns by name
	after  func(e *schema.Entity, before, after schema.Row) error
}

func (r rules) Rows(e *schema.Entity, _ mesh.Class) query.Expr { return r.rows[e.Name] }
func (r rules) Readable(c *schema.Column) bool                 { return !r.secret[c.Name] }
func (r rules) View(*schema.Entity) string {
	if len(r.secret) == 0 {
		return ""
	}
	return "few"
}

func (r rules) After(e *schema.Entity, before, after schema.Row) error {
	if r.after == nil {
		return nil
	}
	return r.after(e, before, after)
}

// onlyTitled lets books of that title through.
func (d *db) onlyTitled(title string) rules {
	c := d.cat.Entity("Book").Column("title")
	return rules{rows: map[string]query.Expr{"Book": query.Compare{Column: c, Op: query.Eq, Value: schema.TextOf(title)}}}
}

func guardRows(d *db) {
	shelf(d)
	d.guard = d.onlyTitled("One")
	d.wantIDs("findAll Book", `{}`, "b1")
	d.want("findById Book", `{"id":"b2"}`, `null`)
	d.want("findById Book", `{"id":"b1","select":"title"}`, `{"id":"b1","_version":1,"title":"One"}`)
	d.want("count Book", `{}`, `1`)
	d.want("aggregate Book", `{"stages":[{"$group":{"_by":null,"n":{"$count":true}}}]}`, `[{"n":1}]`)
	d.wantIDs("search Book", `{"query":"two"}`, "")
	if got := member(d.data("findById Author", `{"id":"a1","relations":"books"}`), "books"); strings.Contains(got, "b2") || !strings.Contains(got, "b1") {
		d.Errorf("populated: %s", got)
	}
	if got := d.data("findById Genre", `{"id":"g2","relations":"books"}`); strings.Contains(got, `"b2"`) {
		d.Errorf("populated: %s", got)
	}
	at := d.seq()
	d.want("update Book", `{"id":"b2","data":{"pages":1}}`, `null`)
	d.want("delete Book", `{"id":"b2"}`, `false`)
	d.want("deleteMany Book", `{"filter":{"title":"Two"}}`, `0`)
	d.want("addToSet Book", `{"id":"b2","field":"genres","value":"g1"}`, `null`)
	d.fails(fault.ValidationError, "create Review", `{"data":{"book":"b2"}}`)
	d.fails(fault.Conflict, "upsert Book", `{"filter":{"id":"b2"},"data":{"title":"x"}}`)
	d.wantLog(at)
	d.do("create Review", `{"data":{"book":"b1"}}`)
}

func guardFields(d *db) {
	shelf(d)
	d.want("findById Book", `{"id":"b1","select":"title,pages"}`, `{"id":"b1","_version":1,"title":"One","pages":null}`)
	d.guard = rules{secret: map[string]bool{"pages": true, "editor": true, "email": true}}
	d.want("findById Book", `{"id":"b1"}`, `{"id":"b1","_version":1,"title":"One","price":null,"author":"a1","publisher":"p","shelf":"s","genres":[],"reviews":[]}`)
	if got := d.data("findById Book", `{"id":"b1","relations":"author"}`); strings.Contains(got, "email") || strings.Contains(got, "pages") {
		d.Errorf("populated: %s", got)
	}
	for _, args := range []string{`{"filter":{"pages":1}}`, `{"sort":"pages"}`, `{"select":"pages"}`, `{"relations":"editor"}`} {
		d.fails(fault.InvalidFilter, "findAll Book", args)
	}
	d.fails(fault.InvalidFilter, "aggregate Book", `{"stages":[{"$group":{"_by":"pages"}}]}`)
	d.fails(fault.ValidationError, "increment Book", `{"id":"b1","field":"pages","amount":1}`)
	// What may not be read may be written: the reply does not show it.
	if got := d.data("update Book", `{"id":"b1","data":{"pages":7}}`); strings.Contains(got, "pages") || !strings.Contains(got, `"_version":2`) {
		d.Errorf("the reply to a write: %s", got)
	}
	d.want("update Book", `{"id":"b1","data":{"pages":7,"editor":"a2"},"select":"id"}`, `{"id":"b1","_version":3}`) // guessed, and not told
	d.guard = nil
	d.want("findById Book", `{"id":"b1","select":"pages"}`, `{"id":"b1","_version":3,"pages":7}`)
}

func guardAfter(d *db) {
	shelf(d)
	at := d.seq()
	d.guard = rules{after: func(e *schema.Entity, before, after schema.Row) error {
		title := e.Column("title")
		if title == nil {
			return nil
		}
		if after == nil && before[title.Index].Text() == "One" || after != nil && after[title.Index].Text() == "bad" {
			return fault.New(fault.Forbidden, "not this one")
		}
		return nil
	}}
	d.fails(fault.Forbidden, "create Book", `{"data":{"title":"bad"}}`)
	d.fails(fault.Forbidden, "update Book", `{"id":"b1","data":{"title":"bad"}}`)
	d.fails(fault.Forbidden, "updateMany Book", `{"filter":{},"data":{"title":"bad"}}`)
	d.fails(fault.Forbidden, "upsert Book", `{"filter":{"title":"bad"},"data":{}}`)
	d.fails(fault.Forbidden, "delete Book", `{"id":"b1"}`)
	d.fails(fault.Forbidden, "deleteMany Book", `{"filter":{}}`)
	d.fails(fault.Forbidden, "transaction _project", `{"operations":[{"op":"create","entity":"Book","data":{"title":"good"}},{"op":"delete","entity":"Book","id":"b1"}]}`)
	d.wantLog(at)
	d.want("delete Book", `{"id":"b2"}`, `true`)
}

// The log and the replays show no more than the caller may read.
func guardChanges(d *db) {
	d.key = "k1"
	d.do("create Book", `{"data":{"title":"One","pages":1}}`)
	d.key = ""
	d.do("update Book", `{"id":"n1","data":{"pages":2}}`, "create Book", `{"data":{"title":"Two"}}`)
	few := d.onlyTitled("One")
	few.secret = map[string]bool{"pages": true}
	d.guard = few
	body := d.body("changes _project", `{"position":"`+d.conn.Epoch()+`-0"}`)
	if strings.Contains(body, "pages") || strings.Contains(body, "Two") || !strings.Contains(body, "One") {
		d.Errorf("the log shows too much: %s", body)
	}
	if !strings.HasSuffix(body, `"metadata":{"count":2,"position":"`+d.conn.Epoch()+`-3"}}`) {
		d.Errorf("the list reaches to the end: %s", body)
	}
	d.key = "k1"
	if got := d.body("create Book", `{"data":{"title":"One","pages":1}}`); strings.Contains(got, "pages") || !strings.Contains(got, "One") {
		d.Errorf("the replay shows too much: %s", got)
	}
	d.guard = d.onlyTitled("Two")
	d.fails(fault.Forbidden, "create Book", `{"data":{"title":"One","pages":1}}`)
}

// closed is a Guard that knows none of the entities, as one that was compiled
// for the Catalog before: it closes everything, even the id.
type closed struct{}

func (closed) Rows(*schema.Entity, mesh.Class) query.Expr { return query.Const(false) }
func (closed) Readable(*schema.Column) bool               { return false }
func (closed) View(*schema.Entity) string                 { return "\x00" }
func (closed) After(*schema.Entity, schema.Row, schema.Row) error {
	return fault.New(fault.Unavailable, "another catalog")
}

func guardClosed(d *db) {
	shelf(d)
	d.want("count Book", `{}`, `2`)
	at := d.seq()
	d.guard = closed{}
	d.want("findAll Book", `{}`, `[]`)
	d.want("findById Book", `{"id":"b1"}`, `null`)
	d.want("findById Author", `{"id":"a1","relations":"books"}`, `null`)
	d.want("count Book", `{}`, `0`)
	d.want("search Book", `{"query":"One"}`, `[]`)
	d.want("update Book", `{"id":"b1","data":{"pages":1}}`, `null`)
	d.want("delete Book", `{"id":"b1"}`, `false`)
	d.want("deleteMany Book", `{"filter":{}}`, `0`)
	d.fails(fault.InvalidFilter, "findAll Book", `{"filter":{"title":"One"}}`)
	d.fails(fault.Unavailable, "create Genre", `{"data":{"name":"new"}}`)
	d.wantLog(at)
	d.want("changes _project", `{"position":"`+d.conn.Epoch()+`-0"}`, `[]`)
}
