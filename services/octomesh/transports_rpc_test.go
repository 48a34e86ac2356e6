package octomesh

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/mesh"
)

// posted sends a JSON body and returns the reply's status and body.
func posted(t *testing.T, s *server, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.HTTP+path, strings.NewReader(body))
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
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// failed makes an error body of REST's form of an error's data.
func failed(t *testing.T, data json.RawMessage) string {
	t.Helper()
	var e struct{ Code, Message string }
	if err := json.Unmarshal(data, &e); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	b, err := json.Marshal(map[string]any{"status": "error", "error": map[string]string{"code": e.Code, "message": e.Message}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func jsonrpcDoor(_ *testing.T, s *server) door {
	n := 0
	return func(t *testing.T, st step) string {
		t.Helper()
		n++
		args := st.args
		if st.want == "PARSE_ERROR" { // what the other doors get as a body
			args = `{"data":` + st.body + `}`
		}
		status, body := posted(t, s, "POST", "/rpc", fmt.Sprintf(`{"jsonrpc":"2.0","method":"%s.%s","params":%s,"id":%d}`, st.entity, st.op, args, n))
		if status != http.StatusOK {
			t.Errorf("%s: status %d", st.name, status)
		}
		if inner, ok := strings.CutPrefix(body, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{`, n)); ok {
			return `{"status":"ok",` + strings.TrimSuffix(inner, "}")
		}
		var r struct {
			Error struct{ Data json.RawMessage }
		}
		if err := json.Unmarshal([]byte(body), &r); err != nil {
			t.Fatalf("%s: %s", st.name, body)
		}
		return failed(t, r.Error.Data)
	}
}

func trpcDoor(_ *testing.T, s *server) door {
	return func(t *testing.T, st step) string {
		t.Helper()
		args := st.args
		if st.want == "PARSE_ERROR" {
			args = `{"data":` + st.body + `}`
		}
		method, path, body := "POST", "/trpc/"+st.entity+"."+st.op, args
		if op := mesh.LookupOp(st.entity, st.op); op.Class == mesh.Read {
			method, path, body = "GET", path+"?input="+url.QueryEscape(args), ""
		}
		status, body := posted(t, s, method, path, body)
		want := st.status
		if want == http.StatusCreated {
			want = http.StatusOK
		}
		if status != want {
			t.Errorf("%s: status %d, want %d", st.name, status, want)
		}
		if inner, ok := strings.CutPrefix(body, `{"result":{"data":`); ok {
			return strings.TrimSuffix(inner, "}}")
		}
		var r struct {
			Error struct {
				Data struct{ Error json.RawMessage }
			}
		}
		if err := json.Unmarshal([]byte(body), &r); err != nil {
			t.Fatalf("%s: %s", st.name, body)
		}
		return failed(t, r.Error.Data.Error)
	}
}
