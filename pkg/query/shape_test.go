package query

import (
	"fmt"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/schema"
)

func shapeOf(e Expr) string { return string(AppendShape(nil, e)) }

func valuesOf(e Expr) (out []string) {
	Values(e, func(v schema.Value) { out = append(out, string(v.AppendJSON(nil))) })
	return out
}

func TestShape(t *testing.T) {
	t.Parallel()
	s := person(t)
	for _, same := range [][]string{
		{`{"age":1}`, `{"age":{"$eq":2}}`, `{"age":{"$in":[3]}}`},
		{`{"age":{"$in":[1,2,3]}}`, `{"age":{"$in":[1,2,3,4]}}`},
		{`{"age":{"$in":[1,2,3,4,5]}}`, `{"age":{"$in":[1,2,3,4,5,6,7,8]}}`},
		{`{"name":{"$regex":"^a"}}`, `{"name":{"$regex":"^bcd"}}`},
		{`{}`, `{"$or":[]}`},
	} {
		for _, text := range same[1:] {
			if shapeOf(filter(t, s, text)) != shapeOf(filter(t, s, same[0])) {
				t.Errorf("%s and %s differ in shape", text, same[0])
			}
		}
	}
	seen := map[string]string{}
	for _, text := range []string{
		`{}`, `{"$not":{}}`, `{"age":1}`, `{"score":1}`, `{"age":null}`, `{"age":{"$ne":null}}`, `{"age":{"$ne":1}}`, `{"age":{"$gt":1}}`,
		`{"age":{"$in":[1,2]}}`, `{"age":{"$nin":[1,2]}}`, `{"age":{"$in":[1,2,3]}}`, `{"age":{"$in":[1,2,3,4,5]}}`,
		`{"age":1,"score":1}`, `{"$or":[{"age":1},{"score":1}]}`, `{"$or":[{"age":1},{"score":1},{"age":null}]}`,
		`{"age":1,"$or":[{"age":1},{"score":1}]}`, `{"$not":{"age":{"$gt":1}}}`,
		`{"name":{"$regex":"a"}}`, `{"name":{"$regex":"^a"}}`, `{"name":{"$regex":"a$"}}`, `{"name":{"$regex":"a.b"}}`, `{"name":{"$regex":"a","$regexFlags":"i"}}`, `{"name":{"$regex":"ab|cd"}}`,
	} {
		shape := shapeOf(filter(t, s, text))
		if other, ok := seen[shape]; ok {
			t.Errorf("%s and %s have one shape", text, other)
		}
		seen[shape] = text
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	s := person(t)
	search, _ := ParseSearch(s, "É", nil)
	for _, c := range []struct {
		e    Expr
		want string
	}{
		{filter(t, s, `{"age":{"$gte":1,"$lt":2},"name":null}`), `1 2`},
		{filter(t, s, `{"age":{"$in":[1,2,3,4,5]}}`), `1 2 3 4 5 5 5 5`},
		{filter(t, s, `{"$not":{"age":{"$gt":7}}}`), `7`},
		{filter(t, s, `{"$or":[{"name":{"$regex":"^a"}},{"boss":"p"}]}`), `"^a" "p"`},
		{search, `"é"`},
		{nil, ``},
	} {
		if got := strings.Join(valuesOf(c.e), " "); got != c.want {
			t.Errorf("%s: %s, want %s", AppendText(nil, c.e), got, c.want)
		}
	}
}

func TestPadded(t *testing.T) {
	t.Parallel()
	got := ""
	for _, n := range []int{0, 1, 2, 3, 4, 5, 8, 9, 1000} {
		got += fmt.Sprint(Padded(n), " ")
	}
	if got != "0 1 2 4 4 8 8 16 1024 " {
		t.Error(got)
	}
}
