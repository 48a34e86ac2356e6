package query

import (
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/schema"
)

// TestEval holds every operator on every type, and on null, to answers written
// by hand. A row has the value of the field; "null" stands for none.
func TestEval(t *testing.T) {
	t.Parallel()
	s := person(t)
	// For each field: a lower and a higher value; for equality types, two others.
	pairs := map[string][2]string{
		"name": {`"a"`, `"b"`}, "bio": {`"B"`, `"a"`}, "age": {`-0.5`, `1e3`}, "active": {`false`, `true`},
		"born": {`"2026-01-31T10:00:00.000Z"`, `"2026-01-31T10:00:00.001Z"`}, "rank": {`9007199254740992`, `9007199254740993`},
		"price": {`"9.9"`, `"10"`}, "score": {`0.1`, `0.2`}, "oid": {`"0a"`, `"0b"`}, "state": {`"done"`, `"new"`},
		"boss": {`"p1"`, `"p2"`}, "id": {`"P"`, `"p"`}, "_version": {`9`, `10`}, "createdAt": {`"1969-12-31"`, `"1970-01-01"`},
		"meta": {`{"a":1}`, `{"a":2}`}, "tags": {`["a"]`, `["a","b"]`}, "raw": {`"AA=="`, `"AQ=="`},
	}
	for field, p := range pairs {
		low, high := p[0], p[1]
		ordered := Ordered(s.Entity.Column(field))
		for _, c := range []struct {
			op               string // with $ for the lower value, % for the higher
			onLow, onHi, nul bool
			order            bool
		}{
			{`{"$eq":$}`, true, false, false, false},
			{`$`, true, false, false, false},
			{`null`, false, false, true, false},
			{`{"$eq":null}`, false, false, true, false},
			{`{"$ne":$}`, false, true, true, false},
			{`{"$ne":null}`, true, true, false, false},
			{`{"$in":[$]}`, true, false, false, false},
			{`{"$in":[$,%]}`, true, true, false, false},
			{`{"$in":[$,null]}`, true, false, true, false},
			{`{"$in":[]}`, false, false, false, false},
			{`{"$nin":[$]}`, false, true, true, false},
			{`{"$nin":[$,%]}`, false, false, true, false},
			{`{"$nin":[%,null]}`, true, false, false, false},
			{`{"$nin":[]}`, true, true, true, false},
			{`{"$exists":true}`, true, true, false, false},
			{`{"$exists":false}`, false, false, true, false},
			{`{"$lt":%}`, true, false, false, true},
			{`{"$lte":$}`, true, false, false, true},
			{`{"$gt":$}`, false, true, false, true},
			{`{"$gte":$}`, true, true, false, true},
			{`{"$gte":%}`, false, true, false, true},
			{`{"$gt":$,"$lt":%}`, false, false, false, true},
			{`{"$not":{"$gt":$}}`, true, false, true, true},
			{`{"$not":{"$lte":$}}`, false, true, true, true},
		} {
			if c.order && !ordered {
				continue
			}
			text := `{"` + field + `":` + strings.NewReplacer("$,", low+",", "$}", low+"}", "$]", low+"]", "%", high).Replace(c.op) + `}`
			if c.op == "$" {
				text = `{"` + field + `":` + low + `}`
			}
			e := filter(t, s, text)
			for _, r := range []struct {
				record string
				want   bool
			}{{`{"` + field + `":` + low + `}`, c.onLow}, {`{"` + field + `":` + high + `}`, c.onHi}, {`{}`, c.nul}} {
				if got := Eval(e, row(t, s.Entity, r.record)); got != r.want {
					t.Errorf("%s on %s: %v", text, r.record, got)
				}
			}
			if n := filter(t, s, `{"$not":`+text+`}`); Eval(n, row(t, s.Entity, `{}`)) == c.nul {
				t.Errorf("$not of %s on null is no complement", text)
			}
		}
	}
}

