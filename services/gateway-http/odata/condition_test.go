package odata

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

const orders = `[
 {"name":"Customer","collection":"customers","fields":{"name":{"type":"string"}},
  "relations":{"orders":{"target":"Order","type":"one-to-many","mappedBy":"customer"}}},
 {"name":"Tag","collection":"tags","fields":{"name":{"type":"string"}}},
 {"name":"Order","collection":"orders","fields":{"price":{"type":"number"}},
  "relations":{"customer":{"target":"Customer","type":"many-to-one"},"tags":{"target":"Tag","type":"many-to-many","through":"order_tags"}}}
]`

// heard writes down what reaches the mesh, as "op args", and answers with data.
func heard(calls *[]string, data string) mesh.CallerFunc {
	return func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		*calls = append(*calls, r.Op+" "+string(r.Args))
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":` + data + `,"metadata":{"count":1}}`)}, nil
	}
}

func escaped(target string) string {
	path, query, asks := strings.Cut(target, "?")
	if asks {
		path += "?" + strings.ReplaceAll(query, " ", "%20")
	}
	return path
}

// TestNothingIsPassedOver: what a request asks is done, or refused before
// anything is.
func TestNothingIsPassedOver(t *testing.T) {
	for _, c := range []struct {
		request, body, headers string
		data                   string // of every reply of the mesh
		status                 int
		last                   string // of the calls; "" = none may be there
	}{
		{"POST /customers('1')/orders/MostaJS.deleteMany", `{"filter":{}}`, "", `2`, 501, ""},
		{"POST /orders/$filter(price%20gt%203)/MostaJS.updateMany", `{"filter":{},"data":{}}`, "", `2`, 501, ""},
		{"POST /orders/$filter(price%20gt%203)/MostaJS.aggregate", `{"stages":[]}`, "", `[]`, 501, ""},
		{"GET /orders/$filter(price%20gt%203)/MostaJS.findOne()", "", "", `null`, 204, `findOne {"filter":{"price":{"$gt":3}}}`},
		{"GET /orders/$filter(price%20gt%203)/MostaJS.stream()", "", "", `null`, 200, `stream {"filter":{"price":{"$gt":3}}}`},
		{"POST /orders/MostaJS.deleteMany", `{"filter":{}}`, "", `2`, 200, `deleteMany {"filter":{}}`},
		{"POST /orders/MostaJS.deleteMany?$filter=price gt 3", `{"filter":{}}`, "", `2`, 400, ""},
		{"POST /orders/MostaJS.deleteMany", `{"filter":{}}`, `If-Match: W/"1"`, `2`, 501, ""},

		{"POST /orders", `{"price":1}`, `If-Match: W/"3"`, oneRow, 412, ""},
		{"POST /customers('1')/orders", `{"price":1}`, `If-Match: W/"3"`, oneRow, 412, ""},
		{"POST /orders", `{"price":1}`, `If-None-Match: *`, oneRow, 412, ""},
		{"POST /orders", `{"price":1}`, `If-Match: *`, oneRow, 201, `create {"data":{"price":1}}`},
		{"POST /orders", `{"price":1}`, `If-None-Match: W/"3"`, oneRow, 201, `create {"data":{"price":1}}`},

		{"DELETE /orders/$each?$filter=price gt 3", "", "", `2`, 204, `deleteMany {"filter":{"price":{"$gt":3}}}`},
		{"PATCH /orders/$filter(price%20lt%209)/$each?$filter=price gt 3", `{"price":1}`, "", `2`, 204, `updateMany {"filter":{"$and":[{"price":{"$gt":3}},{"price":{"$lt":9}}]},"data":{"price":1}}`},
		{"DELETE /orders/$each", "", "", `2`, 204, `deleteMany {"filter":{}}`},
		{"DELETE /orders/$each?$top=1", "", "", `2`, 400, ""},
		{"DELETE /orders/$each?$search=x", "", "", `2`, 400, ""},
		{"DELETE /orders/$each", "", `If-Match: W/"1"`, `2`, 501, ""},
		{"DELETE /orders('1')?$filter=price gt 3", "", "", `true`, 400, ""},
		{"PUT /orders('1')/price?$filter=price gt 3", `{"value":1}`, "", oneRow, 400, ""},
		{"DELETE /orders('1')/customer/$ref?$filter=price gt 3", "", "", oneRow, 400, ""},
		{"POST /orders('1')/tags/$ref?$id=tags('1')", `{"@odata.id":"tags('1')"}`, "", oneRow, 400, ""},
		{"DELETE /orders('1')/tags/$ref?$id=tags('1')", "", "", oneRow, 204, `pull {"id":"1","field":"tags","value":"1"}`},
		{"POST /transaction?$top=1", `{"operations":[]}`, "", `[]`, 400, ""},

		{"DELETE /customers('1')/orders('9')/$ref", "", "", `1`, 204, `updateMany {"filter":{"$and":[{"id":"9"},{"customer":"1"}]},"data":{"customer":null}}`},
		{"DELETE /customers('1')/orders/$ref?$id=orders('9')", "", "", `0`, 404, `updateMany {"filter":{"$and":[{"id":"9"},{"customer":"1"}]},"data":{"customer":null}}`},
		{"DELETE /customers('1')/orders('9')/$ref", "", `If-Match: W/"3"`, `1`, 501, ""},
		{"POST /customers('1')/orders/$ref", `{"@odata.id":"orders('9')"}`, `If-Match: W/"3"`, oneRow, 501, ""},
		{"POST /customers('1')/orders/$ref", `{"@odata.id":"orders('9')"}`, "", oneRow, 204, `update {"id":"9","data":{"customer":"1"}}`},
		{"POST /orders('1')/tags/$ref", `{"@odata.id":"tags('2')"}`, `If-Match: W/"3"`, oneRow, 204, `addToSet {"id":"1","field":"tags","value":"2","expectedVersion":3}`},
		{"DELETE /orders('1')/tags('2')/$ref", "", `If-Match: W/"3"`, oneRow, 204, `pull {"id":"1","field":"tags","value":"2","expectedVersion":3}`},

		{"GET /orders/MostaJS.findOne()?$orderby=price&$filter=price gt 3", "", "", oneRow, 200, `findOne {"filter":{"price":{"$gt":3}},"sort":"price"}`},
		{"GET /orders/MostaJS.findOne()?$search=x", "", "", oneRow, 400, ""},
		{"GET /orders/MostaJS.findOne()?$skip=3", "", "", oneRow, 400, ""},
		{"GET /orders/MostaJS.findOne()?$apply=filter(price gt 3)", "", "", oneRow, 400, ""},
		{"GET /orders/MostaJS.stream()?$apply=filter(price gt 3)", "", "", oneRow, 400, ""},
		{"GET /orders/MostaJS.stream()?$count=true", "", "", oneRow, 400, ""},
		{"GET /orders/MostaJS.stream()?$deltatoken=e-1", "", "", oneRow, 400, ""},
		{"GET /orders/MostaJS.stream()?$expand=customer($filter=name eq 'x')", "", "", oneRow, 501, ""},
		{"GET /orders/MostaJS.stream()?$top=2&$skip=1", "", "", oneRow, 200, `stream {"limit":2,"skip":1}`},

		{"GET /orders?$apply=filter(price gt 3)&$count=true&$top=1", "", "", `[]`, 501, ""},
		{"GET /orders?$apply=filter(price gt 3)&$count=true&$skip=1", "", "", `[]`, 501, ""},
		{"GET /orders?$apply=filter(price gt 3)/top(1)&$count=true", "", "", `[]`, 200, `aggregate {"stages":[{"$match":{"price":{"$gt":3}}},{"$limit":1}]}`},
	} {
		var calls []string
		s := serverOf(t, orders, heard(&calls, c.data))
		method, path, _ := strings.Cut(c.request, " ")
		var headers []string
		if c.headers != "" {
			headers = append(headers, c.headers)
		}
		r := send(s, method, "/odata"+escaped(path), c.body, headers...)
		last := ""
		if len(calls) > 0 {
			last = calls[len(calls)-1]
		}
		if r.StatusCode() != c.status || last != c.last {
			t.Errorf("%s %s\n got  %d %s\n after %v\n want %d after %s", c.request, c.headers, r.StatusCode(), r.Body(), calls, c.status, c.last)
		}
	}
}

