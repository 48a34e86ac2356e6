package translate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
)

const schemas = `[
 {"name":"Author","collection":"authors","fields":{"name":{"type":"string"},"born":{"type":"date"}},
  "relations":{"books":{"target":"Book","type":"one-to-many","mappedBy":"author"},"city":{"target":"City","type":"many-to-one"}}},
 {"name":"City","collection":"cities","fields":{"name":{"type":"string"}}},
 {"name":"Genre","collection":"genres","fields":{"name":{"type":"string"}}},
 {"name":"Book","collection":"books","timestamps":true,"fields":{"title":{"type":"string"},"note":{"type":"text"},"pages":{"type":"integer"},"price":{"type":"number"},
  "out":{"type":"boolean"},"at":{"type":"date"},"tags":{"type":"array","arrayOf":"string"},"raw":{"type":"binary"},"kind":{"type":"string","enum":["a","b"]},"doc":{"type":"json"}},
  "relations":{"author":{"target":"Author","type":"many-to-one"},"genres":{"target":"Genre","type":"many-to-many","through":"book_genres"}}}
]`

func model(t testing.TB) *metadata.Model {
	c, err := schema.Parse([]byte(schemas))
	if err != nil {
		t.Fatal(err)
	}
	return metadata.New(c)
}

// told answers Subs with what they ask, so that a filter shows it.
func told(s *Sub) ([]byte, error) {
	b := []byte(`["?` + s.Type.Name)
	if s.By != "" {
		b = append(b, "."+s.By...)
	}
	if s.Having != nil {
		b = append(b, s.Having.Op+s.Having.N...)
	}
	if s.Where != nil {
		inner, err := s.Where.Append(nil, told)
		if err != nil {
			return nil, err
		}
		b = append(b, ' ')
		b = append(b, strings.ReplaceAll(strings.ReplaceAll(string(inner), `\`, `\\`), `"`, `'`)...)
	}
	return append(b, '"', ']'), nil
}

var now = time.Date(2026, 11, 21, 18, 7, 0, 0, time.UTC)

func filter(t testing.TB, m *metadata.Model, text string) (string, error) {
	o, err := parse.Query("$filter="+text, parse.DefaultLimits)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	tr := &Translator{Now: now}
	r, err := tr.Read(o, m.Set("books"))
	if err != nil {
		return "", err
	}
	b, err := r.Where.Append(nil, told)
	if err == nil {
		if err := strictjson.Check(b, 32); err != nil {
			t.Errorf("%s became %s: %v", text, b, err)
		}
	}
	return string(b), err
}

func TestFilter(t *testing.T) {
	m := model(t)
	for _, c := range [][2]string{
		{"title eq 'x'", `{"title":"x"}`},
		{"'x' eq title", `{"title":"x"}`},
		{"5 lt pages", `{"pages":{"$gt":5}}`},
		{"title ne null", `{"title":{"$ne":null}}`},
		{"title gt null", `{"id":{"$in":[]}}`},
		{"price ge 1.50", `{"price":{"$gte":1.50}}`},
		{"price eq %2B007", `{"price":7}`},
		{"pages gt 3.5", `{"pages":{"$gt":3}}`},
		{"pages le -3.5", `{"pages":{"$lte":-4}}`},
		{"pages eq 3.5", `{"id":{"$in":[]}}`},
		{"pages eq 3.0", `{"pages":3}`},
		{"out", `{"out":true}`},
		{"not out", `{"out":false}`},
		{"out eq false", `{"out":false}`},
		{"not (out eq false)", `{"$not":{"out":false}}`},
		{"at gt 2026-01-02", `{"at":{"$gt":"2026-01-02"}}`},
		{"at gt 2026-01-02T03:04Z", `{"at":{"$gt":"2026-01-02T03:04:00Z"}}`},
		{"at lt now() sub duration'P1D'", `{"at":{"$lt":"2026-11-20T18:07:00.000Z"}}`},
		{"at sub duration'PT1H' lt now()", `{"at":{"$lt":"2026-11-21T19:07:00.000Z"}}`},
		{"raw eq binary'_-8='", `{"raw":"/+8="}`},
		{"kind has N.K'a'", `{"kind":"a"}`},
		{"title in ('a','b')", `{"title":{"$in":["a","b"]}}`},
		{"not title in ('a',null)", `{"$not":{"title":{"$in":["a",null]}}}`},
		{"title in [\"a\"]", `{"title":{"$in":["a"]}}`},
		{"tags eq [\"a\",\"b\"]", `{"tags":["a","b"]}`},
		{"doc eq {\"a\":1}", `{"doc":{"a":1}}`},
		{"unknown eq 1", `{"unknown":1}`},
		{"author eq 'a1'", `{"author":"a1"}`},
		{"author_id eq 'a1'", `{"author":"a1"}`},
		{"author/id eq 'a1'", `{"author":"a1"}`},
		{"author eq null", `{"author":null}`},
		{"$it/title eq 'x'", `{"title":"x"}`},
		{"title eq @p&@p='x'", `{"title":"x"}`},
		{"title eq @p&@p=@q&@q='x'", `{"title":"x"}`},
		{"@p&@p=pages gt 3", `{"pages":{"$gt":3}}`},
		{"title eq @none", `{"title":null}`},

		{"title eq 'x' and pages gt 3 and out", `{"$and":[{"title":"x"},{"pages":{"$gt":3}},{"out":true}]}`},
		{"title eq 'x' or pages gt 3 and out", `{"$or":[{"title":"x"},{"$and":[{"pages":{"$gt":3}},{"out":true}]}]}`},
		{"not (title eq 'x' or pages gt 3)", `{"$and":[{"$not":{"title":"x"}},{"$not":{"pages":{"$gt":3}}}]}`},
		{"(title eq 'x') eq false", `{"$not":{"title":"x"}}`},
		{"true", `{}`},
		{"false or title eq 'x'", `{"title":"x"}`},
		{"1 eq 1 and title eq 'x'", `{"title":"x"}`},
		{"null eq null", `{}`},

		{"contains(title,'a.b')", `{"title":{"$regex":"a\\.b"}}`},
		{"not contains(title,'a')", `{"$and":[{"$not":{"title":{"$regex":"a"}}},{"title":{"$exists":true}}]}`},
		{"startswith(title,'a') eq true", `{"title":{"$regex":"^a"}}`},
		{"endswith(title,'a') eq false", `{"$and":[{"$not":{"title":{"$regex":"a$"}}},{"title":{"$exists":true}}]}`},
		{"contains(tolower(title),'ab')", `{"title":{"$regex":"ab","$regexFlags":"i"}}`},
		{"contains(tolower(title),'AB')", `{"id":{"$in":[]}}`},
		{"contains(tolower(title),tolower('AB'))", `{"title":{"$regex":"ab","$regexFlags":"i"}}`},
		{"toupper(title) eq 'AB'", `{"title":{"$regex":"^AB$","$regexFlags":"i"}}`},
		{"tolower(title) ne 'ab'", `{"$not":{"title":{"$regex":"^ab$","$regexFlags":"i"}}}`},
		{"matchesPattern(title,'^a.*z$')", `{"title":{"$regex":"^a.*z$"}}`},
		{"trim(title) eq 'x'", `{"title":{"$regex":"^\\s*x\\s*$"}}`},
		{"length(title) eq 3", `{"title":{"$regex":"(?s)^.{3}$"}}`},
		{"length(title) gt 3", `{"title":{"$regex":"(?s)^.{4}"}}`},
		{"length(title) lt 3", `{"title":{"$regex":"(?s)^.{0,2}$"}}`},
		{"length(title) lt 0", `{"id":{"$in":[]}}`},
		{"indexof(title,'x') eq 0", `{"title":{"$regex":"^x"}}`},
		{"indexof(title,'x') eq 2", `{"$and":[{"title":{"$regex":"(?s)^.{0,2}x"}},{"$not":{"title":{"$regex":"(?s)^.{0,1}x"}}}]}`},
		{"indexof(title,'x') ge 0", `{"title":{"$regex":"x"}}`},
		{"indexof(title,'x') eq -1", `{"$and":[{"$not":{"title":{"$regex":"x"}}},{"title":{"$exists":true}}]}`},
		{"substring(title,1) eq 'x'", `{"title":{"$regex":"(?s)^.{1}x$"}}`},
		{"substring(title,1,1) eq 'x'", `{"title":{"$regex":"(?s)^.{1}x"}}`},
		{"concat(title,'b') eq 'ab'", `{"title":"a"}`},
		{"concat(concat('<',title),'>') eq '<a>'", `{"title":"a"}`},

		{"year(at) eq 2026", `{"$and":[{"at":{"$gte":"2026-01-01T00:00:00.000Z"}},{"at":{"$lt":"2027-01-01T00:00:00.000Z"}}]}`},
		{"year(at) gt 2026", `{"at":{"$gte":"2027-01-01T00:00:00.000Z"}}`},
		{"date(at) le 2026-02-28", `{"at":{"$lt":"2026-03-01T00:00:00.000Z"}}`},
		{"year(at) in (2025,2026)", `{"$or":[{"$and":[{"at":{"$gte":"2025-01-01T00:00:00.000Z"}},{"at":{"$lt":"2026-01-01T00:00:00.000Z"}}]},{"$and":[{"at":{"$gte":"2026-01-01T00:00:00.000Z"}},{"at":{"$lt":"2027-01-01T00:00:00.000Z"}}]}]}`},
		{"floor(price) eq 3", `{"$and":[{"price":{"$gte":3}},{"$not":{"price":{"$gte":4}}}]}`},
		{"ceiling(price) ge 3", `{"price":{"$gt":2}}`},
		{"round(price) gt 3", `{"price":{"$gte":3.5}}`},
		{"price add 2 gt 5", `{"price":{"$gt":3}}`},
		{"2 sub price gt 5", `{"price":{"$lt":-3}}`},
		{"-price ge 5", `{"price":{"$lte":-5}}`},
		{"price mul -2 gt 5", `{"price":{"$lt":-2.5}}`},
		{"price div 4 le 0.5", `{"price":{"$lte":2}}`},
		{"pages divby 2 gt 3.25", `{"pages":{"$gt":6}}`},
		{"price gt 1 add 2 mul 3", `{"price":{"$gt":7}}`},
		{"price eq 7 mod 4", `{"price":3}`},

		{"author/name eq 'Ada'", `{"author":{"$in":["?Author {'name':'Ada'}"]}}`},
		{"author/name ne 'Ada'", `{"author":{"$nin":["?Author {'name':'Ada'}"]}}`},
		{"author/city/name eq 'Rome'", `{"author":{"$in":["?Author {'city':{'$in':['?City {'name':'Rome'}']}}"]}}`},
		{"author/city_id eq 'c'", `{"author":{"$in":["?Author {'city':'c'}"]}}`},
		{"author/name eq null", `{"author":{"$nin":["?Author {'$not':{'name':null}}"]}}`},
		{"author/books/any(b:b/pages gt 5)", `{"author":{"$in":["?Author {'id':{'$in':['?Book.author {'pages':{'$gt':5}}']}}"]}}`},
		{"tags/any()", `{"$and":[{"tags":{"$ne":[]}},{"tags":{"$exists":true}}]}`},
	} {
		got, err := filter(t, m, c[0])
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
		} else if got != c[1] {
			t.Errorf("%s\n got  %s\n want %s", c[0], got, c[1])
		}
	}
}

func TestRefused(t *testing.T) {
	m := model(t)
	for text, code := range map[string]fault.Code{
		"title eq note":                            fault.Unsupported,
		"price add pages gt 3":                     fault.Unsupported,
		"pages div 2 eq 3":                         fault.Unsupported,
		"pages mod 2 eq 0":                         fault.Unsupported,
		"month(at) eq 3":                           fault.Unsupported,
		"tags/any(t:t eq 'x')":                     fault.Unsupported,
		"genres/any(g:g/name eq 'x')":              fault.Unsupported,
		"author/books/any(b:b/title eq $it/title)": fault.Unsupported,
		"author/books/any(b:b/title eq title)":     fault.Unsupported,
		"length(title) eq pages":                   fault.Unsupported,
		"concat(title,note) eq 'x'":                fault.Unsupported,
		"cast(pages,Edm.String) eq '1'":            fault.Unsupported,
		"isof(N.T)":                                fault.Unsupported,
		"case(out:true,true:false)":                fault.Unsupported,
		"N.F(a=1)":                                 fault.Unsupported,
		"at eq 12:00":                              fault.Unsupported,
		"price eq geography'SRID=0;Point(1 2)'":    fault.Unsupported,
		"5":                                        fault.InvalidFilter,
		"pages add 1":                              fault.InvalidFilter,
		"price eq NaN":                             fault.InvalidFilter,
		"price gt 1 div 0":                         fault.InvalidFilter,
		"1e400 gt 2":                               fault.InvalidFilter,
		"INF gt 2":                                 fault.InvalidFilter,
		"author/nothing/x eq 1":                    fault.InvalidFilter,
		"genres/name eq 'x'":                       fault.InvalidFilter,
		"title/any(t:t eq 'x')":                    fault.InvalidFilter,
		"title eq @a&@a=@a":                        fault.InvalidFilter,
		"@a&@a=@b&@b=not @a":                       fault.InvalidFilter,
	} {
		if got, err := filter(t, m, text); fault.CodeOf(err) != code {
			t.Errorf("%s: %v %s, want %s", text, err, got, code)
		}
	}
}

func TestRead(t *testing.T) {
	m := model(t)
	for _, c := range []struct{ query, want string }{
		{"$orderby=price desc,title", `sort {"price":-1,"title":1}`},
		{"$orderby=author/id", `sort "author"`},
		{"$select=title,author_id", `select title author`},
		{"$select=title&$expand=author($expand=city),genres", `select title author genres relations author author.city genres`},
		{"$expand=author($expand=books($top=1))", `relations`},
		{"$expand=*", `relations author genres`},
		{"$search=red", `text red`},
		{"$search=red OR blue", `where {"$or":[{"title":{"$regex":"red","$regexFlags":"i"}},{"note":{"$regex":"red","$regexFlags":"i"}},{"kind":{"$regex":"red","$regexFlags":"i"}},{"title":{"$regex":"blue","$regexFlags":"i"}},{"note":{"$regex":"blue","$regexFlags":"i"}},{"kind":{"$regex":"blue","$regexFlags":"i"}}]}`},
		{"$apply=groupby((author_id),aggregate(pages with sum as total,$count as n))/filter(n gt 1)&$orderby=total desc&$top=5", `stages [{"$group":{"_by":"author","total":{"$sum":"pages"},"n":{"$count":true}}},{"$match":{"n":{"$gt":1}}},{"$sort":{"total":-1}},{"$limit":5}]`},
		{"$apply=filter(pages gt 3)/aggregate(price with average as mean)", `stages [{"$match":{"pages":{"$gt":3}}},{"$group":{"_by":null,"mean":{"$avg":"price"}}}]`},
		{"$apply=identity", `stages [{"$skip":0}]`},
		{"$apply=groupby((author_id))&$orderby=author_id&$select=author_id", `stages [{"$group":{"_by":"author"}},{"$sort":"author"},{"$project":["author"]}]`},
	} {
		o, err := parse.Query(c.query, parse.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		r, err := (&Translator{Now: now}).Read(o, m.Set("Book"))
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		var parts []string
		if r.Stages != nil {
			b, err := r.Stages(nil, told)
			if err != nil || !json.Valid(b) {
				t.Errorf("%s: %s %v", c.query, b, err)
			}
			parts = append(parts, "stages", string(b))
		}
		if r.Sort != "" {
			parts = append(parts, "sort", r.Sort)
		}
		if r.Text != "" {
			parts = append(parts, "text", r.Text)
		}
		if r.Where != nil {
			b, _ := r.Where.Append(nil, told)
			parts = append(parts, "where", string(b))
		}
		if members := r.Members(); members != nil {
			parts = append(append(parts, "select"), members...)
		}
		if len(r.Expand) > 0 {
			parts = append(append(parts, "relations"), r.Relations(nil, "")...)
		}
		if got := strings.Join(parts, " "); got != c.want {
			t.Errorf("%s\n got  %s\n want %s", c.query, got, c.want)
		}
	}
}

// TestFiltersAreTaken gives every filter of the table above to the parser of the
// query language itself.
func TestFiltersAreTaken(t *testing.T) {
	c, err := schema.Parse([]byte(schemas))
	if err != nil {
		t.Fatal(err)
	}
	m := metadata.New(c)
	for _, text := range []string{
		"title eq 'x' and not (pages gt 3 or contains(note,'a'))", "length(title) ge 2", "year(at) eq 2026", "author/id eq 'a'",
		"indexof(title,'x') gt 2", "tags/any()", "raw eq binary'_-8='", "trim(title) eq 'x'", "price add 1 gt 0.1", "doc eq {\"a\":[1]}",
	} {
		b, err := filter(t, m, text)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := strictjson.Parse([]byte(b))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := query.ParseFilter(query.Scope{Entity: c.Entity("Book")}, doc.Root); err != nil {
			t.Errorf("%s became %s: %v", text, b, err)
		}
		doc.Release()
	}
}

// FuzzTranslate: whatever can be parsed becomes JSON or a refusal.
func FuzzTranslate(f *testing.F) {
	for _, s := range []string{
		"$filter=title eq 'x' and author/name ne 'y'", "$filter=pages add 3 div 2 gt 1", "$apply=groupby((author_id),aggregate($count as n))",
		"$filter=author/books/all(b:b/pages gt 5)", "$search=a OR NOT b", "$expand=*($levels=max)&$select=title", "$filter=indexof(title,'a') le 3",
		"$filter=round(price) lt -2.5", "$filter=books/$count eq 0", "$filter=@a&@a=@b&@b=@a", "$orderby=author/name",
	} {
		f.Add(s)
	}
	m := model(f)
	f.Fuzz(func(t *testing.T, q string) {
		o, err := parse.Query(q, parse.DefaultLimits)
		if err != nil {
			return
		}
		for _, it := range []string{"books", "authors"} {
			r, err := (&Translator{Now: now}).Read(o, m.Set(it))
			if err != nil {
				if c := fault.CodeOf(err); c != fault.InvalidFilter && c != fault.Unsupported {
					t.Fatal(err)
				}
				continue
			}
			flat := func(*Sub) ([]byte, error) { return []byte(`[]`), nil }
			if r.Where != nil {
				if b, err := r.Where.Append(nil, flat); err != nil || !json.Valid(b) {
					t.Fatalf("%q became %q: %v", q, b, err)
				}
			}
			if r.Stages != nil {
				if b, err := r.Stages(nil, flat); err != nil || !json.Valid(b) {
					t.Fatalf("%q became %q: %v", q, b, err)
				}
			}
		}
	})
}

func TestLambdas(t *testing.T) {
	m := model(t)
	for text, want := range map[string]string{
		"books/any()":                        `{"id":{"$in":["?Book.author"]}}`,
		"books/any(b:b/pages gt 5)":          `{"id":{"$in":["?Book.author {'pages':{'$gt':5}}"]}}`,
		"not books/any(b:b/pages gt 5)":      `{"id":{"$nin":["?Book.author {'pages':{'$gt':5}}"]}}`,
		"books/all(b:b/pages gt 5)":          `{"id":{"$nin":["?Book.author {'$not':{'pages':{'$gt':5}}}"]}}`,
		"books/$count gt 2":                  `{"id":{"$in":["?Book.author$gt2"]}}`,
		"books/$count eq 0":                  `{"id":{"$nin":["?Book.author$ne0"]}}`,
		"books/$count lt 3":                  `{"id":{"$nin":["?Book.author$gte3"]}}`,
		"books/$count($filter=out) ge 1":     `{"id":{"$in":["?Book.author$gte1 {'out':true}"]}}`,
		"books/any(b:b/author/id eq 'a')":    `{"id":{"$in":["?Book.author {'author':'a'}"]}}`,
		"books/any(b:b/tags/any())":          `{"id":{"$in":["?Book.author {'$and':[{'tags':{'$ne':[]}},{'tags':{'$exists':true}}]}"]}}`,
		"books/any(b:b/out) and name eq 'x'": `{"$and":[{"id":{"$in":["?Book.author {'out':true}"]}},{"name":"x"}]}`,
	} {
		o, err := parse.Query("$filter="+text, parse.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		r, err := (&Translator{Now: now}).Read(o, m.Set("authors"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if b, _ := r.Where.Append(nil, told); string(b) != want {
			t.Errorf("%s\n got  %s\n want %s", text, b, want)
		}
	}
	bomb := "$filter=" + strings.Repeat("books/any(b:b/out) and ", 20) + "true"
	o, err := parse.Query(bomb, parse.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&Translator{Now: now}).Read(o, m.Set("authors")); fault.CodeOf(err) != fault.InvalidFilter {
		t.Error(fmt.Sprint("a lambda bomb: ", err))
	}
}

// TestLongChains: a chain of one operator is long, not deep.
func TestLongChains(t *testing.T) {
	m := model(t)
	for text, parts := range map[string]int{
		strings.TrimSuffix(strings.Repeat("pages eq 7 or ", 120), " or "):            120,
		"not (" + strings.TrimSuffix(strings.Repeat("out and ", 240), " and ") + ")": 240,
		"pages gt 1" + strings.Repeat(" add 1", 240):                                 1,
		"price" + strings.Repeat(" add 1", 240) + " gt 1":                            1,
	} {
		got, err := filter(t, m, text)
		if err != nil || strings.Count(got, "pages")+strings.Count(got, "out")+strings.Count(got, "price") != parts {
			t.Errorf("%.40s…: %.80s %v", text, got, err)
		}
	}
	if got, _ := filter(t, m, "pages gt 1"+strings.Repeat(" add 1", 240)); got != `{"pages":{"$gt":241}}` {
		t.Error(got)
	}
	if got, _ := filter(t, m, "10 sub 2 sub 3 sub price gt 1 mul 2 add 3"); got != `{"price":{"$lt":0}}` {
		t.Error(got)
	}
}

// TestAliasBombs: aliases that name each other twice double what there is to do.
func TestAliasBombs(t *testing.T) {
	m := model(t)
	for form, last := range map[string]string{
		"%s mul %s":            "99",
		"%s add %s":            "1",
		"%s and %s":            "out",
		"concat(%s,%s)":        "'" + strings.Repeat("x", 2000) + "'",
		"(%s or %s) and %[1]s": "title eq '" + strings.Repeat("x", 2000) + "'",
	} {
		q := "price gt @n0"
		if strings.Contains(form, "and") {
			q = "@n0"
		} else if strings.Contains(form, "concat") {
			q = "title eq @n0"
		}
		for i := range 28 {
			next := fmt.Sprintf("@n%d", i+1)
			q += fmt.Sprintf("&@n%d=", i) + fmt.Sprintf(form, next, next)
		}
		q += "&@n28=" + last
		if _, err := filter(t, m, q); fault.CodeOf(err) != fault.InvalidFilter {
			t.Errorf("%s: %v", form, err)
		}
	}
	// Digits double without many steps where an alias is squared by two names.
	q := "price gt @n0"
	for i := range 12 {
		q += fmt.Sprintf("&@n%d=@n%d mul @n%d", i, i+1, i+1)
	}
	if _, err := filter(t, m, q+"&@n12="+strings.Repeat("9", 30)); fault.CodeOf(err) != fault.InvalidFilter {
		t.Error(err)
	}
	if got, err := filter(t, m, "year(at) in ("+strings.TrimSuffix(strings.Repeat("2025,", 1000), ",")+")"); err != nil {
		t.Error(len(got), err)
	}
}
