package storetest

import (
	"fmt"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
)

// shelf makes authors a1 and a2, publisher p, shelf s, genres g1 to g3 and the
// books b1 (of a1, edited by a2, of p, on s, g1 and g2) and b2 (of a1, g2).
func shelf(d *db) {
	d.Helper()
	d.do("create Author", `{"data":{"id":"a1","name":"Ada"}}`, "create Author", `{"data":{"id":"a2","name":"Bob"}}`,
		"create Publisher", `{"data":{"id":"p","name":"P"}}`, "create Shelf", `{"data":{"id":"s","place":"left"}}`)
	for _, g := range []string{"g1", "g2", "g3"} {
		d.do("create Genre", `{"data":{"id":"`+g+`","name":"`+g+`"}}`)
	}
	d.do("create Book", `{"data":{"id":"b1","title":"One","author":"a1","editor":"a2","publisher":"p","shelf":"s","genres":["g2","g1"]}}`,
		"create Book", `{"data":{"id":"b2","title":"Two","author":"a1","genres":"g2"}}`)
}

func references(d *db) {
	shelf(d)
	d.wantIDs("findAll Book", `{"filter":{"author":"a1"}}`, "b1 b2")
	d.wantIDs("findAll Book", `{"filter":{"editor":null}}`, "b2")
	d.want("update Book", `{"id":"b1","data":{"editor":""},"select":"editor"}`, `{"id":"b1","_version":2,"editor":null}`)
	d.want("update Book", `{"id":"b1","data":{"editor":{"id":"a1","name":"whatever"}},"select":"editor"}`, `{"id":"b1","_version":3,"editor":"a1"}`)
	f := d.refusal(fault.ValidationError, "update Book", `{"id":"b1","data":{"editor":"nobody","publisher":"nowhere"}}`)
	if got := problemFields(f); got != "editor publisher" {
		d.Errorf("details name [%s]", got)
	}
	d.fails(fault.ValidationError, "create Book", `{"data":{"title":"x","author":"a b"}}`)
	d.fails(fault.ValidationError, "create Book", `{"data":{"title":"x","author":7}}`)
	d.fails(fault.ValidationError, "create Book", `{"data":{"title":"x","genres":["g1","nope"]}}`)
	d.fails(fault.ValidationError, "create Author", `{"data":{"name":"x","books":["b1"]}}`)
	d.want("update Author", `{"id":"a1","data":{"books":[]},"select":"id"}`, `{"id":"a1","_version":1}`)
	d.want("count Book", `{}`, `2`)
}

func populate(d *db) {
	shelf(d)
	d.want("findById Book", `{"id":"b1","relations":["publisher","shelf"],"select":"title,editor,genres"}`,
		`{"id":"b1","_version":1,"title":"One","editor":"a2","publisher":{"id":"p","_version":1,"name":"P","city":null},"shelf":{"id":"s","_version":1,"place":"left"},"genres":[]}`)
	d.want("findAll Book", `{"include":"publisher, genres","select":"id"}`,
		`[{"id":"b1","_version":1,"publisher":{"id":"p","_version":1,"name":"P","city":null},"genres":[{"id":"g1","_version":1,"name":"g1","books":[]},{"id":"g2","_version":1,"name":"g2","books":[]}]},`+
			`{"id":"b2","_version":1,"publisher":null,"genres":[{"id":"g2","_version":1,"name":"g2","books":[]}]}]`)
	d.want("findOne Author", `{"filter":{"id":"a1"},"relations":["books"],"select":"name"}`,
		`{"id":"a1","_version":1,"name":"Ada","books":[`+
			`{"id":"b1","_version":1,"title":"One","pages":null,"price":null,"author":"a1","editor":"a2","publisher":"p","shelf":"s","genres":[],"reviews":[]},`+
			`{"id":"b2","_version":1,"title":"Two","pages":null,"price":null,"author":"a1","editor":null,"publisher":null,"shelf":null,"genres":[],"reviews":[]}]}`)
	d.want("findOne Author", `{"filter":{"id":"a2"},"relations":["books","agent"],"select":"name"}`, `{"id":"a2","_version":1,"name":"Bob","agent":null,"books":[]}`)
	// The other side of a many-to-many relation.
	d.want("findById Genre", `{"id":"g2","relations":"books","select":"name"}`,
		`{"id":"g2","_version":1,"name":"g2","books":[`+
			`{"id":"b1","_version":1,"title":"One","pages":null,"price":null,"author":"a1","editor":"a2","publisher":"p","shelf":"s","genres":[],"reviews":[]},`+
			`{"id":"b2","_version":1,"title":"Two","pages":null,"price":null,"author":"a1","editor":null,"publisher":null,"shelf":null,"genres":[],"reviews":[]}]}`)
	d.want("update Publisher", `{"id":"p","data":{"city":"X"}}`, `{"id":"p","_version":2,"name":"P","city":"X"}`)
	d.want("update Book", `{"id":"b1","data":{"pages":7},"relations":"publisher","select":"pages"}`,
		`{"id":"b1","_version":2,"pages":7,"publisher":{"id":"p","_version":2,"name":"P","city":"X"}}`)
	d.want("search Book", `{"query":"two","relations":"publisher","select":"title"}`, `[{"id":"b2","_version":1,"title":"Two","publisher":null}]`)
	for _, bad := range []string{`"nope"`, `["author.nope"]`, `"title"`, `["author.agent.agent.agent.agent.agent"]`, `""`} {
		if bad == `""` {
			d.do("findAll Book", `{"relations":`+bad+`}`)
			continue
		}
		d.fails(fault.InvalidFilter, "findAll Book", `{"relations":`+bad+`}`)
	}
	d.fails(fault.InvalidRequest, "findAll Book", `{"relations":7}`)
}

