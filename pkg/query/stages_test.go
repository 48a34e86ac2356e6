package query

import (
	"strconv"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

var people = []string{
	`{"id":"a","name":"Ada","age":36,"state":"done","rank":1,"price":"0.1","score":1.5,"born":"2026-01-02"}`,
	`{"id":"b","name":"Bob","age":20,"state":"new","rank":9007199254740993,"price":"0.2","score":2.5}`,
	`{"id":"c","name":"Cy","state":"done","rank":2,"born":"2026-01-01"}`,
	`{"id":"d","name":"Di","age":40,"price":"3"}`,
	`{"id":"e","name":"Ed","age":99,"state":"new","deletedAt":"2026-01-01"}`,
}

// results runs stages over people and writes each row as name:value pairs.
func results(t *testing.T, s Scope, stages string) string {
	t.Helper()
	a, err := ParseStages(s, value(t, stages))
	if err != nil {
		t.Fatalf("%s: %v", stages, err)
	}
	var rows []schema.Row
	for _, p := range people {
		rows = append(rows, row(t, s.Entity, p))
	}
	var out []string
	for _, r := range RunAggregate(a, rows) {
		var members []string
		for i, c := range a.Output {
			members = append(members, c.Name+":"+string(r[i].AppendJSON(nil)))
		}
		out = append(out, strings.Join(members, " "))
	}
	return strings.Join(out, "; ")
}

func TestAggregate(t *testing.T) {
	t.Parallel()
	s := person(t)
	for _, c := range []struct{ stages, want string }{
		{`[{"$group":{"_by":"state","n":{"$count":true}}},{"$sort":{"state":1}}]`, `state:null n:1; state:"done" n:2; state:"new" n:1`},
		{`[{"$group":{"n":{"$count":true},"_by":"$state"}},{"$sort":{"n":-1}},{"$limit":1}]`, `state:"done" n:2`},
		{`[{"$group":{"_id":"$state"}},{"$sort":{"state":-1}}]`, `state:"new"; state:"done"; state:null`},
		{
			`[{"$group":{"_by":null,"n":{"$count":{}},"age":{"$avg":"age"},"total":{"$sum":"$price"},"most":{"$max":"rank"},"first":{"$min":"born"},"two":{"$sum":2}}}]`,
			`n:4 age:32 total:3.3 most:9007199254740993 first:"2026-01-01T00:00:00.000Z" two:8`,
		},
		{`[{"$group":{"_by":null,"s":{"$sum":"rank"},"m":{"$max":"name"}}}]`, `s:9007199254740996 m:"Di"`},
		{
			`[{"$match":{"name":"nobody"}},{"$group":{"_by":null,"n":{"$count":true},"s":{"$sum":"age"},"i":{"$sum":"rank"},"p":{"$sum":"price"},"a":{"$avg":"age"},"m":{"$min":"age"},"one":{"$sum":1}}}]`,
			`n:0 s:0 i:0 p:0 a:null m:null one:0`,
		},
		{`[{"$match":{"name":"nobody"}},{"$group":{"_by":"state","n":{"$count":true}}}]`, ``},
		{`[{"$group":{"_by":"state","n":{"$count":true},"top":{"$max":"age"}}},{"$match":{"n":{"$gt":1},"top":{"$lt":50}}}]`, `state:"done" n:2 top:36`},
		{`[{"$group":{"_by":"state","n":{"$count":true}}},{"$group":{"_by":"n","states":{"$count":true}}},{"$sort":{"n":1}}]`, `n:1 states:2; n:2 states:1`},
		{`[{"$match":{"age":{"$gt":18}}},{"$sort":{"age":-1}},{"$skip":1},{"$limit":1},{"$project":{"name":1,"age":true}}]`, `name:"Ada" age:36`},
		{`[{"$limit":"2"},{"$count":"left"}]`, `left:2`},
		{`[{"$project":["name","age"]},{"$sort":{"name":-1}},{"$limit":1}]`, `name:"Di" age:40`},
		{`[{"$project":["name","age"]},{"$project":{"age":0}},{"$sort":"name"},{"$limit":1}]`, `name:"Ada"`},
		{`[{"$match":{"deletedAt":{"$ne":null}}},{"$project":["id"]}]`, `id:"e"`},
		{`[{"$match":{"$or":[{"deletedAt":null},{"deletedAt":{"$ne":null}}]}},{"$count":"all"}]`, `all:5`},
	} {
		if got := results(t, s, c.stages); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.stages, got, c.want)
		}
	}
	s.IncludeDeleted = true
	if got := results(t, s, `[{"$count":"all"}]`); got != `all:5` {
		t.Error(got)
	}
}

func TestSumsThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := person(t)
	a, err := ParseStages(s, value(t, `[{"$group":{"_by":null,"i":{"$sum":"rank"},"f":{"$sum":"age"},"p":{"$sum":"price"}}}]`))
	if err != nil {
		t.Fatal(err)
	}
	big := row(t, s.Entity, `{"id":"x","rank":9223372036854775807,"age":1.7e308,"price":"99999999999999999999999999999999999999"}`)
	if got := RunAggregate(a, []schema.Row{big, big})[0]; !got[0].IsNull() || !got[1].IsNull() || !got[2].IsNull() {
		t.Errorf("%v", got)
	}
}

