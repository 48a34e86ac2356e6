package query

import (
	"fmt"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/valyala/fastjson"
)

// TestParseFilter holds each form to its tree, which AppendText writes down.
func TestParseFilter(t *testing.T) {
	t.Parallel()
	s := person(t)
	for in, want := range map[string]string{
		`{}`:                             `true`,
		`{"name":"Ada"}`:                 `name="Ada"`,
		`{"name":null}`:                  `name=null`,
		`{"name":{"$eq":null}}`:          `name=null`,
		`{"name":{"$ne":null}}`:          `name!=null`,
		`{"age":{"$gte":18,"$lt":65.5}}`: `(age>=18 and age<65.5)`,
		`{"name":"Ada","age":36}`:        `(name="Ada" and age=36)`,
		`{"age":{"$in":[1,2,2,1]}}`:      `age in[1,2]`,
		`{"age":{"$in":[1]}}`:            `age=1`,
		`{"age":{"$in":[]}}`:             `false`,
		`{"age":{"$nin":[]}}`:            `true`,
		`{"age":{"$in":[1,2,null]}}`:     `(age in[1,2] or age=null)`,
		`{"age":{"$nin":[1,null]}}`:      `(age!=1 and age!=null)`,
		`{"age":{"$in":[null]}}`:         `age=null`,
		`{"name":{"$exists":true}}`:      `name!=null`,
		`{"name":{"$exists":false}}`:     `name=null`,
		`{"$or":[]}`:                     `true`,
		`{"$and":[]}`:                    `true`,
		`{"$nor":[]}`:                    `true`,
		`{"$or":[{"age":1},{"age":2}]}`:  `(age=1 or age=2)`,
		`{"$or":[{"age":1},{}]}`:         `true`,
		`{"$or":[{"age":1}],"name":"x"}`: `(age=1 and name="x")`,
		`{"$or":[{"$or":[{"age":1}]},{"$or":[{"age":2},{"age":3}]}]}`:         `(age=1 or age=2 or age=3)`,
		`{"$and":[{"age":1},{"$or":[{"name":"a"},{"$and":[{"name":"b"}]}]}]}`: `(age=1 and (name="a" or name="b"))`,
		`{"$not":{"age":1}}`:                        `age!=1`,
		`{"$not":{"age":{"$gt":1}}}`:                `not(age>1)`,
		`{"$not":{"$not":{"age":{"$gt":1}}}}`:       `age>1`,
		`{"age":{"$not":{"$gt":1}}}`:                `not(age>1)`,
		`{"$nor":[{"age":1},{"name":"a"}]}`:         `(age!=1 and name!="a")`,
		`{"$not":{"age":{"$in":[1,2]}}}`:            `age not in[1,2]`,
		`{"$not":{}}`:                               `false`,
		`{"name":{"$regex":"^A.*"}}`:                `name~"^A.*"`,
		`{"name":{"$regexFlags":"i","$regex":"a"}}`: `name~"a"i`,
		`{"name":{"$regex":"a","$regexFlags":""}}`:  `name~"a"`,
		`{"boss":"p1"}`:                             `boss="p1"`,
		`{"boss":""}`:                               `boss=null`,
		`{"id":{"$in":["a","b"]}}`:                  `id in["a","b"]`,
		`{"_version":{"$gt":3}}`:                    `_version>3`,
		`{"createdAt":{"$gte":"2026-01-31"}}`:       `createdAt>="2026-01-31T00:00:00.000Z"`,
		`{"born":"2026-01-31T10:00:00.1239+02:00"}`: `born="2026-01-31T08:00:00.123Z"`,
		`{"rank":9007199254740993}`:                 `rank=9007199254740993`,
		`{"price":"1.10"}`:                          `price=1.1`,
		`{"age":-0}`:                                `age=0`,
		`{"active":{"$lt":true}}`:                   `active<true`,
		`{"meta":{"a": [1, 2]}}`:                    `meta={"a":[1,2]}`,
		`{"meta":{}}`:                               `meta={}`,
		`{"meta":{"$ne":{"a":1}}}`:                  `meta!={"a":1}`,
		`{"tags":["a","b"]}`:                        `tags=["a","b"]`,
		`{"tags":{"$in":[["a"],[]]}}`:               `tags in[["a"],[]]`,
		`{"raw":{"$ne":"AQID"}}`:                    `raw!="AQID"`,
		`{"state":"elsewhere"}`:                     `state="elsewhere"`,
		`{"n\u0061me":"x"}`:                         `name="x"`,
		`{"limit":5}`:                               `limit=5`,
	} {
		if got := string(AppendText(nil, filter(t, s, in))); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
	if e, err := ParseFilter(s, nil); e != nil || err != nil {
		t.Errorf("no filter: %v, %v", e, err)
	}
}

func TestParseFilterRefuses(t *testing.T) {
	t.Parallel()
	s := person(t)
	many := strings.Repeat(`{"age":1},`, 64)
	list := strings.Repeat("1,", 1000) + "1"
	for in, path := range map[string]string{
		`[]`: "filter", `null`: "filter", `"name"`: "filter", `1`: "filter",
		`{"nope":1}`:                                "filter.nope",
		`{"name.first":1}`:                          `filter."name.first"`,
		`{"":1}`:                                    `filter.""`,
		`{"name; DROP TABLE people":1}`:             `filter."name; DROP TABLE people"`,
		`{"secret2":"x"}`:                           "filter.secret2",
		`{"salary":{"$gt":1}}`:                      "filter.salary",
		`{"$where":"1"}`:                            "filter.$where",
		`{"name":{"$like":"a%"}}`:                   "filter.name.$like",
		`{"name":{"first":"a"}}`:                    "filter.name.first",
		`{"name":{}}`:                               "filter.name",
		`{"name":["a"]}`:                            "filter.name",
		`{"name":5}`:                                "filter.name",
		`{"age":"5"}`:                               "filter.age",
		`{"age":1e999}`:                             "filter.age",
		`{"age":{"$gt":null}}`:                      "filter.age.$gt",
		`{"active":1}`:                              "filter.active",
		`{"rank":1.5}`:                              "filter.rank",
		`{"rank":9223372036854775808}`:              "filter.rank",
		`{"born":"yesterday"}`:                      "filter.born",
		`{"born":5}`:                                "filter.born",
		`{"id":"../x"}`:                             "filter.id",
		`{"age":{"$in":5}}`:                         "filter.age.$in",
		`{"age":{"$in":[1,"x"]}}`:                   "filter.age.$in[1]",
		`{"age":{"$exists":1}}`:                     "filter.age.$exists",
		`{"age":{"$regex":"1"}}`:                    "filter.age.$regex",
		`{"born":{"$regex":"1"}}`:                   "filter.born.$regex",
		`{"raw":{"$regex":"1"}}`:                    "filter.raw.$regex",
		`{"raw":{"$lt":"AQID"}}`:                    "filter.raw.$lt",
		`{"meta":{"$gt":{}}}`:                       "filter.meta.$gt",
		`{"meta":{"$gt":1,"a":2}}`:                  "filter.meta.$gt",
		`{"tags":{"$regex":"a"}}`:                   "filter.tags.$regex",
		`{"name":{"$regex":5}}`:                     "filter.name.$regex",
		`{"name":{"$regex":"("}}`:                   "filter.name.$regex",
		`{"name":{"$regex":"a","$regexFlags":"x"}}`: "filter.name.$regexFlags",
		`{"name":{"$regexFlags":"i"}}`:              "filter.name.$regexFlags",
		`{"name":{"$regex":"` + strings.Repeat("a", 257) + `"}}`: "filter.name.$regex",
		`{"name":{"$not":"a"}}`:                                  "filter.name.$not",
		`{"$or":{"age":1}}`:                                      "filter.$or",
		`{"$or":[{"age":1},5]}`:                                  "filter.$or[1]",
		`{"$and":[{"$or":[{"age":{"$gt":"x"}}]}]}`:               "filter.$and[0].$or[0].age.$gt",
		`{"$not":[{"age":1}]}`:                                   "filter.$not",
		`{"team":"p1"}`:                                          "filter.team",
		`{"friends":{"$in":["p1"]}}`:                             "filter.friends",
		`{"boss":{"id":"p1"}}`:                                   "filter.boss.id",
		`{"$or":[` + many + `{"age":1}]}`:                        "filter.$or[63].age",
		`{"age":{"$in":[` + list + `]}}`:                         "filter.age.$in",
		strings.Repeat(`{"$not":`, 8) + `{"age":1}` + strings.Repeat(`}`, 8): "filter.$not.$not.$not.$not.$not.$not.$not.$not",
	} {
		e, err := ParseFilter(s, value(t, in))
		code, at, reason := refusal(t, err)
		if code != fault.InvalidFilter || at != path || reason == "" {
			t.Errorf("%.80s\n got %s at %s: %s (%s)\nwant it at %s", in, code, at, reason, AppendText(nil, e), path)
		}
	}
}

// The error that docs/query.md shows.
func TestErrorExample(t *testing.T) {
	t.Parallel()
	_, err := ParseFilter(person(t), value(t, `{"$or":[{"age":1},{"age":{"$gt":"x"}}]}`))
	got := string(fault.From(err).AppendReply(nil))
	want := `{"status":"error","error":{"code":"INVALID_FILTER","message":"filter.$or[1].age.$gt: a number is expected, not a text",` +
		`"details":{"path":"filter.$or[1].age.$gt","reason":"a number is expected, not a text"}}}`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// What a caller may not read looks exactly like what does not exist.
func TestUnreadableIsUnknown(t *testing.T) {
	t.Parallel()
	s := person(t)
	for _, name := range []string{"secret2", "salary"} {
		for _, form := range []string{`{%q:1}`, `{%q:null}`, `{%q:{"$regex":"("}}`, `{"$or":[{%q:{"$in":[{}]}}]}`} {
			_, err := ParseFilter(s, value(t, fmt.Sprintf(form, name)))
			_, unknown := ParseFilter(s, value(t, fmt.Sprintf(form, "nosuch0"[:len(name)])))
			got := strings.ReplaceAll(err.Error(), name, "*")
			want := strings.ReplaceAll(unknown.Error(), "nosuch0"[:len(name)], "*")
			if got != want {
				t.Errorf("%s\n%s", got, want)
			}
		}
		for what, err := range map[string]error{
			"sort":  second(ParseSort(s, value(t, `{"`+name+`":1}`))),
			"group": second(ParseStages(s, value(t, `[{"$group":{"_by":"`+name+`"}}]`))),
			"sum":   second(ParseStages(s, value(t, `[{"$group":{"_by":null,"n":{"$max":"`+name+`"}}}]`))),
			"sel":   second(ParseMembers(s, value(t, `["`+name+`"]`), nil)),
			"find":  second(ParseSearch(s, "x", value(t, `["`+name+`"]`))),
		} {
			if _, _, reason := refusal(t, err); reason != `there is no field "`+name+`" that you can read` {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestVisible(t *testing.T) {
	t.Parallel()
	c := catalog(t)
	s := Scope{Entity: c.Entity("Person")}
	for in, want := range map[string]string{
		`{}`:                                    `deletedAt=null`,
		`{"age":1}`:                             `(age=1 and deletedAt=null)`,
		`{"deletedAt":{"$ne":null}}`:            `deletedAt!=null`,
		`{"$or":[{"$not":{"deletedAt":null}}]}`: `deletedAt!=null`,
		`{"$nor":[{"deletedAt":"2026-01-01"}]}`: `deletedAt!="2026-01-01T00:00:00.000Z"`,
	} {
		if got := string(AppendText(nil, Visible(s, filter(t, s, in)))); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	s.IncludeDeleted = true
	if e := Visible(s, nil); e != nil {
		t.Errorf("%s", AppendText(nil, e))
	}
	cat := Scope{Entity: c.Entity("Cat")}
	if got := string(AppendText(nil, Visible(cat, nil))); got != `kind="cat"` {
		t.Error(got)
	}
	if _, err := ParseFilter(cat, value(t, `{"kind":"dog"}`)); fault.CodeOf(err) != fault.InvalidFilter {
		t.Errorf("an undeclared discriminator can be named: %v", err)
	}
}

// The tree keeps nothing of the bytes that it was read from.
func TestFilterKeepsNothing(t *testing.T) {
	t.Parallel()
	s := person(t)
	v := value(t, `{"name":{"$in":["first","second"]},"meta":{"k":"v"},"bio":{"$regex":"^abc"}}`)
	e, err := ParseFilter(s, v)
	if err != nil {
		t.Fatal(err)
	}
	before := string(AppendText(nil, e))
	v.GetObject().Visit(func(_ []byte, m *fastjson.Value) {
		for _, x := range m.GetArray("$in") {
			copy(x.GetStringBytes(), "XXXXXX")
		}
		copy(m.GetStringBytes("$regex"), "XXXX")
		copy(m.GetStringBytes("k"), "X")
	})
	if after := string(AppendText(nil, e)); after != before {
		t.Errorf("%s became %s", before, after)
	}
}

func BenchmarkParseFilter(b *testing.B) {
	s := person(b)
	v := value(b, `{"active":true,"age":{"$gte":18,"$lt":65},"$or":[{"name":"Ada"},{"state":{"$in":["new","open"]}}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseFilter(s, v); err != nil {
			b.Fatal(err)
		}
	}
}