func populateNested(d *db) {
	shelf(d)
	d.do("create Review", `{"data":{"id":"r1","book":"b1","stars":5}}`, "create Review", `{"data":{"id":"r2","book":"b1","stars":1}}`,
		"update Author", `{"id":"a2","data":{"agent":"a1"}}`)
	agent := `{"id":"a1","_version":1,"name":"Ada","email":null,"age":null,"rank":"silver","tags":null,"agent":null,"books":[],"createdAt":` + t0 + `,"updatedAt":` + t0 + `}`
	editor := `{"id":"a2","_version":2,"name":"Bob","email":null,"age":null,"rank":"silver","tags":null,"agent":` + agent + `,"books":[],"createdAt":` + t1 + `,"updatedAt":"2026-01-02T03:04:16.000Z"}`
	book := `{"id":"b1","_version":1,"title":"One","pages":null,"price":null,"author":"a1","editor":` + editor + `,"publisher":"p","shelf":"s",` +
		`"genres":[{"id":"g1","_version":1,"name":"g1","books":[]},{"id":"g2","_version":1,"name":"g2","books":[]}],"reviews":[]}`
	d.want("findAll Review", `{"relations":["book.editor.agent","book.genres"],"select":"stars"}`,
		`[{"id":"r1","_version":1,"stars":5,"book":`+book+`},{"id":"r2","_version":1,"stars":1,"book":`+book+`}]`)
}

func populateEager(d *db) {
	shelf(d)
	d.want("create Loan", `{"data":{"id":"l","book":"b1","readers":["a1"]}}`, `{"id":"l","_version":1,"note":null,"book":{"id":"b1","_version":1,"title":"One"},"readers":[]}`)
	d.want("findById Loan", `{"id":"l"}`, `{"id":"l","_version":1,"note":null,"book":{"id":"b1","_version":1,"title":"One"},"readers":[]}`)
	d.want("findById Loan", `{"id":"l","select":"note"}`, `{"id":"l","_version":1,"note":null}`)
	d.want("findById Loan", `{"id":"l","relations":"book.publisher","select":"note"}`, `{"id":"l","_version":1,"note":null,"book":{"id":"b1","_version":1,"title":"One","publisher":{"id":"p","_version":1,"name":"P","city":null}}}`)
	if c := d.changesAfter(d.seq() - 1)[0]; !strings.Contains(string(c.After), `"book":"b1"`) {
		d.Errorf("the change log keeps references as ids: %s", c.After)
	}
}

