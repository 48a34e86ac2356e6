package storetest

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store"
)

// problemFields names the fields of a VALIDATION_ERROR's details.
func problemFields(f *fault.Error) string {
	list, _ := f.Details.([]store.Problem)
	var out []string
	for _, p := range list {
		out = append(out, p.Field)
	}
	return strings.Join(out, " ")
}

func update(d *db) {
	d.do("create Author", `{"data":{"id":"a","name":"Ada","age":36,"tags":["x"]}}`)
	d.wantBody("update Author", `{"id":"a","data":{"age":37,"tags":null}}`,
		`{"status":"ok","data":{"id":"a","_version":2,"name":"Ada","email":null,"age":37,"rank":"silver","tags":null,"agent":null,"books":[],"createdAt":`+t0+`,"updatedAt":`+t1+`},"metadata":{"position":"E-2"}}`)
	d.wantBody("update Author", `{"id":"b","data":{"age":1}}`, `{"status":"ok","data":null,"metadata":{"position":"E-2"}}`)
	d.want("update Author", `{"id":"a","data":{"id":"a","name":" Ada L "},"select":["name"]}`, `{"id":"a","_version":3,"name":"Ada L"}`)
	d.fails(fault.ValidationError, "update Author", `{"id":"a","data":{"id":"b"}}`)
	d.fails(fault.MissingID, "update Author", `{"data":{"age":1}}`)
	d.fails(fault.MissingData, "update Author", `{"id":"a"}`)
	d.fails(fault.InvalidFilter, "update Author", `{"id":"a","data":{"age":1},"select":"nope"}`)
	d.fails(fault.InvalidFilter, "update Author", `{"id":"a","data":{"age":1},"relations":"nope"}`)
	c := d.changesAfter(1)
	if len(c) != 2 || strings.Join(c[0].Changed, " ") != "age tags" ||
		string(c[0].Old) != `{"_version":1,"age":36,"tags":["x"],"updatedAt":`+t0+`}` || c[0].Version != 2 {
		d.Errorf("the change: %v %s", c[0].Changed, c[0].Old)
	}
	if c[0].Principal != "k:test" || c[0].RequestID != "r1" || c[0].Transport != "rest" || c[0].At.UnixMilli() != start+1000 {
		d.Errorf("the change does not say who, how and when: %+v", c[0])
	}
}

func noChange(d *db) {
	d.do("create Author", `{"data":{"id":"a","name":"Ada","tags":["x"]}}`)
	want := `{"status":"ok","data":{"id":"a","_version":1,"name":"Ada"},"metadata":{"position":"E-1"}}`
	for _, what := range []string{
		`update Author {"id":"a","data":{"name":" Ada"},"select":"name"}`,
		`update Author {"id":"a","data":{},"select":"name"}`,
		`addToSet Author {"id":"a","field":"tags","value":"x","select":"name"}`,
		`pull Author {"id":"a","field":"tags","value":"y","select":"name"}`,
		`upsert Author {"filter":{"id":"a"},"data":{"name":"Ada"},"select":"name"}`,
	} {
		op, rest, _ := strings.Cut(what, " {")
		d.wantBody(op, "{"+rest, want)
	}
	d.wantLog(0, "created Author a 1")
}

func versions(d *db) {
	d.do("create Author", `{"data":{"id":"a","name":"Ada","age":1,"tags":["x"]}}`)
	d.want("update Author", `{"id":"a","expectedVersion":1,"data":{"age":2},"select":"age"}`, `{"id":"a","_version":2,"age":2}`)
	f := d.refusal(fault.Conflict, "update Author", `{"id":"a","expectedVersion":1,"data":{"age":3}}`)
	if m, ok := f.Details.(map[string]int64); !ok || m["expected"] != 1 || m["actual"] != 2 {
		d.Errorf("details: %v", f.Details)
	}
	d.fails(fault.Conflict, "delete Author", `{"id":"a","expectedVersion":1}`)
	d.fails(fault.Conflict, "increment Author", `{"id":"a","expectedVersion":3,"field":"age","amount":1}`)
	d.fails(fault.Conflict, "addToSet Author", `{"id":"a","expectedVersion":3,"field":"tags","value":"y"}`)
	d.fails(fault.Conflict, "upsert Author", `{"filter":{"id":"a"},"expectedVersion":3,"data":{"age":9}}`)
	d.fails(fault.InvalidRequest, "update Author", `{"id":"a","expectedVersion":0,"data":{}}`)
	d.fails(fault.InvalidRequest, "update Author", `{"id":"a","expectedVersion":"x","data":{}}`)
	d.fails(fault.Conflict, "upsert Author", `{"filter":{"id":"new"},"expectedVersion":3,"data":{"name":"N"}}`)
	d.fails(fault.Conflict, "increment Kind", `{"id":"new","expectedVersion":3,"field":"i","amount":1}`)
	d.want("update Author", `{"id":"nobody","expectedVersion":7,"data":{"age":3}}`, `null`)
	d.want("delete Author", `{"id":"a","expectedVersion":2}`, `true`)
}

