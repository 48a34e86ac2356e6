package octomesh

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// odataReply is a response of /odata.
type odataReply struct {
	status int
	header http.Header
	body   string
}

func odataDo(t *testing.T, s *server, method, path, body string, headers ...string) odataReply {
	t.Helper()
	at, query, asks := strings.Cut(path, "?")
	if asks {
		query = "?" + strings.NewReplacer(" ", "%20", "é", "%C3%A9", "\"", "%22").Replace(query)
	}
	if !strings.HasPrefix(at, "http") {
		at = "http://" + s.HTTP + "/odata/" + at
	}
	req, err := http.NewRequestWithContext(t.Context(), method, at+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", s.Key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") && !json.Valid(b) {
		t.Errorf("%s %s: no JSON: %s", method, path, b)
	}
	return odataReply{res.StatusCode, res.Header, string(b)}
}

const libraryOData = `[
 {"name":"Author","collection":"authors","softDelete":true,"fields":{"name":{"type":"string","required":true},"born":{"type":"date"},"rank":{"type":"integer","default":7}},
  "relations":{"books":{"target":"Book","type":"one-to-many","mappedBy":"author"},"city":{"target":"City","type":"many-to-one"}}},
 {"name":"City","collection":"cities","fields":{"name":{"type":"string"}}},
 {"name":"Genre","collection":"genres","fields":{"name":{"type":"string"}},"relations":{"books":{"target":"Book","type":"many-to-many","mappedBy":"genres"}}},
 {"name":"Book","collection":"books","timestamps":true,"fields":{"title":{"type":"string","required":true,"description":"What it is called"},"note":{"type":"text"},"pages":{"type":"integer"},"price":{"type":"decimal"},
  "out":{"type":"boolean"},"at":{"type":"date"},"tags":{"type":"array","arrayOf":"string"},"raw":{"type":"binary"},"kind":{"type":"enum","enum":["a","b"]},"doc":{"type":"json"}},
  "relations":{"author":{"target":"Author","type":"many-to-one"},"genres":{"target":"Genre","type":"many-to-many","through":"book_genres"}}}
]`

// library is a server with a few books, made through OData itself.
func odataLibrary(t *testing.T) *server {
	s := serve(t, schemaFile(t, libraryOData))
	for _, c := range [][2]string{
		{"cities", `{"id":"rome","name":"Rome"}`},
		{"authors", `{"id":"ada","name":"Ada","city@odata.bind":"cities('rome')","born":"1815-12-10"}`},
		{"authors", `{"id":"bob","name":"Bob","rank":2}`},
		{"authors", `{"id":"cyd","name":"Cyd O'Neil"}`},
		{"genres", `{"id":"g1","name":"Prose"}`},
		{"genres", `{"id":"g2","name":"Verse"}`},
		{"books", `{"id":"b1","title":"One","pages":100,"price":9.90,"out":true,"author_id":"ada","genres@odata.bind":["genres('g1')","genres('g2')"],"at":"2026-01-02T03:04:05Z","tags":["x","y"],"raw":"_-8="}`},
		{"books", `{"id":"b2","title":"Two","pages":200,"price":19.5,"out":false,"author":{"@odata.id":"authors('ada')"},"genres":["g1"],"at":"2025-06-01T00:00:00Z","doc":{"a":[1]}}`},
		{"books", `{"id":"b3","title":"three","pages":300,"author":"bob","kind":"b"}`},
		{"authors('cyd')/books", `{"id":"b4","title":"Fo/ur é","pages":400}`},
		{"books", `{"id":"b5","title":"Five"}`},
	} {
		if r := odataDo(t, s, "POST", c[0], c[1]); r.status != 201 {
			t.Fatalf("%s %s: %d %s", c[0], c[1], r.status, r.body)
		}
	}
	return s
}

var odataID = regexp.MustCompile(`"id":"([a-z0-9]+)"`)

