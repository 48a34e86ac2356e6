package octomesh

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// graphqlFields tell how each op is asked, with the types of its arguments; %s
// is the entity, %l the same with a small letter.
var graphqlFields = map[string][3]string{
	"findAll":     {"query", "%ls", "filter: JSON, sort: JSON, limit: Int"},
	"findOne":     {"query", "%lOne", "filter: JSON"},
	"findById":    {"query", "%l", "id: ID!"},
	"count":       {"query", "%lCount", "filter: JSON"},
	"search":      {"query", "%lSearch", "query: String!"},
	"aggregate":   {"query", "%lAggregate", "stages: JSON!"},
	"create":      {"mutation", "create%s", "input: %sInput!"},
	"update":      {"mutation", "update%s", "id: ID!, input: %sPatch!"},
	"delete":      {"mutation", "delete%s", "id: ID!"},
	"upsert":      {"mutation", "upsert%s", "filter: JSON, input: %sPatch!"},
	"updateMany":  {"mutation", "updateMany%ss", "filter: JSON, input: %sPatch!"},
	"deleteMany":  {"mutation", "deleteMany%ss", "filter: JSON"},
	"addToSet":    {"mutation", "addToSet%s", "id: ID!, field: String!, value: JSON"},
	"pull":        {"mutation", "pull%s", "id: ID!, field: String!, value: JSON"},
	"increment":   {"mutation", "increment%s", "id: ID!, field: String!, amount: Float!"},
	"transaction": {"mutation", "_transaction", "operations: JSON!"},
}

// graphqlRefuses are the steps that the type system refuses before anybody is
// asked, always with INVALID_REQUEST.
var graphqlRefuses = map[string]bool{"what does not fit": true, "no data": true, "no such entity": true}

// graphqlDoor asks with variables and puts the reply of REST together from what
// it gets: GraphQL has no metadata.
func graphqlDoor(_ *testing.T, s *server) door {
	return func(t *testing.T, st step) string {
		t.Helper()
		document, variables := graphqlStep(t, st)
		body := fmt.Sprintf(`{"query":%q,"variables":%s}`, document, variables)
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.HTTP+"/graphql", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", s.Key)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		var r struct {
			Data   struct{ R json.RawMessage }
			Errors []struct {
				Message    string
				Extensions struct{ Code string }
			}
		}
		if err := json.Unmarshal(got, &r); err != nil {
			t.Fatalf("%s: %s", st.name, got)
		}
		if len(r.Errors) > 0 {
			e := r.Errors[0]
			if graphqlRefuses[st.name] && e.Extensions.Code == "INVALID_REQUEST" {
				e.Extensions.Code = st.want
			}
			return fmt.Sprintf(`{"status":"error","error":{"code":%q,"message":%q}}`, e.Extensions.Code, e.Message)
		}
		return graphqlReply(st, r.Data.R, resp.Header.Get("Octo-Position"))
	}
}

// graphqlStep writes a step as a document with variables.
func graphqlStep(t *testing.T, st step) (document, variables string) {
	if st.want == "PARSE_ERROR" { // what the other doors get as a body
		return `mutation($input: DeskInput!) { r: createDesk(input: $input) { id } }`, `{"input":` + st.body + `}`
	}
	var args map[string]json.RawMessage
	if err := json.Unmarshal([]byte(st.args), &args); err != nil {
		t.Fatal(err)
	}
	if v, ok := args["data"]; ok {
		args["input"] = v
	}
	f, ok := graphqlFields[st.op]
	if !ok {
		t.Fatalf("%s cannot be asked", st.op)
	}
	names := strings.NewReplacer("%s", st.entity, "%l", strings.ToLower(st.entity))
	var declared, given, values []string
	for part := range strings.SplitSeq(names.Replace(f[2]), ", ") {
		name, typ, _ := strings.Cut(part, ": ")
		if v, ok := args[name]; ok {
			declared, given = append(declared, "$"+name+": "+typ), append(given, name+": $"+name)
			values = append(values, fmt.Sprintf("%q:%s", name, v))
		}
	}
	document = f[0]
	if len(declared) > 0 {
		document += "(" + strings.Join(declared, ", ") + ")"
	}
	document += " { r: " + names.Replace(f[1])
	if len(given) > 0 {
		document += "(" + strings.Join(given, ", ") + ")"
	}
	switch {
	case strings.HasSuffix(f[2], "stages: JSON!"), st.op == "count", st.op == "delete", strings.HasSuffix(st.op, "Many"), st.op == "transaction":
	case st.entity == "Team":
		document += " { id _version name }"
	case args["relations"] != nil:
		document += " { id _version label n note tags team { id _version name } createdAt updatedAt }"
	default:
		document += " { id _version label n note tags team: teamId createdAt updatedAt }"
	}
	return document + " }", "{" + strings.Join(values, ",") + "}"
}

func graphqlReply(st step, data json.RawMessage, position string) string {
	var meta []string
	var list []json.RawMessage
	_ = json.Unmarshal(data, &list)
	switch st.op {
	case "findAll", "search", "transaction":
		meta = append(meta, fmt.Sprintf(`"count":%d`, len(list)))
	case "count":
		meta = append(meta, `"total":`+string(data))
	case "updateMany", "deleteMany":
		meta = append(meta, `"count":`+string(data))
	}
	if position != "" {
		meta = append(meta, fmt.Sprintf(`"position":%q`, position))
	}
	if st.op == "updateMany" {
		return `{"status":"ok","metadata":{` + strings.Join(meta, ",") + `}}`
	}
	return ok(string(data), strings.Join(meta, ","))
}