// A record that was read may be written back whole.
func managedMembers(d *db) {
	d.do("create Author", `{"data":{"id":"a","name":"Ada","_version":7,"createdAt":"1999-01-01","updatedAt":"1999-01-01"}}`)
	whole := d.data("findById Author", `{"id":"a"}`)
	if !strings.Contains(whole, `"_version":1`) || !strings.Contains(whole, `"createdAt":`+t0) {
		d.Errorf("the client made up version or times: %s", whole)
	}
	d.want("update Author", `{"id":"a","data":`+strings.Replace(whole, "Ada", "Eve", 1)+`,"select":"name,updatedAt"}`,
		`{"id":"a","_version":2,"name":"Eve","updatedAt":"2026-01-02T03:04:07.000Z"}`)
	d.do("create Note", `{"data":{"id":"n"}}`, "update Note", `{"id":"n","data":{"text":"x","deletedAt":null}}`)
	d.fails(fault.ValidationError, "update Note", `{"id":"n","data":{"deletedAt":"2020-01-01"}}`)
}

func upsert(d *db) {
	d.wantBody("upsert Author", `{"filter":{"email":"a@x","rank":"gold","age":{"$gt":1},"id":"a"},"data":{"name":"Ada","rank":"silver"}}`,
		`{"status":"ok","data":{"id":"a","_version":1,"name":"Ada","email":"a@x","age":null,"rank":"silver","tags":null,"agent":null,"books":[],"createdAt":`+t0+`,"updatedAt":`+t0+`},"metadata":{"position":"E-1"}}`)
	d.want("upsert Author", `{"filter":{"email":"a@x"},"data":{"age":5},"select":"age"}`, `{"id":"a","_version":2,"age":5}`)
	c := d.changesAfter(0)
	if len(c) != 2 || c[0].Verb != "upserted" || !c[0].Inserted || c[1].Verb != "upserted" || c[1].Inserted {
		d.Errorf("the changes: %q", d.log(0))
	}
	// Several match: the first one by id.
	d.do("create Author", `{"data":{"id":"b","name":"Ada"}}`)
	d.want("upsert Author", `{"filter":{"name":"Ada"},"data":{"age":6},"select":"age"}`, `{"id":"a","_version":3,"age":6}`)
	d.fails(fault.MissingParams, "upsert Author", `{"data":{"name":"x"}}`)
	d.fails(fault.ValidationError, "upsert Author", `{"filter":{"name":"x","agent":"nobody"},"data":{}}`)
	d.fails(fault.ValidationError, "upsert Author", `{"filter":{"age":77},"data":{}}`) // name is required
	d.fails(fault.ValidationError, "upsert Author", `{"filter":{"id":"a"},"data":{"id":"z"}}`)
	d.want("count Author", `{}`, `2`)
	// By id alone.
	d.want("upsert Author", `{"filter":{"id":"q"},"data":{"name":"Q"},"select":"name"}`, `{"id":"q","_version":1,"name":"Q"}`)
	d.want("upsert Author", `{"filter":{"id":{"$eq":"q"}},"data":{"age":7},"select":"name,age"}`, `{"id":"q","_version":2,"name":"Q","age":7}`)
}

func increment(d *db) {
	d.do("create Kind", `{"data":{"id":"k","i":1,"n":1.5,"c":0.1}}`)
	d.want("increment Kind", `{"id":"k","field":"i","amount":41,"select":"i"}`, `{"id":"k","_version":2,"i":42}`)
	d.want("increment Kind", `{"id":"k","field":"n","amount":-2,"select":"n"}`, `{"id":"k","_version":3,"n":-0.5}`)
	d.want("increment Kind", `{"id":"k","field":"c","amount":0.2,"select":"c"}`, `{"id":"k","_version":4,"c":0.3}`)
	d.want("increment Kind", `{"id":"k","field":"f","amount":2,"select":"f"}`, `{"id":"k","_version":5,"f":2}`)
	// Octonet: an id that is not there is created.
	d.want("increment Kind", `{"id":"new","field":"i","amount":3,"select":"i"}`, `{"id":"new","_version":1,"i":3}`)
	d.fails(fault.ValidationError, "increment Author", `{"id":"new","field":"age","amount":3}`)
	d.fails(fault.ValidationError, "increment Kind", `{"id":"k","field":"i","amount":9223372036854775807}`)
	d.fails(fault.ValidationError, "increment Kind", `{"id":"k","field":"i","amount":1.5}`)
	d.fails(fault.ValidationError, "increment Kind", `{"id":"k","field":"s","amount":1}`)
	d.fails(fault.ValidationError, "increment Kind", `{"id":"k","field":"_version","amount":1}`)
	d.fails(fault.ValidationError, "increment Kind", `{"id":"k","field":"nope","amount":1}`)
	d.fails(fault.MissingParams, "increment Kind", `{"id":"k","field":"i"}`)
	d.do("create Author", `{"data":{"id":"a","name":"Ada","age":149}}`)
	d.fails(fault.ValidationError, "increment Author", `{"id":"a","field":"age","amount":2}`)
}