// TestOData asks the real program, filters and paths by the ids that come back.
func TestOData(t *testing.T) {
	s := odataLibrary(t)
	t.Run("filters", func(t *testing.T) {
		for _, c := range [][2]string{
			{"title eq 'One'", "b1"},
			{"title ne 'One'", "b2 b3 b4 b5"},
			{"pages gt 150 and pages le 300", "b2 b3"},
			{"pages eq null", "b5"},
			{"not (pages gt 150)", "b1 b5"},
			{"pages lt 150 or out eq false", "b1 b2"},
			{"out", "b1"},
			{"not out", "b2"},
			{"contains(title,'o')", "b2 b4"},
			{"contains(tolower(title),'o')", "b1 b2 b4"},
			{"startswith(title,'T')", "b2"},
			{"endswith(title,'e')", "b1 b3 b5"},
			{"not contains(note,'x')", ""},
			{"length(title) eq 3", "b1 b2"},
			{"indexof(title,'w') eq 1", "b2"},
			{"substring(title,1) eq 'ne'", "b1"},
			{"concat(title,'!') eq 'One!'", "b1"},
			{"year(at) eq 2026", "b1"},
			{"date(at) lt 2026-01-01", "b2"},
			{"at lt now()", "b1 b2"},
			{"price mul 2 gt 20", "b2"},
			{"price eq 9.9", "b1"},
			{"floor(price) eq 9", "b1"},
			{"pages divby 100 ge 3", "b3 b4"},
			{"pages gt 199.5", "b2 b3 b4"},
			{"kind eq 'b'", "b3"},
			{"title in ('One','Five')", "b1 b5"},
			{"raw eq binary'_-8='", "b1"},
			{"tags/any()", "b1"},
			{"author_id eq 'ada'", "b1 b2"},
			{"author eq null", "b5"},
			{"author/id eq 'bob'", "b3"},
			{"author/name eq 'Cyd O''Neil'", "b4"},
			{"author/name ne 'Ada'", "b3 b4 b5"},
			{"author/city/name eq 'Rome'", "b1 b2"},
			{"title eq @t&@t='Two'", "b2"},
			{"false", ""},
			{"id in ()", ""},
		} {
			r := odataDo(t, s, "GET", "books?$orderby=id&$filter="+c[0], "")
			odataIDs(t, c[0], r, c[1])
		}
		for _, c := range [][2]string{
			{"books/any(b:b/pages ge 300)", "bob cyd"},
			{"books/all(b:b/pages ge 300)", "bob cyd"},
			{"books/any()", "ada bob cyd"},
			{"not books/any(b:b/out)", "bob cyd"},
			{"books/$count gt 1", "ada"},
			{"books/$count lt 2", "bob cyd"},
			{"city/name eq null", "bob cyd"},
		} {
			odataIDs(t, c[0], odataDo(t, s, "GET", "authors?$orderby=id&$filter="+c[0], ""), c[1])
		}
	})
	t.Run("replies", func(t *testing.T) {
		for _, c := range []struct {
			request, body string
			status        int
			want          string
		}{
			{"GET ", "", 200, `{"name":"books","kind":"EntitySet","url":"books"}`},
			{"GET books('b1')?$select=title,raw,author_id", "", 200, `#books(title,raw,author_id)/$entity","@odata.etag":"W/\"1\"","id":"b1","_version":1,"title":"One","raw":"_-8=","author_id":"ada"}`},
			{"GET books/b1?$select=title", "", 200, `"title":"One"}`},
			{"GET books(id='b1')?$select=title", "", 200, `"title":"One"}`},
			{"GET books(@k)?@k='b1'&$select=title", "", 200, `"title":"One"}`},
			{"GET books('zz')", "", 404, `"code":"NOT_FOUND"`},
			{"GET books('b1')/title", "", 200, `#books('b1')/title","value":"One"}`},
			{"GET books('b1')/title/$value", "", 200, `One`},
			{"GET books('b4')/title/$value", "", 200, `Fo/ur é`},
			{"GET books('b5')/pages", "", 204, ``},
			{"GET books('b1')/author", "", 200, `"name":"Ada"`},
			{"GET books('b1')/author/name/$value", "", 200, `Ada`},
			{"GET books('b5')/author", "", 204, ``},
			{"GET books('b1')/author/city?$select=name", "", 200, `"name":"Rome"}`},
			{"GET authors('ada')/books?$select=title&$orderby=title desc", "", 200, `"value":[{"@odata.etag":"W/\"1\"","id":"b2","_version":1,"title":"Two"},{"@odata.etag":"W/\"1\"","id":"b1","_version":1,"title":"One"}]}`},
			{"GET authors('ada')/books/$count", "", 200, `2`},
			{"GET authors('ada')/books('b1')/pages/$value", "", 200, `100`},
			{"GET authors('ada')/books('b3')", "", 404, `NOT_FOUND`},
			{"GET authors('zz')/books", "", 404, `NOT_FOUND`},
			{"GET books('b1')/genres?$select=name&$orderby=name desc", "", 200, `"id":"g2","_version":1,"name":"Verse"},`},
			{"GET books('b1')/genres/$ref", "", 200, `#Collection($ref)","value":[{"@odata.id":"genres('g1')"},{"@odata.id":"genres('g2')"}]}`},
			{"GET books('b1')/author/$ref", "", 200, `#$ref","@odata.id":"authors('ada')"}`},
			{"GET books/$count?$filter=pages gt 100", "", 200, `3`},
			{"GET books/$count?$search=FO", "", 200, `1`},
			{"GET books?$search=one OR two&$select=title&$count=true", "", 200, `"@odata.count":2`},
			{"GET books?$top=2&$count=true&$select=title", "", 200, `"@odata.count":5`},
			{"GET books?$top=0&$count=true", "", 200, `"@odata.count":5,"value":[]}`},
			{"GET books?$filter=id eq 'b1'&$select=title&$expand=author($select=name;$expand=city)", "", 200, `"title":"One","author":{"@odata.etag":"W/\"1\"","name":"Ada","city":{"@odata.etag":"W/\"1\"","id":"rome","_version":1,"name":"Rome"}}}]}`},
			{"GET authors?$select=name&$expand=books($select=title;$orderby=pages desc;$top=1;$count=true)&$filter=id eq 'ada'", "", 200, `"name":"Ada","books@odata.count":2,"books":[{"@odata.etag":"W/\"1\"","title":"Two"}]}]}`},
			{"GET authors?$select=name&$expand=books/$count&$filter=id eq 'cyd'", "", 200, `"name":"Cyd O'Neil","books@odata.count":1}`},
			{"GET authors?$select=name&$expand=books/$ref&$filter=id eq 'cyd'", "", 200, `"books":[{"@odata.id":"books('b4')"}]`},
			{"GET books('b1')?$select=title&$expand=genres($filter=name eq 'Verse';$select=name)", "", 200, `"genres":[{"@odata.etag":"W/\"1\"","name":"Verse"}]}`},
			{"GET books('b1')?$select=title&$expand=author($expand=books($filter=out;$select=title))", "", 200, `"books":[{"@odata.etag":"W/\"1\"","title":"One"}]}}`},
			{"GET books?$apply=groupby((author_id),aggregate(pages with sum as total,$count as n))&$orderby=total desc&$top=1", "", 200, `"value":[{"author_id":"cyd","total":400,"n":1}]`},
			{"GET books?$apply=filter(pages gt 100)/aggregate(pages with average as mean)", "", 200, `{"mean":300}`},
			{"POST books/$query", "$filter=pages gt 350&$select=title", 200, `"title":"Fo/ur é"`},
			{"GET books/MostaJS.findOne()?$filter=pages gt 350", "", 200, `"id":"b4"`},
			{"GET books?$filter=title eq pages", "", 501, `UNSUPPORTED`},
			{"GET books?$filter=nothing eq 1", "", 400, `"code":"INVALID_FILTER"`},
			{"GET books?$filter=title eq", "", 400, `"target":"$filter"`},
			{"GET books?$expand=nothing", "", 400, `INVALID_FILTER`},
			{"GET books?$select=nothing", "", 400, `INVALID_FILTER`},
			{"GET books?$nothing=1", "", 400, `INVALID_FILTER`},
			{"GET books?$format=xml", "", 406, `INVALID_REQUEST`},
			{"GET nothing", "", 404, `UNKNOWN_ENTITY`},
			{"GET books('b1')/nothing", "", 404, `NOT_FOUND`},
			{"GET books('b1')/title/x", "", 404, `NOT_FOUND`},
			{"GET books('", "", 400, `INVALID_REQUEST`},
			{"GET $metadata/x", "", 400, `INVALID_REQUEST`},
			{"PUT books", "{}", 405, `METHOD_NOT_ALLOWED`},
			{"GET $batch", "", 405, `METHOD_NOT_ALLOWED`},
			{"POST books", "{", 400, `PARSE_ERROR`},
			{"POST books", `{"title":7}`, 422, `"details":[{"code":"VALIDATION_ERROR","message":`},
			{"POST books", `{"id":"b1","title":"again"}`, 409, `CONFLICT`},
			{"POST books", `{"title":"x","author@odata.bind":"cities('rome')"}`, 400, `INVALID_REQUEST`},
			{"POST books", `{"title":"x","author":{"name":"new"}}`, 501, `UNSUPPORTED`},
			{"DELETE books('zz')", "", 404, `NOT_FOUND`},
			{"PATCH books('zz')", `{"pages":1}`, 404, `NOT_FOUND`},
			{"GET $all", "", 501, `UNSUPPORTED`},
		} {
			method, path, _ := strings.Cut(c.request, " ")
			var headers []string
			if strings.HasSuffix(path, "$query") {
				headers = append(headers, "Content-Type: text/plain")
			}
			r := odataDo(t, s, method, path, c.body, headers...)
			if r.status != c.status || !strings.Contains(r.body, c.want) {
				t.Errorf("%s %s\n got  %d %s\n want %d %s", c.request, c.body, r.status, r.body, c.status, c.want)
			}
		}
	})
	t.Run("pages", func(t *testing.T) { odataPages(t, s) })
	t.Run("metadata", func(t *testing.T) { odataMetadata(t, s) })
	t.Run("versions", func(t *testing.T) { odataVersions(t, s) })
	t.Run("batch", func(t *testing.T) { odataBatches(t, s) })
	t.Run("delta", func(t *testing.T) { odataDelta(t, s) })
	t.Run("references", func(t *testing.T) { odataReferences(t, s) })
}