func TestParseStagesRefuses(t *testing.T) {
	t.Parallel()
	s := person(t)
	for _, none := range []string{`null`, `[]`} {
		if _, err := ParseStages(s, value(t, none)); fault.CodeOf(err) != fault.MissingStages {
			t.Errorf("%s: %v", none, err)
		}
	}
	outputs := ""
	for i := range 65 {
		outputs += `,"n` + strconv.Itoa(i) + `":{"$count":true}`
	}
	for in, path := range map[string]string{
		`{}`: "stages", `"x"`: "stages", `[5]`: "stages[0]", `[{}]`: "stages[0]", `[{"$match":{},"$limit":1}]`: "stages[0]",
		`[{"$lookup":{}}]`:                                     "stages[0].$lookup",
		`[{"match":{}}]`:                                       "stages[0].match",
		`[{"$match":{"nope":1}}]`:                              "stages[0].$match.nope",
		`[{"$match":{"salary":1}}]`:                            "stages[0].$match.salary",
		`[{"$limit":0}]`:                                       "stages[0].$limit",
		`[{"$limit":1001}]`:                                    "stages[0].$limit",
		`[{"$limit":"1; DROP"}]`:                               "stages[0].$limit",
		`[{"$skip":-1}]`:                                       "stages[0].$skip",
		`[{"$skip":null}]`:                                     "stages[0].$skip",
		`[{"$sort":{}}]`:                                       "stages[0].$sort",
		`[{"$sort":{"meta":1}}]`:                               "stages[0].$sort.meta",
		`[{"$count":true}]`:                                    "stages[0].$count",
		`[{"$count":"a b"}]`:                                   "stages[0].$count",
		`[{"$count":"a\";--"}]`:                                "stages[0].$count",
		`[{"$count":""}]`:                                      "stages[0].$count",
		`[{"$count":"n"},{"$match":{"age":1}}]`:                "stages[1].$match.age",
		`[{"$project":{}}]`:                                    "stages[0].$project",
		`[{"$project":[]}]`:                                    "stages[0].$project",
		`[{"$project":"name"}]`:                                "stages[0].$project",
		`[{"$project":{"name":1,"age":0}}]`:                    "stages[0].$project",
		`[{"$project":{"name":"$age"}}]`:                       "stages[0].$project.name",
		`[{"$project":["name","name"]}]`:                       "stages[0].$project[1]",
		`[{"$project":["team"]}]`:                              "stages[0].$project[0]",
		`[{"$project":["name"]},{"$match":{"age":1}}]`:         "stages[1].$match.age",
		`[{"$project":["name"]},{"$project":{"name":0}}]`:      "stages[1].$project",
		`[{"$group":{}}]`:                                      "stages[0].$group",
		`[{"$group":{"_by":null}}]`:                            "stages[0].$group",
		`[{"$group":{"_by":"a","_id":"b"}}]`:                   "stages[0].$group",
		`[{"$group":{"_by":5}}]`:                               "stages[0].$group._by",
		`[{"$group":{"_by":{"y":"$born"}}}]`:                   "stages[0].$group._by",
		`[{"$group":{"_by":"$$state"}}]`:                       "stages[0].$group._by",
		`[{"$group":{"_by":"meta"}}]`:                          "stages[0].$group._by",
		`[{"$group":{"_by":"raw"}}]`:                           "stages[0].$group._by",
		`[{"$group":{"_by":"state","state":{"$count":true}}}]`: "stages[0].$group.state",
		`[{"$group":{"_by":null,"n":{"$count":true},"N":{"$count":true}}}]`: "stages[0].$group.N",
		`[{"$group":{"_by":null,"n n":{"$count":true}}}]`:                   `stages[0].$group."n n"`,
		`[{"$group":{"_by":null,"_n":{"$count":true}}}]`:                    "stages[0].$group._n",
		`[{"$group":{"_by":null,"n":5}}]`:                                   "stages[0].$group.n",
		`[{"$group":{"_by":null,"n":{"$sum":"age","$avg":"age"}}}]`:         "stages[0].$group.n",
		`[{"$group":{"_by":null,"n":{"$push":"age"}}}]`:                     "stages[0].$group.n.$push",
		`[{"$group":{"_by":null,"n":{"$sum":"name"}}}]`:                     "stages[0].$group.n.$sum",
		`[{"$group":{"_by":null,"n":{"$avg":"born"}}}]`:                     "stages[0].$group.n.$avg",
		`[{"$group":{"_by":null,"n":{"$avg":1}}}]`:                          "stages[0].$group.n.$avg",
		`[{"$group":{"_by":null,"n":{"$sum":1e999}}}]`:                      "stages[0].$group.n.$sum",
		`[{"$group":{"_by":null,"n":{"$min":"tags"}}}]`:                     "stages[0].$group.n.$min",
		`[{"$group":{"_by":null,"n":{"$count":"age"}}}]`:                    "stages[0].$group.n.$count",
		`[{"$group":{"_by":null` + outputs + `}}]`:                          "stages[0].$group.n64",
		`[` + strings.Repeat(`{"$limit":1},`, 16) + `{"$limit":1}]`:         "stages",
	} {
		a, err := ParseStages(s, value(t, in))
		code, at, reason := refusal(t, err)
		if code != fault.InvalidFilter || at != path || reason == "" {
			t.Errorf("%.80s: %s at %s: %s %v", in, code, at, reason, a)
		}
	}
}

// The result of an aggregation is bounded even if nobody says so.
func TestAggregateIsBounded(t *testing.T) {
	t.Parallel()
	s := person(t)
	for in, want := range map[string]int{
		`[{"$match":{"age":1}}]`: 2, `[{"$limit":5},{"$sort":{"age":1}}]`: 2, `[{"$count":"n"}]`: 1,
		`[{"$group":{"_by":"age"}}]`: 2, `[{"$limit":5},{"$group":{"_by":"age"}}]`: 2 + 1, `[{"$group":{"_by":null,"n":{"$count":true}}}]`: 1,
	} {
		a, err := ParseStages(s, value(t, in))
		if err != nil || len(a.Stages) != want {
			t.Errorf("%s: %v, %v", in, a, err)
		}
	}
}
