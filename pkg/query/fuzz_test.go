package query

import (
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// coded fails for an error that is none of those that the parsers promise.
func coded(t *testing.T, err error) {
	t.Helper()
	switch fault.CodeOf(err) {
	case "", fault.InvalidFilter, fault.MissingStages:
	default:
		t.Fatal(err)
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{
		`{"name":"Ada","age":{"$gte":1,"$in":[1,null]}}`, `{"$or":[{"name":{"$regex":"^a.*[b-c]$","$regexFlags":"i"}},{"$not":{"tags":["a"]}}]}`,
		`{"meta":{"a":1},"salary":1}`, `{"$nor":[{"born":"2026-01-01"},{"price":1.10}],"boss":null}`, `{"$and":[]}`, `[]`, `{"":{}}`,
	} {
		f.Add(s)
	}
	s := person(f)
	record := make(schema.Row, len(s.Entity.Columns))
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := strictjson.Parse([]byte(text))
		if err != nil {
			return
		}
		defer doc.Release()
		e, err := ParseFilter(s, doc.Root)
		coded(t, err)
		if err != nil {
			return
		}
		for _, name := range []string{"salary", "secret2"} {
			if Names(e, s.Entity.Column(name)) {
				t.Fatalf("%s reaches %s", text, name)
			}
		}
		not := Simplify(Not{e})
		if Eval(e, record) == Eval(not, record) {
			t.Fatalf("%s and its negation agree on a row of nulls", text)
		}
	})
}

func FuzzParseStages(f *testing.F) {
	for _, s := range []string{
		`[{"$match":{"age":1}},{"$group":{"_by":"state","n":{"$sum":"age"},"m":{"$count":true}}},{"$sort":{"n":-1}},{"$skip":1},{"$limit":3}]`,
		`[{"$project":{"name":1}},{"$count":"n"}]`, `[{"$group":{"_id":"$born","x":{"$max":"$price"}}},{"$match":{"x":{"$gt":1}}}]`, `[{"$project":["salary"]}]`,
	} {
		f.Add(s)
	}
	s := person(f)
	var rows []schema.Row
	for _, p := range people {
		rows = append(rows, row(f, s.Entity, p))
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := strictjson.Parse([]byte(text))
		if err != nil {
			return
		}
		defer doc.Release()
		a, err := ParseStages(s, doc.Root)
		coded(t, err)
		if err != nil {
			return
		}
		for _, c := range a.Output {
			if c.Name == "salary" && c.Field != nil || c.Name == "secret2" && c.Field != nil {
				t.Fatalf("%s shows %s", text, c.Name)
			}
		}
		for _, r := range RunAggregate(a, rows) {
			if len(r) != len(a.Output) {
				t.Fatalf("%s: %d members of %d", text, len(r), len(a.Output))
			}
		}
	})
}

func FuzzParseSort(f *testing.F) {
	for _, s := range []string{`{"name":1,"age":-1}`, `"name,-age"`, `["-name",{"id":1}]`, `{"salary":1}`} {
		f.Add(s)
	}
	s := person(f)
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := strictjson.Parse([]byte(text))
		if err != nil {
			return
		}
		defer doc.Release()
		order, err := ParseSort(s, doc.Root)
		coded(t, err)
		if err == nil && order[len(order)-1].Column != s.Entity.Columns[0] {
			t.Fatalf("%s does not end with id", text)
		}
	})
}
