package query_test

import (
	"math/rand/v2"
	"testing"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/query/querytest"
	"github.com/octomesh/octomesh/pkg/schema"
	"pgregory.net/rapid"
)

// eachRead gives the reads of some generated cases, and a number to draw by.
func eachRead(t *testing.T, f func(t *rapid.T, q *querytest.Query, rows []schema.Row, n uint64)) {
	t.Helper()
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64Range(0, 1<<20).Draw(t, "seed")
		c := querytest.Draw(seed, 10)
		for i, q := range c.Queries {
			if q.Select != nil {
				f(t, q, c.Rows(q), seed+uint64(i))
			}
		}
	})
}

func TestNotIsTheComplement(t *testing.T) {
	eachRead(t, func(t *rapid.T, q *querytest.Query, rows []schema.Row, _ uint64) {
		not := query.Simplify(query.Not{X: q.Raw})
		for _, r := range rows {
			if query.Eval(q.Raw, r) == query.Eval(not, r) {
				t.Fatalf("%s\nand its negation %s agree", q, query.AppendText(nil, not))
			}
		}
	})
}

func TestSimplifyKeepsTheMeaning(t *testing.T) {
	eachRead(t, func(t *rapid.T, q *querytest.Query, rows []schema.Row, _ uint64) {
		simple := query.Simplify(q.Raw)
		for _, r := range rows {
			if query.Eval(q.Raw, r) != query.Eval(simple, r) {
				t.Fatalf("%s\nmeans another thing than %s", query.AppendText(nil, q.Raw), query.AppendText(nil, simple))
			}
		}
		normal(t, simple, true)
		again := query.Simplify(simple)
		if a, b := string(query.AppendText(nil, simple)), string(query.AppendText(nil, again)); a != b {
			t.Fatalf("%s is not simple yet: %s", a, b)
		}
	})
}

// normal holds a tree to what Simplify promises.
func normal(t *rapid.T, e query.Expr, top bool) {
	list := func(members []query.Expr, own func(query.Expr) bool) {
		if len(members) < 2 {
			t.Fatalf("%d members", len(members))
		}
		for _, m := range members {
			if own(m) {
				t.Fatalf("a junction in one of its own kind: %s", query.AppendText(nil, e))
			}
			normal(t, m, false)
		}
	}
	switch e := e.(type) {
	case query.And:
		list(e, func(m query.Expr) bool { _, is := m.(query.And); return is })
	case query.Or:
		list(e, func(m query.Expr) bool { _, is := m.(query.Or); return is })
	case query.Not:
		if c, is := e.X.(query.Compare); is && c.Op > query.Ne {
			return
		}
		switch e.X.(type) {
		case query.Regex, query.Contains:
		default:
			t.Fatalf("not before %T", e.X)
		}
	case query.In:
		if len(e.Values) < 2 {
			t.Fatal("a list of one")
		}
		for _, v := range e.Values {
			if v.IsNull() {
				t.Fatal("null in a list")
			}
		}
	case query.Const:
		if !top || bool(e) {
			t.Fatal("a constant is left")
		}
	case nil:
		if !top {
			t.Fatal("nil inside")
		}
	}
}

// Pages by keyset are the sorted rows, cut anywhere.
func TestAfterIsWhatFollows(t *testing.T) {
	eachRead(t, func(t *rapid.T, q *querytest.Query, rows []schema.Row, n uint64) {
		all := query.Run(&query.Select{Entity: q.Entity, Where: q.Select.Where, Sort: q.Select.Sort}, rows)
		if len(all) == 0 {
			return
		}
		cut := rand.New(rand.NewPCG(n, 1)).IntN(len(all))
		values := make([]schema.Value, len(q.Select.Sort))
		for i, o := range q.Select.Sort {
			values[i] = all[cut][o.Column.Index]
		}
		key := []byte("a key of the server")
		print := query.Fingerprint(q.Entity, q.Select.Where, q.Select.Sort)
		text := query.EncodeCursor(key, &query.Cursor{Query: print, Principal: "k:1", Values: values})
		back, err := query.DecodeCursor(key, text, print, "k:1", q.Select.Sort)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		after := query.After(q.Select.Sort, back)
		rest := query.Run(&query.Select{Entity: q.Entity, Where: query.Join(q.Select.Where, after), Sort: q.Select.Sort}, rows)
		if diff := querytest.Same(q.Entity.Columns, rest, all[cut+1:]); diff != "" {
			t.Fatalf("%s\nafter row %d (%s): %s", q, cut, query.AppendText(nil, after), diff)
		}
	})
}

func TestCursorTampering(t *testing.T) {
	t.Parallel()
	c := querytest.Draw(3, 30)
	key := []byte("a key of the server")
	for _, q := range c.Queries {
		if q.Select == nil {
			continue
		}
		order := q.Select.Sort
		values := make([]schema.Value, len(order))
		for i, o := range order {
			values[i] = c.Rows(q)[0][o.Column.Index]
		}
		print := query.Fingerprint(q.Entity, q.Select.Where, order)
		text := query.EncodeCursor(key, &query.Cursor{Query: print, Principal: "k:1", Values: values})
		refuse := func(what string, key []byte, text string, print [8]byte, who string, order []query.Order) {
			if _, err := query.DecodeCursor(key, text, print, who, order); err == nil {
				t.Errorf("%s was taken", what)
			}
		}
		for i := range text {
			for _, c := range []byte("A-z9") {
				if text[i] != c {
					refuse("a changed letter", key, text[:i]+string(c)+text[i+1:], print, "k:1", order)
				}
			}
			refuse("a cut cursor", key, text[:i], print, "k:1", order)
		}
		refuse("a longer cursor", key, text+"AAAA", print, "k:1", order)
		refuse("a padded cursor", key, text+"=", print, "k:1", order)
		refuse("a line break", key, text[:1]+"\n"+text[1:], print, "k:1", order)
		refuse("another key", []byte("another"), text, print, "k:1", order)
		refuse("another caller", key, text, print, "k:2", order)
		refuse("another query", key, text, [8]byte{1}, "k:1", order)
		refuse("a longer order", key, text, print, "k:1", append(order[:len(order):len(order)], order...))
	}
}

func FuzzDecodeCursor(f *testing.F) {
	c := querytest.Draw(3, 1)
	e := c.Tables[0].Entity
	order := []query.Order{{Column: e.Columns[1]}, {Column: e.Columns[0]}}
	key := []byte("k")
	f.Add(query.EncodeCursor(key, &query.Cursor{Values: []schema.Value{schema.IntOf(1), schema.TextOf("a")}}))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := query.DecodeCursor(key, text, [8]byte{}, "", order)
		if err == nil && query.EncodeCursor(key, &query.Cursor{Values: values}) != text {
			t.Fatalf("%q was taken", text)
		}
	})
}
