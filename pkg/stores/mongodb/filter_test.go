package mongodb

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// TestFilters pins what is sent for each form of a filter.
func TestFilters(t *testing.T) {
	t.Parallel()
	id := &schema.Column{Name: "id", Physical: "id", Type: schema.String, Role: schema.RoleID}
	s := &schema.Column{Name: "s", Physical: "s_", Type: schema.String}
	n := &schema.Column{Name: "n", Physical: "n", Type: schema.Integer}
	c := &schema.Column{Name: "c", Physical: "c", Type: schema.Decimal}
	pattern := func(source string, fold bool) query.Expr {
		p, err := query.CompilePattern(source, fold)
		if err != nil {
			t.Fatal(err)
		}
		return query.Regex{Column: s, Pattern: p}
	}
	seven := schema.IntOf(7)
	for _, x := range []struct {
		e     query.Expr
		want  string
		exact bool
	}{
		{nil, `{}`, true},
		{query.Const(false), `{"_id": {"$in": []}}`, true},
		{query.Compare{Column: id, Op: query.Eq, Value: schema.TextOf("$ne")}, `{"_id": {"$eq": "$ne"}}`, true},
		{query.Compare{Column: s, Op: query.Ne}, `{"s_": {"$ne": null}}`, true},
		{query.Compare{Column: n, Op: query.Lt, Value: seven}, `{"n": {"$lt": {"$numberLong":"7"}}}`, true},
		{query.Compare{Column: n, Op: query.Lt}, `{"_id": {"$in": []}}`, true},
		{query.Not{X: query.Compare{Column: n, Op: query.Lt, Value: seven}}, `{"$nor": [{"n": {"$lt": {"$numberLong":"7"}}}]}`, true},
		{query.Not{X: query.Compare{Column: n, Op: query.Eq, Value: seven}}, `{"n": {"$ne": {"$numberLong":"7"}}}`, true},
		{query.Compare{Column: c, Op: query.Gte, Value: schema.DecimalOf("-12.34")}, `{"c": {"$gte": "n97:87.65~"}}`, true},
		{query.In{Column: n, Values: []schema.Value{seven, schema.Null}, Negate: true}, `{"n": {"$nin": [{"$numberLong":"7"},null]}}`, true},
		{query.And{query.Const(true), query.Or{}}, `{"$and": [{},{"_id": {"$in": []}}]}`, true},
		{pattern(`^a\.b.*c$`, false), `{"s_": {"$regex": "\\Aa\\.b[^\\n]*c\\z"}}`, true},
		{pattern(`[^a-c]`, false), `{"s_": {"$regex": "[^\\x{61}-\\x{63}]"}}`, true},
		{pattern(`a.*b.*c`, false), `{"s_": {"$type": "string"}}`, false},
		{pattern(`(a|b)+`, false), `{"s_": {"$type": "string"}}`, false},
		{query.Not{X: pattern(`(a|b)+`, false)}, `{}`, false},
		{pattern(`k`, true), `{"$or": [{"s_": {"$regex": "[^\\x00-\\x7F]"}},{"s_": {"$regex": "k","$options": "i"}}]}`, false},
		{query.Not{X: pattern(`k`, true)}, `{"$or": [{"s_": {"$regex": "[^\\x00-\\x7F]"}},{"$nor": [{"s_": {"$regex": "k","$options": "i"}}]}]}`, false},
		{query.Contains{Columns: []*schema.Column{s}, Needle: "é"}, `{"$or": [{"s_": {"$regex": "[^\\x00-\\x7F]"}}]}`, false},
	} {
		d := newDoc()
		exact := d.appendFilter(x.e, false)
		raw := d.raw()
		if err := raw.Validate(); err != nil {
			t.Errorf("%s: %v", x.want, err)
		}
		if got := raw.String(); got != x.want || exact != x.exact {
			t.Errorf("%s\n got %s, exact %v\nwant %s, exact %v", query.AppendText(nil, x.e), got, exact, x.want, x.exact)
		}
	}
}