func manyToMany(d *db) {
	shelf(d)
	genres := func(want string) {
		d.Helper()
		d.want("findById Book", `{"id":"b2","relations":"genres","select":"id"}`, want)
	}
	link := func(ids ...string) string {
		var out []string
		for _, id := range ids {
			out = append(out, `{"id":"`+id+`","_version":1,"name":"`+id+`","books":[]}`)
		}
		return `"genres":[` + strings.Join(out, ",") + `]}`
	}
	genres(`{"id":"b2","_version":1,` + link("g2"))
	at := d.seq()
	d.do("update Book", `{"id":"b2","data":{"genres":["g3","g2","g3"]}}`)
	genres(`{"id":"b2","_version":2,` + link("g2", "g3"))
	d.do("update Book", `{"id":"b2","data":{"genres":["g2","g3"]}}`) // the same set: nothing happens
	d.do("update Book", `{"id":"b2","data":{"genres":"g1, g3","pages":5}}`)
	genres(`{"id":"b2","_version":3,` + link("g1", "g3"))
	d.do("update Book", `{"id":"b2","data":{"genres":null}}`)
	genres(`{"id":"b2","_version":4,` + link())
	d.do("update Genre", `{"id":"g1","data":{"books":["b1","b2"]}}`) // from the other side
	genres(`{"id":"b2","_version":4,` + link("g1")[:len(link("g1"))-len(`,"name":"g1","books":[]}]}`)-1] + `2,"name":"g1","books":[]}]}`)
	d.wantLog(at, "updated Book b2 2", "updated Book b2 3", "updated Book b2 4", "updated Genre g1 2")
	c := d.changesAfter(at)
	if strings.Join(c[0].Changed, " ") != "genres" || strings.Join(c[1].Changed, " ") != "pages genres" {
		d.Errorf("changed: %v, %v", c[0].Changed, c[1].Changed)
	}
}

func deletion(d *db) {
	d.do("create Shelf", `{"data":{"id":"s","place":"x"}}`)
	d.wantBody("delete Shelf", `{"id":"s"}`, `{"status":"ok","data":true,"metadata":{"position":"E-2"}}`)
	d.wantBody("delete Shelf", `{"id":"s"}`, `{"status":"ok","data":false,"metadata":{"position":"E-2"}}`)
	d.want("findById Shelf", `{"id":"s"}`, `null`)
	c := d.changesAfter(1)
	if len(c) != 1 || c[0].Verb != "deleted" || string(c[0].After) != `{"id":"s","_version":1,"place":"x"}` || c[0].Version != 2 {
		d.Errorf("the change: %q %s", d.log(1), c[0].After)
	}
	d.want("create Shelf", `{"data":{"id":"s"}}`, `{"id":"s","_version":1,"place":null}`)
}

func cascade(d *db) {
	shelf(d)
	d.do("update Book", `{"id":"b2","data":{"editor":"a1"}}`, // both of its references point at a1
		"create Review", `{"data":{"id":"r1","book":"b1"}}`, "create Author", `{"data":{"id":"a3","name":"C","agent":"a1"}}`)
	at := d.seq()
	d.want("delete Author", `{"id":"a1"}`, `true`)
	d.wantLog(at, "updated Author a3 2", "deleted Review r1 2", "deleted Book b1 2", "deleted Book b2 3", "deleted Author a1 2")
	d.want("count Book", `{}`, `0`)
	d.want("findById Genre", `{"id":"g2","relations":"books","select":"id"}`, `{"id":"g2","_version":1,"books":[]}`)
	// A circle of references ends.
	d.do("create Note", `{"data":{"id":"x"}}`, "create Note", `{"data":{"id":"y","parent":"x"}}`, "update Note", `{"id":"x","data":{"parent":"y"}}`)
	at = d.seq()
	d.want("delete Note", `{"id":"x"}`, `true`)
	d.wantLog(at, "deleted Note y 2", "deleted Note x 3")
}

func setNull(d *db) {
	shelf(d)
	at := d.seq()
	d.want("delete Author", `{"id":"a2"}`, `true`)
	d.wantLog(at, "updated Book b1 2", "deleted Author a2 2")
	d.want("findById Book", `{"id":"b1","select":"editor"}`, `{"id":"b1","_version":2,"editor":null}`)
	c := d.changesAfter(at)[0]
	if strings.Join(c.Changed, " ") != "editor" || string(c.Old) != `{"_version":1,"editor":"a2"}` {
		d.Errorf("the change: %v %s", c.Changed, c.Old)
	}
}