func sets(d *db) {
	d.do("create Author", `{"data":{"id":"a","name":"Ada"}}`)
	d.want("addToSet Author", `{"id":"a","field":"tags","value":"x","select":"tags"}`, `{"id":"a","_version":2,"tags":["x"]}`)
	d.want("addToSet Author", `{"id":"a","field":"tags","value":"y","select":"tags"}`, `{"id":"a","_version":3,"tags":["x","y"]}`)
	d.want("addToSet Author", `{"id":"a","field":"tags","value":"x","select":"tags"}`, `{"id":"a","_version":3,"tags":["x","y"]}`)
	d.want("pull Author", `{"id":"a","field":"tags","value":"x","select":"tags"}`, `{"id":"a","_version":4,"tags":["y"]}`)
	d.want("pull Author", `{"id":"a","field":"tags","value":"y","select":"tags"}`, `{"id":"a","_version":5,"tags":[]}`)
	d.want("addToSet Author", `{"id":"nobody","field":"tags","value":"x"}`, `null`)
	d.want("pull Author", `{"id":"nobody","field":"tags","value":"x"}`, `null`)
	d.fails(fault.ValidationError, "addToSet Author", `{"id":"a","field":"tags","value":1}`)
	d.fails(fault.ValidationError, "addToSet Author", `{"id":"a","field":"name","value":"x"}`)
	d.fails(fault.ValidationError, "addToSet Author", `{"id":"a","field":"books","value":"x"}`)
	d.fails(fault.MissingParams, "addToSet Author", `{"id":"a","field":"tags"}`)
	// Members are equal when their text is: any JSON can be one.
	d.do("create Kind", `{"data":{"id":"k","a":[1,{"x":1}]}}`)
	d.want("pull Kind", `{"id":"k","field":"a","value":{ "x": 1 },"select":"a"}`, `{"id":"k","_version":2,"a":[1]}`)
	d.want("addToSet Kind", `{"id":"k","field":"a","value":[1],"select":"a"}`, `{"id":"k","_version":3,"a":[1,[1]]}`)
	// A many-to-many relation is a set too.
	d.do("create Genre", `{"data":{"id":"g1"}}`, "create Genre", `{"data":{"id":"g2"}}`, "create Book", `{"data":{"id":"b","title":"T"}}`)
	d.want("addToSet Book", `{"id":"b","field":"genres","value":"g2","select":"genres"}`, `{"id":"b","_version":2,"genres":[]}`)
	d.want("addToSet Book", `{"id":"b","field":"genres","value":"g1","relations":"genres","select":"genres"}`,
		`{"id":"b","_version":3,"genres":[{"id":"g1","_version":1,"name":null,"books":[]},{"id":"g2","_version":1,"name":null,"books":[]}]}`)
	d.want("pull Book", `{"id":"b","field":"genres","value":"g2","select":"id"}`, `{"id":"b","_version":4}`)
	d.want("pull Book", `{"id":"b","field":"genres","value":"g2","select":"id"}`, `{"id":"b","_version":4}`)
	d.fails(fault.ValidationError, "addToSet Book", `{"id":"b","field":"genres","value":"nope"}`)
}

func manyAtOnce(d *db) {
	for _, id := range []string{"1", "2", "3"} {
		d.do("create Author", `{"data":{"id":"a`+id+`","name":"A","age":`+id+`}}`)
	}
	d.wantBody("updateMany Author", `{"filter":{"age":{"$gte":2}},"data":{"age":2}}`, `{"status":"ok","metadata":{"count":2,"position":"E-4"}}`)
	d.wantBody("updateMany Author", `{"filter":{"age":99},"data":{"age":2}}`, `{"status":"ok","metadata":{"count":0,"position":"E-4"}}`)
	d.fails(fault.MissingParams, "updateMany Author", `{"data":{"age":2}}`)
	d.fails(fault.MissingParams, "updateMany Author", `{"filter":null,"data":{"age":2}}`)
	d.fails(fault.MissingParams, "deleteMany Author", `{}`)
	d.fails(fault.InvalidFilter, "deleteMany Author", `{"filter":{"nope":1}}`)
	d.fails(fault.InvalidFilter, "deleteMany Author", `{"filter":{"age":{"$nope":1}}}`)
	d.fails(fault.ValidationError, "updateMany Author", `{"filter":{},"data":{"id":"x"}}`)
	d.wantBody("deleteMany Author", `{"filter":{"age":2}}`, `{"status":"ok","data":2,"metadata":{"count":2,"position":"E-6"}}`)
	d.wantBody("deleteMany Author", `{"filter":{}}`, `{"status":"ok","data":1,"metadata":{"count":1,"position":"E-7"}}`)
	d.wantLog(3, "updated Author a3 2", "deleted Author a2 2", "deleted Author a3 3", "deleted Author a1 2")
	// One of them failing undoes all.
	d.do("create Author", `{"data":{"id":"b1","name":"A"}}`, "create Author", `{"data":{"id":"b2","name":"A"}}`)
	d.fails(fault.Conflict, "updateMany Author", `{"filter":{},"data":{"email":"same@x"}}`)
	d.wantIDs("findAll Author", `{"filter":{"email":null}}`, "b1 b2")
}