func odataIDs(t *testing.T, what string, r odataReply, want string) {
	t.Helper()
	var got []string
	for _, m := range odataID.FindAllStringSubmatch(r.body, -1) {
		got = append(got, m[1])
	}
	if r.status != 200 || strings.Join(got, " ") != want {
		t.Errorf("%s: %d %v, want %s\n%s", what, r.status, got, want, map[bool]string{true: r.body}[r.status != 200])
	}
}

// odataPages follows nextLinks to the end.
func odataPages(t *testing.T, s *server) {
	path, got := "books?$select=title&$orderby=pages desc,title", ""
	for range 10 {
		r := odataDo(t, s, "GET", path, "", "Prefer: maxpagesize=2")
		var page struct {
			Value []struct{ ID string }
			Next  string `json:"@odata.nextLink"`
		}
		if err := json.Unmarshal([]byte(r.body), &page); err != nil || r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		for _, v := range page.Value {
			got += v.ID + " "
		}
		got += "| "
		if path = page.Next; path == "" {
			break
		}
	}
	if got != "b4 b3 | b2 b1 | b5 | " {
		t.Error(got)
	}
	r := odataDo(t, s, "GET", "books?$top=3", "", "Prefer: odata.maxpagesize=2")
	if !strings.Contains(r.body, `$top=1&$skiptoken=`) || r.header.Get("Preference-Applied") != "maxpagesize=2" {
		t.Errorf("%v %s", r.header, r.body)
	}
	if r = odataDo(t, s, "GET", "books?$skiptoken=forged", ""); r.status != 400 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func odataMetadata(t *testing.T, s *server) {
	r := odataDo(t, s, "GET", "$metadata", "", "Accept: application/xml")
	if r.status != 200 || r.header.Get("Content-Type") != "application/xml" || xml.Unmarshal([]byte(r.body), new(struct{})) != nil {
		t.Fatalf("%d %v %s", r.status, r.header, r.body)
	}
	for _, want := range []string{
		`<EntityType Name="Book"><Key><PropertyRef Name="id"/></Key>`, `<Property Name="author_id" Type="Edm.String" Nullable="true"/>`,
		`<NavigationProperty Name="author" Type="MostaJS.Author" Nullable="true" Partner="books"><ReferentialConstraint Property="author_id" ReferencedProperty="id"/>`,
		`<NavigationProperty Name="books" Type="Collection(MostaJS.Book)" Partner="author"/>`, `<EntitySet Name="books" EntityType="MostaJS.Book"><NavigationPropertyBinding Path="author" Target="authors"/>`,
		`<Property Name="tags" Type="Collection(Edm.String)"`, `<Property Name="price" Type="Edm.Decimal"`,
	} {
		if !strings.Contains(r.body, want) {
			t.Errorf("$metadata lacks %s", want)
		}
	}
	if again := odataDo(t, s, "GET", "$metadata", "", "If-None-Match: "+r.header.Get("ETag")); again.status != 304 {
		t.Errorf("%d", again.status)
	}
	r = odataDo(t, s, "GET", "$metadata?$format=json", "")
	var csdl map[string]any
	if err := json.Unmarshal([]byte(r.body), &csdl); err != nil || csdl["$EntityContainer"] != "MostaJS.Default" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r = odataDo(t, s, "GET", "$metadata", "", "X-API-Key: "); r.status != 401 || !strings.Contains(r.header.Get("WWW-Authenticate"), "Basic") {
		t.Errorf("%d %v", r.status, r.header)
	}
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.HTTP+"/odata/books/$count", nil)
	req.SetBasicAuth(s.Key, "")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("Basic: %d", res.StatusCode)
	}
	if r = odataDo(t, s, "GET", "", "", "X-CSRF-Token: Fetch"); r.status != 200 || r.header.Get("X-CSRF-Token") == "" {
		t.Errorf("%d %v", r.status, r.header)
	}
	for level, want := range map[string]string{
		"none": `{"value":[{"id":"b1","_version":1,"title":"One"}]}`,
		"full": `"@odata.type":"#MostaJS.Book","@odata.id":"books('b1')","@odata.editLink":"books('b1')","@odata.etag":`,
	} {
		if r = odataDo(t, s, "GET", "books?$select=title&$filter=id eq 'b1'", "", "Accept: application/json;odata.metadata="+level); !strings.Contains(r.body, want) {
			t.Errorf("%s: %s", level, r.body)
		}
	}
	if r = odataDo(t, s, "GET", "books('b1')?$select=pages,price", "", "Accept: application/json;IEEE754Compatible=true"); !strings.Contains(r.body, `"pages":"100","price":"9.9"`) {
		t.Error(r.body)
	}
}

