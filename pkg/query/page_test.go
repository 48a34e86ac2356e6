package query

import (
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

func TestParseSort(t *testing.T) {
	t.Parallel()
	s := person(t)
	for in, want := range map[string]string{
		`{}`: "id", `null`: "id", `""`: "id", `[]`: "id",
		`{"name":1,"age":-1}`:        "name,-age,-id",
		`{"age":-1,"name":"asc"}`:    "-age,name,id",
		`"name, -age"`:               "name,-age,-id",
		`"+name"`:                    "name,id",
		`["-name",{"age":"desc"}]`:   "-name,-age,-id",
		`{"name":1,"id":-1,"age":1}`: "name,-id",
		`{"id":1}`:                   "id",
		`{"boss":1,"createdAt":-1}`:  "boss,-createdAt,-id",
		`{"active":1,"price":1.0}`:   "active,price,id",
	} {
		order, err := ParseSort(s, value(t, in))
		if got := string(AppendOrderText(nil, order)); err != nil || got != want {
			t.Errorf("%s: %s, want %s (%v)", in, got, want, err)
		}
	}
	for in, path := range map[string]string{
		`5`: "sort", `[5]`: "sort[0]", `{"nope":1}`: "sort.nope", `{"name":2}`: "sort.name", `{"name":"up"}`: "sort.name",
		`{"name":true}`: "sort.name", `"name,name"`: "sort.name", `"age; DROP TABLE x"`: `sort."age; DROP TABLE x"`, `"name,,age"`: `sort.""`, `"--age"`: "sort.-age",
		`{"meta":1}`: "sort.meta", `{"tags":1}`: "sort.tags", `{"raw":1}`: "sort.raw", `{"team":1}`: "sort.team",
		`{"secret2":1}`: "sort.secret2", `{"salary":1}`: "sort.salary",
		`"name,bio,age,active,born,rank,price,score,oid"`: "sort.oid",
	} {
		_, err := ParseSort(s, value(t, in))
		if code, at, reason := refusal(t, err); code != fault.InvalidFilter || at != path {
			t.Errorf("%s: %s at %s: %s", in, code, at, reason)
		}
	}
}

func TestParsePage(t *testing.T) {
	t.Parallel()
	s := person(t)
	s.Limits.MaxPage = 500
	for _, c := range []struct {
		limit, skip string
		n, m        int
	}{{`null`, `null`, 100, 0}, {`20`, `40`, 20, 40}, {`"20"`, `"0"`, 20, 0}, {`0`, `0`, 500, 0}, {`500`, `2147483647`, 500, 1<<31 - 1}} {
		n, m, err := ParsePage(s, value(t, c.limit), value(t, c.skip))
		if n != c.n || m != c.m || err != nil {
			t.Errorf("%s, %s: %d, %d, %v", c.limit, c.skip, n, m, err)
		}
	}
	for _, bad := range []string{`501`, `-1`, `1.5`, `1e2`, `"x"`, `""`, `true`, `{}`, `99999999999999999999`, `"1;2"`} {
		if _, _, err := ParsePage(s, value(t, bad), nil); fault.CodeOf(err) != fault.InvalidFilter {
			t.Errorf("limit %s: %v", bad, err)
		}
		if bad != "501" {
			if _, _, err := ParsePage(s, nil, value(t, bad)); fault.CodeOf(err) != fault.InvalidFilter {
				t.Errorf("skip %s: %v", bad, err)
			}
		}
	}
}

func TestParseMembers(t *testing.T) {
	t.Parallel()
	s := person(t)
	for _, c := range []struct{ sel, exclude, want string }{
		{`["name","team"]`, `null`, "id,_version,name,team"},
		{`"name, age"`, `null`, "id,_version,name,age"},
		{`["age","name"]`, `["age","id"]`, "id,_version,name"},
		{
			`[]`, `["bio","age","active","born","meta","tags","rank","price","score","oid","state","raw","limit"]`,
			"id,_version,name,boss,team,friends,createdAt,updatedAt,deletedAt",
		},
	} {
		members, err := ParseMembers(s, value(t, c.sel), value(t, c.exclude))
		var names []string
		for _, m := range members {
			names = append(names, m.Name)
		}
		if got := strings.Join(names, ","); got != c.want || err != nil {
			t.Errorf("%s without %s: %s (%v)", c.sel, c.exclude, got, err)
		}
	}
	for _, bad := range []string{`["nope"]`, `["salary"]`, `[5]`, `{}`, `"name,,age"`} {
		if _, err := ParseMembers(s, nil, value(t, bad)); fault.CodeOf(err) != fault.InvalidFilter {
			t.Errorf("%s: %v", bad, err)
		}
	}
	members, _ := ParseMembers(s, nil, nil)
	for _, m := range members {
		if m.Name == "salary" || m.Name == "secret2" {
			t.Errorf("%s is shown", m.Name)
		}
	}
}

func TestParseSearch(t *testing.T) {
	t.Parallel()
	s := person(t)
	e, err := ParseSearch(s, "Ada", nil)
	if got := string(AppendText(nil, e)); got != `(name|bio) contains "ada"` || err != nil {
		t.Error(got, err)
	}
	e, err = ParseSearch(s, "A", value(t, `["state","boss"]`))
	if got := string(AppendText(nil, e)); got != `(state|boss) contains "a"` || err != nil {
		t.Error(got, err)
	}
	if _, err := ParseSearch(s, "", nil); fault.CodeOf(err) != fault.MissingQuery {
		t.Error(err)
	}
	for _, bad := range []string{`["age"]`, `["nope"]`, `["salary"]`, `["raw"]`, `["team"]`} {
		if e, err := ParseSearch(s, "a", value(t, bad)); fault.CodeOf(err) != fault.InvalidFilter {
			t.Errorf("%s: %s, %v", bad, AppendText(nil, e), err)
		}
	}
	if _, err := ParseSearch(s, strings.Repeat("a", 257), nil); fault.CodeOf(err) != fault.InvalidFilter {
		t.Error(err)
	}
	s.Readable = func(c *schema.Column) bool { return c.Name == "age" }
	if e, err := ParseSearch(s, "a", nil); e != Const(false) || err != nil {
		t.Errorf("nothing to search in: %v, %v", e, err)
	}
}