// TestDecimals keeps decimals what they are, and in their order.
func TestDecimals(t *testing.T) {
	t.Parallel()
	texts := []string{"0", "1", "-1", "12.34", "-12.34", "-12.3", "-12", "12.3", "99999999999999999999999999999999999999", "-99999999999999999999999999999999999999", "0.00000000000000000000000000000000000001", "-0.5", "0.5"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		text, ok := schema.CanonicalDecimal(strings.Repeat("-", r.IntN(2)) + digits(r, 1+r.IntN(18)) + "." + digits(r, 1+r.IntN(18)))
		if !ok {
			t.Fatal("no decimal")
		}
		texts = append(texts, text)
	}
	slices.SortFunc(texts, func(a, b string) int { return schema.DecimalOf(a).Compare(schema.DecimalOf(b)) })
	for i, text := range texts {
		stored := sortableDecimal(text)
		if back, ok := plainDecimal(stored); !ok || back != text {
			t.Errorf("%s is stored as %s, read as %s", text, stored, back)
		}
		if i > 0 && text != texts[i-1] && sortableDecimal(texts[i-1]) >= stored {
			t.Errorf("%s is not below %s", sortableDecimal(texts[i-1]), stored)
		}
	}
	for _, foreign := range []string{"", "12", "p", "x02:12", "n97:87"} {
		if back, ok := plainDecimal(foreign); ok {
			t.Errorf("%q was read as %s", foreign, back)
		}
	}
}

func digits(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	return string(b)
}

const wide = `[{"name":"W","collection":"ws","timestamps":true,"fields":{"s":"string","t":"text","n":"number","i":"integer","b":"boolean","d":"date","j":"json","c":"decimal"}}]`

// document is one of W with all of its members.
func document(tb testing.TB) (*schema.Entity, bson.Raw) {
	tb.Helper()
	cat, err := schema.Parse([]byte(wide))
	if err != nil {
		tb.Fatal(err)
	}
	e := cat.Entity("W")
	d := newDoc()
	for _, c := range e.Columns {
		switch c.Type.Kind() {
		case schema.KindBool:
			d.value(member(c), schema.BoolOf(true))
		case schema.KindInt:
			d.value(member(c), schema.IntOf(9007199254740993))
		case schema.KindFloat:
			d.value(member(c), schema.FloatOf(1.5))
		case schema.KindTime:
			d.value(member(c), schema.TimeOf(1767323045000))
		case schema.KindDecimal:
			d.value(member(c), schema.DecimalOf("12.34"))
		case schema.KindJSON:
			d.value(member(c), schema.JSONOf(`{"a":[1,2]}`))
		default:
			d.value(member(c), schema.TextOf("a text of some length"))
		}
	}
	return e, d.raw()
}

// BenchmarkRow turns a document of 11 members into JSON.
func BenchmarkRow(b *testing.B) {
	e, raw := document(b)
	w := newRow(e.Columns)
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		if err := w.set(raw); err != nil {
			b.Fatal(err)
		}
		out = out[:0]
		for i := range e.Columns {
			out = w.AppendJSON(out, i)
		}
	}
}

// BenchmarkFilter writes a filter of three conditions: it is made anew for each
// request, since that costs less than to find a kept one and put the values in.
func BenchmarkFilter(b *testing.B) {
	e, _ := document(b)
	where := query.And{
		query.Compare{Column: e.Column("s"), Op: query.Eq, Value: schema.TextOf("x")},
		query.Compare{Column: e.Column("i"), Op: query.Gt, Value: schema.IntOf(7)},
		query.In{Column: e.Column("id"), Values: []schema.Value{schema.TextOf("a"), schema.TextOf("b")}},
	}
	b.ReportAllocs()
	for b.Loop() {
		d := newDoc()
		d.appendFilter(where, false)
		_ = d.raw()
	}
}

// FuzzRow reads any bytes as a document.
func FuzzRow(f *testing.F) {
	e, raw := document(f)
	f.Add([]byte(raw))
	f.Add([]byte{5, 0, 0, 0, 0})
	for _, c := range e.Columns { // what another program may have written there
		for _, v := range []any{"text", `1,"admin":true`, "{\"a\" :\n1}", "caf\xe9", "p02:1,2", "p02:12.30", "n97:87.65~", int32(1), int64(1), 1.5, true, bson.DateTime(0), bson.NewObjectID(), bson.A{}, nil} {
			raw, err := bson.Marshal(bson.D{{Key: member(c), Value: v}})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if bson.Raw(b).Validate() != nil {
			return // the driver hands out what it has found whole
		}
		w := newRow(e.Columns)
		if w.set(b) != nil {
			return
		}
		for i := range e.Columns {
			v, got := w.Value(i), w.AppendJSON(nil, i)
			if w.Null(i) != v.IsNull() || v.IsNull() != (string(got) == "null") {
				t.Errorf("column %d is null and not null", i)
			}
			if string(v.AppendJSON(nil)) != string(got) || !json.Valid(got) || !utf8.Valid(got) || bytes.ContainsAny(got, "\n\r") {
				t.Errorf("column %d is shown as %q, its value as %q", i, got, v.AppendJSON(nil))
			}
			_ = w.Text(i)
		}
	})
}