func odataVersions(t *testing.T, s *server) {
	r := odataDo(t, s, "PATCH", "books('b5')", `{"pages":5,"note":"n"}`, `If-Match: W/"1"`)
	if r.status != 200 || r.header.Get("ETag") != `W/"2"` || !strings.Contains(r.body, `"pages":5`) {
		t.Fatalf("%d %v %s", r.status, r.header, r.body)
	}
	if r = odataDo(t, s, "PATCH", "books('b5')", `{"pages":6}`, `If-Match: W/"1"`); r.status != 412 || !strings.Contains(r.body, "CONFLICT") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r = odataDo(t, s, "GET", "books('b5')", "", `If-None-Match: W/"2"`); r.status != 304 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r = odataDo(t, s, "PUT", "books('b5')", `{"title":"Five!"}`, "Prefer: return=minimal"); r.status != 204 || r.header.Get("OData-EntityId") == "" {
		t.Errorf("%d %v %s", r.status, r.header, r.body)
	}
	if r = odataDo(t, s, "GET", "books('b5')", ""); !strings.Contains(r.body, `"title":"Five!","note":null,"pages":null`) {
		t.Error(r.body)
	}
	if r = odataDo(t, s, "PUT", "authors('bob')", `{"name":"Bob"}`); !strings.Contains(r.body, `"rank":7`) {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r = odataDo(t, s, "PUT", "books('b5')/pages", `{"value":50}`); r.status != 204 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r = odataDo(t, s, "DELETE", "books('b5')/note", ""); r.status != 204 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r = odataDo(t, s, "PATCH", "books/$filter(@f)/$each?@f=pages eq 50", `{"note":"each"}`); r.status != 204 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r = odataDo(t, s, "GET", "books('b5')/note/$value", ""); r.body != "each" {
		t.Errorf("%d %s", r.status, r.body)
	}
	for range 2 {
		if r = odataDo(t, s, "POST", "books", `{"title":"once","id":"once"}`, "Idempotency-Key: od-1"); r.status != 201 {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	if r.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%v", r.header)
	}
	if r = odataDo(t, s, "DELETE", "books('once')", "", `If-Match: *`); r.status != 204 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func odataBatches(t *testing.T, s *server) {
	r := odataDo(t, s, "POST", "$batch", `{"requests":[
	 {"id":"0","method":"GET","url":"books('b1')/title"},
	 {"id":"1","atomicityGroup":"g","method":"POST","url":"authors","body":{"id":"dot","name":"Dot"}},
	 {"id":"2","atomicityGroup":"g","method":"POST","url":"books","body":{"id":"bx","title":"By Dot","author@odata.bind":"$1"}},
	 {"id":"3","atomicityGroup":"g","method":"PATCH","url":"$2","body":{"pages":9}},
	 {"id":"4","dependsOn":["g"],"method":"GET","url":"/odata/books('bx')?$select=title,pages&$expand=author($select=name)"},
	 {"id":"5","method":"GET","url":"$1/books/$count"}]}`)
	for _, want := range []string{
		`{"id":"0","status":200,`, `{"id":"1","status":201,"atomicityGroup":"g",`, `"body":{"@odata.context":`, `"pages":9`, `"author":{"@odata.etag":"W/\"1\"","name":"Dot"}`, `"body":"1"`,
	} {
		if r.status != 200 || !strings.Contains(r.body, want) {
			t.Errorf("lacks %s: %d %s", want, r.status, r.body)
		}
	}
	r = odataDo(t, s, "POST", "$batch", `{"requests":[
	 {"id":"1","atomicityGroup":"g","method":"POST","url":"authors","body":{"id":"never","name":"N"}},
	 {"id":"2","atomicityGroup":"g","method":"POST","url":"authors","body":{"id":"ada","name":"taken"}},
	 {"id":"3","dependsOn":["g"],"method":"GET","url":"authors"},
	 {"id":"4","method":"GET","url":"authors/$count"}]}`, "Prefer: continue-on-error")
	for _, want := range []string{`{"id":"1","status":424`, `{"id":"2","status":409`, `{"id":"3","status":424`, `{"id":"4","status":200`} {
		if !strings.Contains(r.body, want) {
			t.Errorf("lacks %s: %s", want, r.body)
		}
	}
	if r = odataDo(t, s, "GET", "authors('never')", ""); r.status != 404 {
		t.Errorf("half of a group was done: %d", r.status)
	}
	part := func(id, request, body string) string {
		return "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: " + id + "\r\n\r\n" + request + " HTTP/1.1\r\nContent-Type: application/json\r\n\r\n" + body + "\r\n"
	}
	multi := "--b\r\n" + part("1", "GET books('b1')?$select=title", "") + "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n" +
		part("2", "POST /odata/authors", `{"id":"eve","name":"Eve"}`) + "--c\r\n" + part("3", "PATCH $2", `{"rank":1}`) + "--c--\r\n--b--\r\n"
	r = odataDo(t, s, "POST", "$batch", multi, "Content-Type: multipart/mixed; boundary=b")
	if r.status != 200 || strings.Count(r.body, "HTTP/1.1 20") != 3 || !strings.Contains(r.header.Get("Content-Type"), "multipart/mixed") {
		t.Errorf("%d %v\n%s", r.status, r.header, r.body)
	}
	r = odataDo(t, s, "POST", "$batch", `{"requests":[{"id":"1","atomicityGroup":"g","method":"PATCH","url":"books('b1')","headers":{"If-Match":"W/\"99\""},"body":{"pages":1}}]}`)
	if !strings.Contains(r.body, `"status":412`) {
		t.Errorf("%d %s", r.status, r.body)
	}
	many := strings.Repeat(`{"id":"%d","method":"GET","url":"books"},`, 101)
	ids := make([]any, 101)
	for i := range ids {
		ids[i] = i
	}
	for _, bad := range []string{
		`{`, `[]`, `{"requests":[{"id":"1"}]}`, `{"requests":[{"id":1,"method":"GET","url":"books"}]}`, `{"requests":[{"id":"1","method":"GET","url":"a"},{"id":"1","method":"GET","url":"b"}]}`,
		`{"requests":[{"id":"1","method":"GET","url":"/shop/odata/books"}]}`, `{"requests":[{"id":"1","method":"GET","url":"$batch"}]}`, `{"requests":[{"id":"1","method":"TRACE","url":"books"}]}`,
		`{"requests":[{"id":"1","method":"GET","url":"books","dependsOn":["2"]}]}`, `{"requests":[{"id":"1","method":"GET","url":"` + strings.Repeat("a/", 50) + `"}]}`,
		`{"requests":[` + strings.TrimSuffix(fmt.Sprintf(many, ids...), ",") + `]}`,
	} {
		r = odataDo(t, s, "POST", "$batch", bad)
		if r.status >= 500 || r.status == 200 && !regexp.MustCompile(`"status":4\d\d`).MatchString(r.body) {
			t.Errorf("%.80s: %d %s", bad, r.status, r.body)
		}
	}
}

func odataDelta(t *testing.T, s *server) {
	link := func(r odataReply) string {
		t.Helper()
		var page struct {
			Delta string `json:"@odata.deltaLink"`
		}
		if err := json.Unmarshal([]byte(r.body), &page); err != nil || page.Delta == "" {
			t.Fatalf("no deltaLink: %d %s", r.status, r.body)
		}
		return page.Delta
	}
	r := odataDo(t, s, "GET", "books?$select=title&$filter=pages lt 150", "", "Prefer: odata.track-changes")
	if r.header.Get("Preference-Applied") != "track-changes" {
		t.Errorf("%v", r.header)
	}
	at := link(r)
	if r = odataDo(t, s, "GET", at, ""); !strings.Contains(r.body, `"value":[]`) {
		t.Error(r.body)
	}
	odataDo(t, s, "POST", "books", `{"id":"new","title":"New","pages":1}`)
	odataDo(t, s, "PATCH", "books('b1')", `{"pages":500}`)
	odataDo(t, s, "DELETE", "books('bx')", "")
	odataDo(t, s, "PATCH", "authors('ada')", `{"rank":3}`)
	r = odataDo(t, s, "GET", at, "")
	for _, want := range []string{
		`/$delta"`, `"id":"new","_version":1,"title":"New"}`, `{"@odata.removed":{"reason":"changed"},"@odata.id":"books('b1')","id":"b1"}`, `{"@odata.removed":{"reason":"deleted"},"@odata.id":"books('bx')","id":"bx"}`,
	} {
		if !strings.Contains(r.body, want) {
			t.Errorf("lacks %s: %s", want, r.body)
		}
	}
	if strings.Contains(r.body, "'ada'") {
		t.Error(r.body)
	}
	if r = odataDo(t, s, "GET", link(r), ""); !strings.Contains(r.body, `"value":[]`) {
		t.Error(r.body)
	}
	for token, status := range map[string]int{"rubbish": 400, "zz-5": 410} {
		if r = odataDo(t, s, "GET", "books?$deltatoken="+url.QueryEscape(token), ""); r.status != status {
			t.Errorf("%s: %d %s", token, r.status, r.body)
		}
	}
}

func odataReferences(t *testing.T, s *server) {
	for _, c := range []struct{ method, path, body, look, want string }{
		{"PUT", "books('b5')/author/$ref", `{"@odata.id":"authors('bob')"}`, "books('b5')/author_id/$value", "bob"},
		{"DELETE", "books('b5')/author/$ref", "", "books?$filter=id eq 'b5' and author eq null&$select=id", `"id":"b5"`},
		{"POST", "books('b5')/genres/$ref", `{"@id":"http://anywhere/odata/genres('g2')"}`, "books('b5')/genres/$ref", "genres('g2')"},
		{"DELETE", "books('b5')/genres/$ref?$id=genres('g2')", "", "books('b5')/genres/$count", "0"},
		{"POST", "authors('bob')/books/$ref", `{"@odata.id":"books('b5')"}`, "books('b5')/author_id/$value", "bob"},
		{"DELETE", "authors('bob')/books('b5')/$ref", "", "authors('bob')/books/$count", "1"},
	} {
		if r := odataDo(t, s, c.method, c.path, c.body); r.status != 204 {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.body)
		}
		if r := odataDo(t, s, "GET", c.look, ""); !strings.Contains(r.body, c.want) {
			t.Errorf("%s %s: then %s has %d %s", c.method, c.path, c.look, r.status, r.body)
		}
	}
	// What is in another one's collection can't be taken from this one's.
	odataDo(t, s, "POST", "authors('bob')/books/$ref", `{"@odata.id":"books('b5')"}`)
	if r := odataDo(t, s, "DELETE", "authors('ada')/books('b5')/$ref", ""); r.status != 404 {
		t.Errorf("%d %s", r.status, r.body)
	}
	r := odataDo(t, s, "POST", "$batch", `{"requests":[
	 {"id":"1","atomicityGroup":"g","method":"DELETE","url":"authors('ada')/books('b5')/$ref"},
	 {"id":"2","atomicityGroup":"g","method":"DELETE","url":"authors('bob')/books('b5')/$ref"}]}`)
	if !strings.Contains(r.body, `{"id":"1","status":404`) || !strings.Contains(r.body, `{"id":"2","status":204`) {
		t.Error(r.body)
	}
}