func restrict(d *db) {
	shelf(d)
	at := d.seq()
	f := d.refusal(fault.Conflict, "delete Publisher", `{"id":"p"}`)
	if m, ok := f.Details.(map[string]string); !ok || m["entity"] != "Book" || m["id"] != "b1" || m["relation"] != "publisher" {
		d.Errorf("details: %v", f.Details)
	}
	d.do("create Loan", `{"data":{"id":"l","readers":["a2"]}}`)
	d.fails(fault.Conflict, "delete Author", `{"id":"a2"}`)
	d.fails(fault.Conflict, "deleteMany Publisher", `{"filter":{}}`)
	d.wantLog(at, "created Loan l 1")
	d.do("delete Book", `{"id":"b1"}`, "delete Loan", `{"id":"l"}`)
	d.want("delete Publisher", `{"id":"p"}`, `true`)
	d.want("delete Author", `{"id":"a2"}`, `true`)
}

func noAction(d *db) {
	shelf(d)
	at := d.seq()
	d.want("delete Shelf", `{"id":"s"}`, `true`)
	d.wantLog(at, "deleted Shelf s 2")
	d.want("findById Book", `{"id":"b1","select":"shelf"}`, `{"id":"b1","_version":1,"shelf":"s"}`)
	d.want("findById Book", `{"id":"b1","select":"id","relations":"shelf"}`, `{"id":"b1","_version":1,"shelf":null}`)
}

func linksGo(d *db) {
	shelf(d)
	at := d.seq()
	d.want("delete Genre", `{"id":"g2"}`, `true`)
	d.wantLog(at, "updated Book b1 2", "updated Book b2 2", "deleted Genre g2 2")
	d.want("findById Book", `{"id":"b1","relations":"genres","select":"id"}`, `{"id":"b1","_version":2,"genres":[{"id":"g1","_version":1,"name":"g1","books":[]}]}`)
	d.do("create Genre", `{"data":{"id":"g2"}}`)
	d.want("findById Genre", `{"id":"g2","relations":"books"}`, `{"id":"g2","_version":1,"name":null,"books":[]}`)
	at = d.seq()
	d.want("delete Book", `{"id":"b1"}`, `true`) // the links are its own: no genre changes
	d.wantLog(at, "deleted Book b1 3")
}

func softDelete(d *db) {
	d.do("create Shelf", `{"data":{"id":"s"}}`, "create Note", `{"data":{"id":"n","text":"x","code":"c","on":"s"}}`, "create Note", `{"data":{"id":"m","parent":"n"}}`)
	at := d.seq()
	d.want("delete Note", `{"id":"n"}`, `true`)
	d.wantLog(at, "deleted Note m 2", "deleted Note n 2")
	if c := d.changesAfter(at)[1]; string(c.Old) != `{"_version":1,"deletedAt":null}` || !strings.Contains(string(c.After), `"deletedAt":"2026`) {
		d.Errorf("the change: %s %s", c.Old, c.After)
	}
	for _, args := range []string{`{}`, `{"filter":{"id":"n"}}`, `{"filter":{"$or":[{"text":"x"},{"code":"c"}]}}`} {
		d.want("count Note", args, `0`)
		d.wantIDs("findAll Note", args, "")
	}
	d.want("findById Note", `{"id":"n"}`, `null`)
	d.wantIDs("search Note", `{"query":"x"}`, "")
	d.want("aggregate Note", `{"stages":[{"$group":{"_by":null,"n":{"$count":true}}}]}`, `[{"n":0}]`)
	d.wantIDs("findAll Note", `{"includeDeleted":true}`, "m n")
	d.wantIDs("findAll Note", `{"options":{"includeDeleted":true}}`, "m n")
	d.wantIDs("findAll Note", `{"filter":{"deletedAt":{"$ne":null}}}`, "m n")
	d.want("findById Note", `{"id":"n","includeDeleted":true,"select":"text,deletedAt"}`, `{"id":"n","_version":2,"text":"x","deletedAt":"2026-01-02T03:04:08.000Z"}`)
	// What is deleted stays as it is.
	d.want("update Note", `{"id":"n","data":{"text":"y"}}`, `null`)
	d.want("delete Note", `{"id":"n"}`, `false`)
	d.want("increment Kind", `{"id":"k","field":"i","amount":1,"select":"i"}`, `{"id":"k","_version":1,"i":1}`)
	d.wantBody("updateMany Note", `{"filter":{},"data":{"text":"y"}}`, fmt.Sprintf(`{"status":"ok","metadata":{"count":0,"position":"E-%d"}}`, d.seq()))
	d.want("deleteMany Note", `{"filter":{},"includeDeleted":true}`, `0`)
	d.do("updateMany Note", `{"filter":{"deletedAt":{"$ne":null}},"data":{"text":"y"}}`, "updateMany Note", `{"filter":{},"includeDeleted":true,"data":{"text":"y"}}`)
	d.want("deleteMany Note", `{"filter":{"deletedAt":{"$ne":null}}}`, `0`)
	d.want("delete Shelf", `{"id":"s"}`, `true`)
	d.want("findById Note", `{"id":"n","includeDeleted":true,"select":"text,on"}`, `{"id":"n","_version":2,"text":"x","on":"s"}`)
	// Its unique values are free again, its id is not, and nobody can refer to it.
	d.do("create Note", `{"data":{"id":"o","code":"c"}}`)
	d.fails(fault.Conflict, "create Note", `{"data":{"id":"n"}}`)
	d.fails(fault.Conflict, "upsert Note", `{"filter":{"id":"n"},"data":{"text":"y"}}`)
	d.fails(fault.ValidationError, "create Note", `{"data":{"parent":"n"}}`)
}

