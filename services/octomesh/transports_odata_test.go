package octomesh

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var (
	odataControl = regexp.MustCompile(`"@odata\.context":"[^"]*",?|"@odata\.etag":"W/\\"\d+\\"",?`)
	odataKeyed   = regexp.MustCompile(`"team_id":"[^"]*","team":\{`)
)

// odataDoor asks for a step in OData and makes REST's body of what comes back:
// control information is taken out, and the reference gets its one name again.
func odataDoor(_ *testing.T, s *server) door {
	return func(t *testing.T, st step) string {
		t.Helper()
		method, path, body := odataStep(t, st)
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.HTTP+"/odata/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", s.Key)
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return odataBody(t, st, resp, string(b))
	}
}

func odataBody(t *testing.T, st step, resp *http.Response, body string) string {
	meta := ""
	if p := resp.Header.Get("Octo-Position"); p != "" {
		meta = `"position":"` + p + `"`
	}
	body = odataControl.ReplaceAllString(body, "")
	body = odataKeyed.ReplaceAllString(body, `"team":{`)
	body = strings.ReplaceAll(body, `"team_id":`, `"team":`)
	value := strings.TrimSuffix(strings.TrimPrefix(body, `{"value":`), "}")
	switch {
	case st.status < 300 && resp.StatusCode == http.StatusNotFound:
		body = map[bool]string{true: "false", false: "null"}[st.op == "delete"]
	case resp.StatusCode >= 300:
		var e struct{ Error json.RawMessage }
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			t.Fatalf("%s: %s", st.name, body)
		}
		return failed(t, e.Error)
	case resp.StatusCode == http.StatusNoContent:
		body = "true"
	case st.op == "count":
		meta = `"total":` + body
	case st.op == "updateMany":
		return `{"status":"ok","metadata":{"count":` + value + "," + meta + "}}"
	case st.op == "deleteMany":
		body, meta = value, `"count":`+value+","+meta
	case st.op == "findAll", st.op == "search", st.op == "transaction":
		var list []json.RawMessage
		if err := json.Unmarshal([]byte(value), &list); err != nil {
			t.Fatalf("%s: %s", st.name, body)
		}
		body, meta = value, strings.TrimSuffix(fmt.Sprintf(`"count":%d,%s`, len(list), meta), ",")
	case st.op == "aggregate":
		body = value
	}
	return ok(body, meta)
}

// odataStep writes a step's request.
func odataStep(t *testing.T, st step) (method, path, body string) {
	var args struct {
		ID        string
		Filter    map[string]json.RawMessage
		Sort      map[string]int
		Limit     int
		Query     string
		Relations []string
		Data      json.RawMessage
	}
	if st.op != "transaction" {
		if err := json.Unmarshal([]byte(st.args), &args); err != nil {
			t.Fatal(err)
		}
	}
	v := url.Values{}
	for field, value := range args.Filter {
		var inner map[string]json.RawMessage
		op := "eq"
		if json.Unmarshal(value, &inner) == nil {
			for name, x := range inner {
				op, value = strings.NewReplacer("$", "", "gte", "ge", "lte", "le").Replace(name), x
			}
		}
		v.Set("$filter", field+" "+op+" "+strings.ReplaceAll(string(value), `"`, "'"))
	}
	for field, way := range args.Sort {
		v.Set("$orderby", field+map[int]string{1: " asc", -1: " desc"}[way])
	}
	if args.Limit > 0 {
		v.Set("$top", fmt.Sprint(args.Limit))
	}
	if args.Query != "" {
		v.Set("$search", args.Query)
	}
	if args.Relations != nil {
		v.Set("$expand", strings.Join(args.Relations, ","))
	}
	options := ""
	if len(v) > 0 {
		options = "?" + v.Encode()
	}
	record := st.entity + "('" + args.ID + "')"
	switch st.op {
	case "findAll", "search":
		return "GET", st.entity + options, ""
	case "findOne":
		return "GET", st.entity + "/MostaJS.findOne()" + options, ""
	case "count":
		return "GET", st.entity + "/$count" + options, ""
	case "findById":
		return "GET", record + options, ""
	case "create":
		return "POST", st.entity, st.body
	case "update":
		return "PATCH", record, st.body
	case "delete":
		return "DELETE", record, ""
	case "addToSet", "pull", "increment":
		return "POST", record + "/MostaJS." + st.op, st.body
	case "transaction":
		return "POST", "transaction", st.args
	}
	return "POST", st.entity + "/MostaJS." + st.op, st.args
}
