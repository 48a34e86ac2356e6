package octomesh

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// mcpTools are the compact tools by operation, where their names differ.
var mcpTools = map[string]string{
	"findAll": "list", "findOne": "get", "findById": "get", "updateMany": "update_many", "deleteMany": "delete_many",
	"addToSet": "modify", "pull": "modify", "increment": "modify",
}

// mcpDoor calls the compact tools, each in a request of its own.
func mcpDoor(_ *testing.T, s *server) door {
	return func(t *testing.T, st step) string {
		t.Helper()
		tool, more := mcpTools[st.op], ""
		switch tool {
		case "":
			tool = st.op
		case "modify":
			more = fmt.Sprintf(`,"action":%q`, st.op)
		}
		if st.entity != "_project" {
			more += fmt.Sprintf(`,"entity":%q`, st.entity)
		}
		args := st.args
		if st.want == "PARSE_ERROR" { // as text, since the envelope must be JSON
			b, err := json.Marshal(st.body)
			if err != nil {
				t.Fatal(err)
			}
			args = `{"data":` + string(b) + `}`
		}
		if more != "" {
			args = strings.Replace("{"+more[1:]+","+args[1:], ",}", "}", 1)
		}
		status, body := posted(t, s, "POST", "/mcp", fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, args))
		var r struct {
			Result struct {
				IsError           bool
				Content           []struct{ Text string }
				StructuredContent json.RawMessage
			}
		}
		if err := json.Unmarshal([]byte(body), &r); err != nil || status != http.StatusOK || len(r.Result.Content) == 0 {
			t.Fatalf("%s: %d %s", st.name, status, body)
		}
		if r.Result.IsError {
			return failed(t, r.Result.StructuredContent)
		}
		return r.Result.Content[0].Text
	}
}