func discriminator(d *db) {
	d.want("create Cat", `{"data":{"id":"c","name":"Tom"}}`, `{"id":"c","_version":1,"name":"Tom","lives":9}`)
	d.want("create Dog", `{"data":{"id":"d","name":"Rex","kind":"dog"}}`, `{"id":"d","_version":1,"name":"Rex"}`)
	d.fails(fault.ValidationError, "create Dog", `{"data":{"kind":"cat"}}`)
	d.wantIDs("findAll Cat", `{}`, "c")
	d.wantIDs("findAll Dog", `{}`, "d")
	d.want("count Cat", `{}`, `1`)
	d.want("findById Cat", `{"id":"d"}`, `null`)
	d.want("update Cat", `{"id":"d","data":{"name":"x"}}`, `null`)
	d.want("delete Cat", `{"id":"d"}`, `false`)
	d.want("deleteMany Cat", `{"filter":{}}`, `1`)
	d.wantIDs("findAll Dog", `{}`, "d")
	d.want("aggregate Dog", `{"stages":[{"$group":{"_by":null,"n":{"$count":true}}}]}`, `[{"n":1}]`)
	d.fails(fault.InvalidFilter, "findAll Dog", `{"filter":{"kind":"cat"}}`)
}

func hidden(d *db) {
	d.want("create Author", `{"data":{"id":"a","name":"A","pin":"1234"},"select":"name"}`, `{"id":"a","_version":1,"name":"A"}`)
	for _, what := range []string{"findById Author", "findAll Author", "findOne Author"} {
		args := `{"filter":{"id":"a"}}`
		if what == "findById Author" {
			args = `{"id":"a"}`
		}
		if body := d.body(what, args); strings.Contains(body, "pin") || strings.Contains(body, "1234") {
			d.Errorf("%s shows it: %s", what, body)
		}
	}
	d.want("update Author", `{"id":"a","data":{"pin":"5678"},"select":"id"}`, `{"id":"a","_version":2}`)
	// Who guesses it right learns nothing by it.
	d.want("update Author", `{"id":"a","data":{"pin":"5678"},"select":"id"}`, `{"id":"a","_version":3}`)
	for _, c := range d.changesAfter(0) {
		if s := string(c.After) + string(c.Old) + strings.Join(c.Changed, ","); strings.Contains(s, "pin") || strings.Contains(s, "1234") {
			d.Errorf("the change log has it: %s", s)
		}
	}
	for _, args := range []string{`{"filter":{"pin":"5678"}}`, `{"sort":"pin"}`, `{"select":["pin"]}`, `{"filter":{"$or":[{"pin":{"$gt":"0"}}]}}`} {
		d.fails(fault.InvalidFilter, "findAll Author", args)
	}
	d.fails(fault.InvalidFilter, "search Author", `{"query":"5","searchFields":["pin"]}`)
	d.wantIDs("search Author", `{"query":"5678"}`, "")
	d.fails(fault.InvalidFilter, "upsert Author", `{"filter":{"pin":"5678"},"data":{"name":"x"}}`)
	d.fails(fault.ValidationError, "addToSet Author", `{"id":"a","field":"pin","value":"x"}`)
}
