package storetest

import (
	"fmt"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// people makes authors p1 … p6 with ages 10, 20, 20, 30, null and null.
func people(d *db) {
	d.Helper()
	for i, age := range []string{"10", "20", "20", "30", "null", "null"} {
		d.do("create Author", fmt.Sprintf(`{"data":{"id":"p%d","name":"%c","age":%s,"rank":%q}}`, i+1, "abCDeF"[i], age, []string{"gold", "silver"}[i%2]))
	}
}

func filter(d *db) {
	people(d)
	for _, c := range []struct{ filter, want string }{
		{`{}`, "p1 p2 p3 p4 p5 p6"},
		{`{"age":20}`, "p2 p3"},
		{`{"age":{"$eq":20}}`, "p2 p3"},
		{`{"age":{"$ne":20}}`, "p1 p4 p5 p6"},
		{`{"age":{"$gt":20}}`, "p4"},
		{`{"age":{"$gte":20,"$lt":30}}`, "p2 p3"},
		{`{"age":{"$lte":10}}`, "p1"},
		{`{"age":{"$in":[10,30]}}`, "p1 p4"},
		{`{"age":{"$in":[10,null]}}`, "p1 p5 p6"},
		{`{"age":{"$in":[]}}`, ""},
		{`{"age":{"$nin":[10,30]}}`, "p2 p3 p5 p6"},
		{`{"age":{"$nin":[]}}`, "p1 p2 p3 p4 p5 p6"},
		{`{"age":{"$not":{"$gt":10}}}`, "p1 p5 p6"},
		{`{"name":{"$regex":"^[a-c]"}}`, "p1 p2"},
		{`{"name":{"$regex":"^[a-c]","$regexFlags":"i"}}`, "p1 p2 p3"},
		{`{"name":{"$regex":"a|F"}}`, "p1 p6"},
		{`{"$or":[{"age":10},{"age":30}]}`, "p1 p4"},
		{`{"$or":[]}`, "p1 p2 p3 p4 p5 p6"},
		{`{"$and":[{"age":20},{"rank":"gold"}]}`, "p3"},
		{`{"age":20,"$or":[{"rank":"silver"},{"name":"x"}]}`, "p2"},
		{`{"id":{"$in":["p6","p1","nobody"]}}`, "p1 p6"},
		{`{"_version":1,"createdAt":{"$lte":"2026-01-02T03:04:06Z"}}`, "p1 p2"},
	} {
		d.wantIDs("findAll Author", `{"filter":`+c.filter+`}`, c.want)
		n := 0
		if c.want != "" {
			n = len(strings.Fields(c.want))
		}
		d.wantBody("count Author", `{"filter":`+c.filter+`}`, fmt.Sprintf(`{"status":"ok","data":%d,"metadata":{"total":%d}}`, n, n))
	}
	for _, bad := range []string{
		`{"nope":1}`, `{"age":{"$nope":1}}`, `{"$nope":[]}`, `{"age":"x"}`, `{"age":{"$gt":null}}`, `{"age":{}}`, `{"books":1}`, `{"age":{"$in":1}}`,
		`{"name":{"$regex":"("}}`, `{"age":{"$regex":"x"}}`, `{"a; DROP TABLE authors":1}`, `{"\"id\"":1}`, `{"$where":"1"}`, `{"age":[20]}`,
		`{"$and":{"age":1}}`, strings.Repeat(`{"$and":[`, 9) + `{"age":1}` + strings.Repeat(`]}`, 9),
	} {
		d.fails(fault.InvalidFilter, "findAll Author", `{"filter":`+bad+`}`)
		d.fails(fault.InvalidFilter, "count Author", `{"filter":`+bad+`}`)
		d.fails(fault.InvalidFilter, "updateMany Author", `{"filter":`+bad+`,"data":{"age":1}}`)
	}
	d.wantIDs("findAll Author", `{}`, "p1 p2 p3 p4 p5 p6")
}

func nulls(d *db) {
	people(d)
	d.wantIDs("findAll Author", `{"filter":{"age":null}}`, "p5 p6")
	d.wantIDs("findAll Author", `{"filter":{"age":{"$exists":false}}}`, "p5 p6")
	d.wantIDs("findAll Author", `{"filter":{"age":{"$exists":true}}}`, "p1 p2 p3 p4")
	d.wantIDs("findAll Author", `{"filter":{"age":{"$ne":null}}}`, "p1 p2 p3 p4")
	d.wantIDs("findAll Author", `{"filter":{"email":""}}`, "")
	// null is written down, absent leaves the field as it is.
	d.want("update Author", `{"id":"p1","data":{"age":null},"select":"age,rank"}`, `{"id":"p1","_version":2,"age":null,"rank":"gold"}`)
	d.want("update Author", `{"id":"p1","data":{"rank":null},"select":"age,rank"}`, `{"id":"p1","_version":3,"age":null,"rank":null}`)
	d.want("create Author", `{"data":{"id":"x","name":"x","rank":null},"select":"rank"}`, `{"id":"x","_version":1,"rank":null}`)
}

func sortAndPage(d *db) {
	people(d)
	for _, c := range []struct{ args, want string }{
		{`{"sort":{"age":1}}`, "p5 p6 p1 p2 p3 p4"},
		{`{"sort":{"age":-1}}`, "p4 p3 p2 p1 p6 p5"},
		{`{"sort":"age,-name"}`, "p5 p6 p1 p2 p3 p4"},
		{`{"sort":{"name":1}}`, "p3 p4 p6 p1 p2 p5"},
		{`{"options":{"sort":{"rank":1,"id":-1}}}`, "p5 p3 p1 p6 p4 p2"},
		{`{"limit":2}`, "p1 p2"},
		{`{"limit":"2","skip":"3"}`, "p4 p5"},
		{`{"options":{"skip":4}}`, "p5 p6"},
		{`{"skip":9}`, ""},
		{`{"limit":0}`, "p1 p2 p3 p4 p5 p6"},
	} {
		d.wantIDs("findAll Author", c.args, c.want)
	}
	d.wantBody("findAll Author", `{"filter":{"age":20},"select":"id","count":true,"limit":5}`,
		`{"status":"ok","data":[{"id":"p2","_version":1},{"id":"p3","_version":1}],"metadata":{"count":2,"total":2}}`)
	if body := d.body("findAll Author", `{"limit":1,"skip":1,"count":true}`); !strings.Contains(body, `"count":1,"total":6,`) {
		d.Errorf("total is of the whole, not of the page: %s", body)
	}
	d.want("findOne Author", `{"sort":{"age":-1},"select":"age"}`, `{"id":"p4","_version":1,"age":30}`)
	for _, bad := range []string{`"limit":-1`, `"limit":1.5`, `"limit":1001`, `"limit":"x"`, `"skip":-1`, `"sort":{"nope":1}`, `"sort":{"age":2}`, `"sort":{"books":1}`, `"sort":7`, `"limit":"1; DROP"`} {
		d.fails(fault.InvalidFilter, "findAll Author", `{`+bad+`}`)
	}
}

func cursor(d *db) {
	people(d)
	for _, sort := range []string{`{}`, `{"age":1}`, `{"age":-1}`, `{"rank":1,"age":-1}`, `{"createdAt":-1}`} {
		want := d.ids("findAll Author", `{"sort":`+sort+`}`)
		var got []string
		next := ""
		for range 9 {
			args := `{"sort":` + sort + `,"limit":2,"select":"name"` + next + `}`
			body := d.body("findAll Author", args)
			if page := d.ids("findAll Author", args); page != "" {
				got = append(got, page)
			}
			token := member(member(body, "metadata"), "next")
			if token == "" {
				break
			}
			next = `,"cursor":` + token
		}
		if g := strings.Join(got, " "); g != want {
			d.Errorf("sort %s: pages have [%s], want [%s]", sort, g, want)
		}
	}
	token := member(member(d.body("findAll Author", `{"limit":2}`), "metadata"), "next")
	d.fails(fault.InvalidFilter, "findAll Author", `{"limit":2,"filter":{"age":20},"cursor":`+token+`}`)
	d.fails(fault.InvalidFilter, "findAll Author", `{"limit":2,"sort":"age","cursor":`+token+`}`)
	d.fails(fault.InvalidFilter, "findAll Author", `{"limit":2,"cursor":"x`+token[1:]+`}`)
	d.fails(fault.InvalidFilter, "findAll Publisher", `{"limit":2,"cursor":`+token+`}`)
	d.fails(fault.InvalidRequest, "findAll Author", `{"limit":2,"skip":1,"cursor":`+token+`}`)
	if _, err := d.callAs(&mesh.Principal{ID: "k:other"}, nil, "findAll Author", `{"limit":2,"cursor":`+token+`}`); fault.CodeOf(err) != fault.InvalidFilter {
		d.Errorf("somebody else's cursor: %v", err)
	}
	for _, sort := range []string{`{}`, `{"rank":1,"age":-1}`} { // behind each record of a page, on the last one too
		for _, more := range []string{``, `,"relations":["books"]`} {
			args := `{"sort":` + sort + more + `,"cursors":true`
			all := strings.Fields(d.ids("findAll Author", args+`}`))
			i := 0
			strictjson.Elements([]byte(member(member(d.body("findAll Author", args+`}`), "metadata"), "cursors")), func(token []byte) bool {
				i++
				d.wantIDs("findAll Author", args+`,"cursor":`+string(token)+`}`, strings.Join(all[i:], " "))
				return true
			})
			if i != len(all) {
				d.Errorf("%s: %d cursors for %d records", args, i, len(all))
			}
		}
	}
	d.wantBody("findAll Author", `{"filter":{"age":-1},"cursors":true,"select":"id"}`, `{"status":"ok","data":[],"metadata":{"count":0}}`)
	// A page that is not full has nothing behind it; search has pages too.
	d.wantBody("findAll Author", `{"limit":9,"select":"id","filter":{"age":30}}`, `{"status":"ok","data":[{"id":"p4","_version":1}],"metadata":{"count":1}}`)
	args := `{"query":"e","limit":1,"sort":"-name"`
	token = member(member(d.body("search Author", args+`}`), "metadata"), "next")
	d.wantIDs("search Author", args+`,"cursor":`+token+`}`, "")
}

func selection(d *db) {
	d.do("create Author", `{"data":{"id":"a","name":"Ada","age":1}}`)
	d.want("findAll Author", `{"select":["age","name"]}`, `[{"id":"a","_version":1,"name":"Ada","age":1}]`)
	d.want("findAll Author", `{"options":{"exclude":"email,age,rank,tags,agent,books,createdAt"}}`, `[{"id":"a","_version":1,"name":"Ada","updatedAt":`+t0+`}]`)
	d.want("findById Author", `{"id":"a","select":[],"exclude":["createdAt","updatedAt"]}`,
		`{"id":"a","_version":1,"name":"Ada","email":null,"age":1,"rank":"silver","tags":null,"agent":null,"books":[]}`)
	d.want("findAll Author", `{"select":"name","sort":"-age","limit":1,"filter":{"rank":"silver"}}`, `[{"id":"a","_version":1,"name":"Ada"}]`)
	for _, bad := range []string{`"select":["nope"]`, `"exclude":"nope"`, `"select":7`, `"select":["pin"]`} {
		d.fails(fault.InvalidFilter, "findAll Author", `{`+bad+`}`)
	}
}

func search(d *db) {
	d.do("create Publisher", `{"data":{"id":"a","name":"Éditions Là","city":"Paris"}}`,
		"create Publisher", `{"data":{"id":"b","name":"100% Press","city":"Köln"}}`,
		"create Publisher", `{"data":{"id":"c","name":null,"city":"paris_sud"}}`)
	d.wantIDs("search Publisher", `{"query":"PARIS"}`, "a c")
	d.wantIDs("search Publisher", `{"query":"éditions"}`, "a")
	d.wantIDs("search Publisher", `{"query":"%"}`, "b")
	d.wantIDs("search Publisher", `{"query":"_"}`, "c")
	d.wantIDs("search Publisher", `{"query":"paris","searchFields":["name"]}`, "")
	d.wantIDs("search Publisher", `{"query":"p","fields":"name,city","filter":{"name":null}}`, "c")
	d.wantBody("search Publisher", `{"query":"köln","select":"id"}`, `{"status":"ok","data":[{"id":"b","_version":1}],"metadata":{"count":1}}`)
	d.fails(fault.MissingQuery, "search Publisher", `{}`)
	d.fails(fault.MissingQuery, "search Publisher", `{"query":""}`)
	d.fails(fault.InvalidFilter, "search Publisher", `{"query":"x","searchFields":["nope"]}`)
}

func aggregate(d *db) {
	people(d)
	d.wantBody("aggregate Author", `{"stages":[{"$group":{"_by":"rank","n":{"$count":true},"sum":{"$sum":"age"},"avg":{"$avg":"$age"},"max":{"$max":"age"}}},{"$sort":{"rank":1}}]}`,
		`{"status":"ok","data":[{"rank":"gold","n":3,"sum":30,"avg":15,"max":20},{"rank":"silver","n":3,"sum":50,"avg":25,"max":30}]}`)
	d.want("aggregate Author", `{"stages":[{"$match":{"age":{"$gt":10}}},{"$group":{"_by":null,"n":{"$sum":1}}}]}`, `[{"n":3}]`)
	d.want("aggregate Author", `{"stages":[{"$group":{"_id":"$age","n":{"$count":true}}},{"$match":{"n":{"$gt":1}}},{"$sort":{"age":-1}}]}`, `[{"age":20,"n":2},{"age":null,"n":2}]`)
	d.want("aggregate Author", `{"stages":[{"$sort":{"age":-1}},{"$limit":1},{"$project":{"age":1}}]}`, `[{"age":30}]`)
	d.fails(fault.MissingStages, "aggregate Author", `{}`)
	d.fails(fault.MissingStages, "aggregate Author", `{"stages":[]}`)
	for _, bad := range []string{`[{"$lookup":{}}]`, `[{"$group":{"_by":"nope"}}]`, `[{"$match":{"nope":1}}]`, `[7]`, `{}`, `[{"$group":{"_by":"rank","x":{"$push":"age"}}}]`, `[{"$group":{"_by":"pin"}}]`} {
		d.fails(fault.InvalidFilter, "aggregate Author", `{"stages":`+bad+`}`)
	}
}

// What Octonet's clients send in one form or another means the same.
func requestForms(d *db) {
	people(d)
	want := d.body("findAll Author", `{"filter":{"age":20},"sort":{"name":-1},"limit":1}`)
	for _, args := range []string{
		`{"filter":{"age":20},"options":{"sort":{"name":-1},"limit":1}}`,
		`{"filter":"{\"age\":20}","sort":"{\"name\":-1}","limit":"1"}`,
		`{"op":"findAll","entity":"Author","project":"p","reqId":7,"type":"request","filter":{"age":20},"sort":"-name","limit":1,"data":null}`,
	} {
		if got := d.body("findAll Author", args); member(got, "data") != member(want, "data") {
			d.Errorf("%s: %s", args, got)
		}
	}
	d.want("create Publisher", `{"data":"{\"id\":\"x\",\"name\":\"X\"}"}`, `{"id":"x","_version":1,"name":"X","city":null}`)
	d.want("aggregate Author", `{"stages":"[{\"$group\":{\"_by\":null,\"n\":{\"$count\":true}}}]"}`, `[{"n":6}]`)
	d.wantIDs("findAll Author", ``, "p1 p2 p3 p4 p5 p6")
	for _, bad := range []string{`{"nope":1}`, `{"options":{"nope":1}}`, `{"options":[]}`, `[]`, `"x"`, `7`, `{"limit":1,"options":{"limit":2}}`, `{"relations":[],"include":["agent"],"relations2":1}`, `{"filter":7}`, `{"includeDeleted":"yes"}`} {
		d.fails(fault.InvalidRequest, "findAll Author", bad)
	}
	for _, bad := range []string{`{`, `{"a":1,"a":2}`, `{"a":"\u0000"}`, "{\"a\":\"\xff\"}", `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, `{}{}`, `{"filter":"{"}`} {
		d.fails(fault.ParseError, "findAll Author", bad)
	}
	d.fails(fault.UnknownEntity, "findAll Nope", `{}`)
	d.fails(fault.UnknownEntity, "findAll _project2", `{}`)
	d.fails(fault.UnknownOp, "nope Author", `{}`)
	d.fails(fault.UnknownOp, "transaction Author", `{}`)
	d.fails(fault.UnknownOp, "findAll _project", `{}`)
}