func TestEvalText(t *testing.T) {
	t.Parallel()
	s := person(t)
	r := row(t, s.Entity, `{"name":"\u00c9cole 😀","bio":"e\u0301"}`)
	for text, want := range map[string]bool{
		`{"name":{"$gt":"z"}}`:                           true, // by code point, not by alphabet
		`{"name":{"$lt":"\uffff"}}`:                      true,
		`{"bio":"\u00e9"}`:                               false, // two forms of one letter are two texts
		`{"name":{"$regex":"^école"}}`:                   false,
		`{"name":{"$regex":"^école","$regexFlags":"i"}}`: true,
		`{"name":{"$regex":"..$"}}`:                      true,
		`{"boss":{"$regex":"."}}`:                        false,
	} {
		if got := Eval(filter(t, s, text), r); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for query, want := range map[string]bool{"ÉCOLE": true, "école": true, "ecole": false, "E\u0301": true, "😀": true, "x": false} {
		e, err := ParseSearch(s, query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := Eval(e, r); got != want {
			t.Errorf("search %q: %v", query, got)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	s := person(t)
	var rows []schema.Row
	for _, record := range []string{
		`{"id":"a","age":2,"name":"x"}`, `{"id":"b","age":1}`, `{"id":"c","name":"x"}`,
		`{"id":"d","age":2,"name":"X"}`, `{"id":"e","age":2,"name":"x"}`,
	} {
		rows = append(rows, row(t, s.Entity, record))
	}
	for _, c := range []struct {
		sort        string
		limit, skip int
		want        string
	}{
		{`{}`, 0, 0, "abcde"},
		{`{"id":-1}`, 0, 0, "edcba"},
		{`{"age":1}`, 0, 0, "cbade"},
		{`{"age":-1}`, 0, 0, "edabc"},
		{`{"age":-1,"name":1}`, 0, 0, "daebc"},
		{`{"name":1,"age":-1,"id":-1}`, 0, 0, "bdeac"},
		{`{"age":-1}`, 2, 1, "da"},
		{`{"age":-1}`, 2, 4, "c"},
		{`{"age":-1}`, 2, 9, ""},
	} {
		order, err := ParseSort(s, value(t, c.sort))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, r := range Run(&Select{Entity: s.Entity, Sort: order, Limit: c.limit, Skip: c.skip}, rows) {
			got += r[0].Text()
		}
		if got != c.want {
			t.Errorf("%s limit %d skip %d: %s, want %s", c.sort, c.limit, c.skip, got, c.want)
		}
	}
}

// A live event is matched against the filter of each subscriber.
func TestEvalDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("skipped: allocations under the race detector (run without -race)")
	}
	e, r := typical(t)
	if n := testing.AllocsPerRun(100, func() { Eval(e, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func typical(t testing.TB) (Expr, schema.Row) {
	s := person(t)
	search, err := ParseSearch(s, "LoveLace", nil)
	if err != nil {
		t.Fatal(err)
	}
	e := Join(Visible(s, filter(t, s, `{"active":true,"age":{"$gte":18,"$lt":65},"price":{"$gt":"1.5"},
		"$or":[{"name":{"$regex":"^b.*d$","$regexFlags":"i"}},{"state":{"$in":["new","open"]}}],"$not":{"rank":{"$gt":3}}}`)), search)
	return e, row(t, s.Entity, `{"id":"p1","active":true,"age":36,"name":"Ada King, Countess of LOVELACE","price":"2.5","state":"open","rank":1}`)
}

func BenchmarkEval(b *testing.B) {
	e, r := typical(b)
	if !Eval(e, r) {
		b.Fatal("the benchmark's filter does not match")
	}
	b.ReportAllocs()
	for b.Loop() {
		Eval(e, r)
	}
}

func TestDecodeRecord(t *testing.T) {
	t.Parallel()
	e := person(t).Entity
	r := row(t, e, `{"id":"p1","_version":3,"name":null,"boss":{"id":"p2","name":"B"},"team":[],"friends":["p3"],"born":"2026-01-31","unknown":{}}`)
	want := map[string]schema.Value{
		"id": schema.TextOf("p1"), "_version": schema.IntOf(3), "boss": schema.TextOf("p2"), "born": schema.TimeOf(1769817600000),
	}
	for _, c := range e.Columns {
		if r[c.Index] != want[c.Name] {
			t.Errorf("%s: %s", c.Name, r[c.Index].AppendJSON(nil))
		}
	}
	for _, bad := range []string{`[]`, `{"age":"x"}`, `{"boss":{"id":5}}`, `{"id":7}`} {
		if DecodeRecord(e, value(t, bad), make(schema.Row, len(e.Columns))) == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	if DecodeRecord(e, value(t, `{}`), make(schema.Row, 1)) == nil {
		t.Error("a short row was taken")
	}
	stale := row(t, e, `{"id":"p1","age":5}`)
	if err := DecodeRecord(e, value(t, `{"id":"p1"}`), stale); err != nil || !stale[e.Column("age").Index].IsNull() {
		t.Error("a value of the record before is left")
	}
}