// TestAddresses: a URL with another service root names no record of this one.
func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		at, url string
		fine    bool
	}{
		{"/odata/", "orders('1')", true},
		{"/odata/", "/odata/orders('1')", true},
		{"/odata/", "http://proxy/odata/orders('1')", true},
		{"/shop/odata/", "/shop/odata/orders('1')", true},
		{"/shop/odata/", "orders('1')", true},
		{"/shop/odata/", "/odata/orders('1')", false},
		{"/shop/odata/", "http://octomesh/odata/orders('1')", false},
		{"/odata/", "/shop/odata/orders('1')", false},
		{"/odata/", "http://elsewhere/other/odata/orders('1')", false},
		{"/odata/", "http://elsewhere/orders('1')", false},
		{"/odata/", "http://elsewhere", false},
	} {
		var calls []string
		s := serverOf(t, orders, heard(&calls, oneRow))
		batch := send(s, "POST", c.at+"$batch", `{"requests":[{"id":"1","method":"GET","url":"`+c.url+`"}]}`)
		if got := strings.Contains(string(batch.Body()), `"status":200`); got != c.fine || len(calls) > 0 != c.fine {
			t.Errorf("a batch at %s with %s: %s", c.at, c.url, batch.Body())
		}
		r := send(s, "GET", c.at+"$entity?$id="+url.QueryEscape(c.url), "")
		if got := r.StatusCode() == 200; got != c.fine {
			t.Errorf("$entity at %s with %s: %d %s", c.at, c.url, r.StatusCode(), r.Body())
		}
	}
}

func TestConditionOfABatchPart(t *testing.T) {
	var calls []string
	s := serverOf(t, orders, heard(&calls, oneRow))
	r := send(s, "POST", "/odata/$batch", `{"requests":[{"id":"1","method":"PATCH","url":"orders('1')","if":"$0/x eq 1","body":{"price":1}}]}`)
	if len(calls) > 0 || !strings.Contains(string(r.Body()), `"status":501`) {
		t.Errorf("%v %s", calls, r.Body())
	}
}

// TestDoneAndUnreadable: of a transaction that is committed nobody is told that
// nothing was done.
func TestDoneAndUnreadable(t *testing.T) {
	for _, data := range []string{`[` + oneRow + `]`, `[]`, `7`} {
		var calls []string
		s := serverOf(t, orders, heard(&calls, data))
		r := send(s, "POST", "/odata/$batch", `{"requests":[{"id":"1","atomicityGroup":"g","method":"POST","url":"orders","body":{}},{"id":"2","atomicityGroup":"g","method":"POST","url":"orders","body":{}}]}`)
		if body := string(r.Body()); strings.Contains(body, "nothing was done") || !strings.Contains(body, `{"id":"2","status":500`) || !strings.Contains(body, `INTERNAL`) {
			t.Errorf("%s: %s", data, body)
		}
	}
}

// TestUnknownOutcome: of a transaction whose outcome nobody knows, nobody is told
// that nothing was done either.
func TestUnknownOutcome(t *testing.T) {
	s := server(t, func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return nil, fault.New(fault.Timeout, "whether the write was executed is unknown")
	})
	r := send(s, "POST", "/odata/$batch", `{"requests":[{"id":"1","atomicityGroup":"g","method":"POST","url":"products","body":{}},{"id":"2","atomicityGroup":"g","method":"POST","url":"products","body":{}}]}`)
	if body := string(r.Body()); strings.Contains(body, "nothing was done") || strings.Count(body, `"status":504`) != 2 {
		t.Error(body)
	}
}

func TestBatchPartOfAnotherProject(t *testing.T) {
	var calls []string
	s := serverOf(t, orders, heard(&calls, oneRow))
	for _, part := range []string{`"url":"orders('1')?project=shop"`, `"url":"orders('1')","headers":{"x-project":"shop"}`} {
		r := send(s, "POST", "/odata/$batch", `{"requests":[{"id":"1","method":"GET",`+part+`}]}`)
		if len(calls) > 0 || !strings.Contains(string(r.Body()), `"status":400`) {
			t.Errorf("%s: %v %s", part, calls, r.Body())
		}
	}
}

func TestDeltaLinksAreTaken(t *testing.T) {
	s := server(t, func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":[],"metadata":{"count":0,"total":0,"position":"e-9"}}`)}, nil
	})
	for query, tracked := range map[string]bool{
		"$orderby=price&$filter=price gt 3": true, "$count=true": true, "$top=5": false, "$skip=5": false, "%24OrderBy=price desc": true,
	} {
		r := send(s, "GET", escaped("/odata/products?"+query), "", "Prefer: track-changes")
		_, link, there := strings.Cut(string(r.Body()), `"@odata.deltaLink":"`)
		if there != tracked || (len(r.Header.Peek("Preference-Applied")) > 0) != tracked {
			t.Errorf("%s: %s", query, r.Body())
		}
		if !there {
			continue
		}
		at := strings.TrimPrefix(strings.TrimSuffix(link, `"}`), "http://octomesh")
		if r = send(s, "GET", at, ""); r.StatusCode() != 200 {
			t.Errorf("%s: %d %s", at, r.StatusCode(), r.Body())
		}
	}
}

// TestExpandIsBounded: expansions within expansions repeat records, and ask for
// each page by itself.
func TestExpandIsBounded(t *testing.T) {
	const path = "/odata/customers('1')?$expand=orders($top=1000;$expand=customer($expand=orders($top=1000;$expand=customer($expand=orders($top=1000)))))"
	asked := 0
	same := func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		asked++
		data := `{"id":"1","_version":1,"name":"x"}`
		if r.Op == "findAll" {
			data = "[" + data + "]"
		}
		if r.Entity == "Order" {
			rows := make([]string, 1000)
			for i := range rows {
				rows[i] = `{"id":"o` + strconv.Itoa(i) + `","_version":1,"price":1,"customer":"1"}`
			}
			data = "[" + strings.Join(rows, ",") + "]"
		}
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":` + data + `,"metadata":{}}`)}, nil
	}
	r := send(serverOf(t, orders, same), "GET", path, "")
	if r.StatusCode() != fault.PayloadTooLarge.HTTP() {
		t.Errorf("%d, %d bytes", r.StatusCode(), len(r.Body()))
	}
	asked = 0
	pages := func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		asked++
		n := strconv.Itoa(asked)
		data := `{"id":"1","_version":1,"name":"x"}`
		next := ""
		if r.Op == "findAll" {
			data = `[{"id":"c` + n + `","_version":1,"name":"x"}]`
		}
		if r.Entity == "Order" {
			data = `[{"id":"o` + n + `","_version":1,"price":1,"customer":"c` + n + `"}]`
			_, page, _ := strings.Cut(string(r.Args), `"cursor":"`) // the ninth is the last
			if len(page) < 8+len(`"}`) {
				next = `"next":"` + strings.TrimSuffix(page, `"}`) + `x"`
			}
		}
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":` + data + `,"metadata":{` + next + `}}`)}, nil
	}
	r = send(serverOf(t, orders, pages), "GET", path, "")
	if r.StatusCode() != fault.PayloadTooLarge.HTTP() || asked > 110 {
		t.Errorf("%d after %d questions: %.200s", r.StatusCode(), asked, r.Body())
	}
}

// TestRepliesAreBounded: the parts of a batch fetch no more together than a
// request of its own may.
func TestRepliesAreBounded(t *testing.T) {
	asked := 0
	large := func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if r.Entity == "Order" {
			return &mesh.Reply{Body: []byte(`{"status":"ok","data":[],"metadata":{}}`)}, nil
		}
		asked++
		row := `{"status":"ok","data":[{"id":"1","_version":1,"note":"` + strings.Repeat("x", 10<<20) + `"}],"metadata":{}}`
		return &mesh.Reply{Chunks: (&mesh.Reply{Body: []byte(row)}).Parts()}, nil
	}
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, `,{"id":"%d","method":"GET","url":"orders?$filter=customer/name eq 'x'"}`, i)
	}
	r := send(serverOf(t, orders, large), "POST", "/odata/$batch", `{"requests":[`+b.String()[1:]+`]}`, "Content-Type: application/json", "Prefer: continue-on-error")
	body := string(r.Body())
	if n := strings.Count(body, `"PAYLOAD_TOO_LARGE"`); r.StatusCode() != 200 || n != 20-6 || asked != 20 {
		t.Errorf("%d, %d refused of %d: %.300s", r.StatusCode(), n, asked, body)
	}
}
