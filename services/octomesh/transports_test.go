package octomesh

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

const deskSchema = `[
 {"name":"Team","collection":"teams","fields":{"name":{"type":"string","required":true,"unique":true}}},
 {"name":"Desk","collection":"desks","timestamps":true,
  "fields":{"label":{"type":"string","required":true},"n":{"type":"number","default":0},"note":{"type":"text"},"tags":{"type":"array","arrayOf":"string"},"secret":{"type":"string"}},
  "relations":{"team":{"target":"Team","type":"many-to-one"}}}
]`

// step is one operation as each door is asked for it, and the body that all of
// them must answer with, written by hand: ids are given by the client, times
// are "T", positions "P", request ids "R".
type step struct {
	name         string
	entity, op   string
	args         string // NATS and WebSocket
	method, path string // REST
	body         string
	status       int
	want         string
}

const desk1 = `"id":"d1","_version":%d,"label":"one","n":%s,"note":%s,"tags":%s,"team":%s,"createdAt":"T","updatedAt":"T"`

func desk(version int, n, note, tags, team string) string {
	return "{" + fmt.Sprintf(desk1, version, n, note, tags, team) + "}"
}

func ok(data, meta string) string {
	if meta == "" {
		return `{"status":"ok","data":` + data + `}`
	}
	return `{"status":"ok","data":` + data + `,"metadata":{` + meta + `}}`
}

const pos = `"position":"P"`

var script = []step{
	{"create a team", "Team", "create", `{"data":{"id":"t1","name":"Red"}}`, "POST", "/api/v1/teams", `{"id":"t1","name":"Red"}`, 201, ok(`{"id":"t1","_version":1,"name":"Red"}`, pos)},
	{"create", "Desk", "create", `{"data":{"id":"d1","label":"one","note":null,"team":"t1","secret":"s"}}`, "POST", "/api/v1/Desk", `{"id":"d1","label":"one","note":null,"team":"t1","secret":"s"}`, 201, ok(desk(1, "0", "null", "null", `"t1"`), pos)},
	{"findById", "Desk", "findById", `{"id":"d1"}`, "GET", "/api/v1/desks/d1", "", 200, ok(desk(1, "0", "null", "null", `"t1"`), "")},
	{"findById populated", "Desk", "findById", `{"id":"d1","relations":["team"]}`, "GET", "/api/v1/desks/d1?relations=team", "", 200, ok(desk(1, "0", "null", "null", `{"id":"t1","_version":1,"name":"Red"}`), "")},
	{"findById of nobody", "Desk", "findById", `{"id":"nobody"}`, "GET", "/api/v1/desks/nobody", "", 200, ok("null", "")},
	{"update", "Desk", "update", `{"id":"d1","data":{"note":"é \"x\" 😀","n":0.1}}`, "PUT", "/api/v1/desks/d1", `{"note":"é \"x\" 😀","n":0.1}`, 200, ok(desk(2, "0.1", `"é \"x\" 😀"`, "null", `"t1"`), pos)},
	{"update of nobody", "Desk", "update", `{"id":"nobody","data":{"n":1}}`, "PUT", "/api/v1/desks/nobody", `{"n":1}`, 200, ok("null", pos)},
	{"addToSet", "Desk", "addToSet", `{"id":"d1","field":"tags","value":"a"}`, "POST", "/api/v1/desks/d1/addToSet", `{"field":"tags","value":"a"}`, 200, ok(desk(3, "0.1", `"é \"x\" 😀"`, `["a"]`, `"t1"`), pos)},
	{"pull", "Desk", "pull", `{"id":"d1","field":"tags","value":"a"}`, "POST", "/api/v1/desks/d1/pull", `{"field":"tags","value":"a"}`, 200, ok(desk(4, "0.1", `"é \"x\" 😀"`, `[]`, `"t1"`), pos)},
	{"increment", "Desk", "increment", `{"id":"d1","field":"n","amount":0.2}`, "POST", "/api/v1/desks/d1/increment", `{"field":"n","amount":0.2}`, 200, ok(desk(5, "0.30000000000000004", `"é \"x\" 😀"`, `[]`, `"t1"`), pos)},
	{"upsert inserts", "Team", "upsert", `{"filter":{"id":"t2"},"data":{"name":"Blue"}}`, "POST", "/api/v1/teams/upsert", `{"filter":{"id":"t2"},"data":{"name":"Blue"}}`, 200, ok(`{"id":"t2","_version":1,"name":"Blue"}`, pos)},
	{"upsert updates", "Team", "upsert", `{"filter":{"id":"t2"},"data":{"name":"Bleu"}}`, "POST", "/api/v1/teams/upsert", `{"filter":{"id":"t2"},"data":{"name":"Bleu"}}`, 200, ok(`{"id":"t2","_version":2,"name":"Bleu"}`, pos)},
	{"findAll", "Team", "findAll", `{"filter":{"name":{"$ne":"Red"}},"sort":{"name":-1},"limit":5}`, "GET", `/api/v1/teams?filter=%7B%22name%22%3A%7B%22%24ne%22%3A%22Red%22%7D%7D&sort=%7B%22name%22%3A-1%7D&limit=5`, "", 200, ok(`[{"id":"t2","_version":2,"name":"Bleu"}]`, `"count":1`)},
	{"findAll by friendly parameters", "Team", "findAll", `{"filter":{"name":{"$gte":"C"}},"sort":{"name":1}}`, "GET", `/api/v1/teams?name[gte]=C&sort=name`, "", 200, ok(`[{"id":"t1","_version":1,"name":"Red"}]`, `"count":1`)},
	{"findOne", "Team", "findOne", `{"filter":{"name":"Red"}}`, "GET", `/api/v1/teams/one?filter=%7B%22name%22%3A%22Red%22%7D`, "", 200, ok(`{"id":"t1","_version":1,"name":"Red"}`, "")},
	{"count", "Team", "count", `{}`, "GET", "/api/v1/teams/count", "", 200, ok("2", `"total":2`)},
	{"search", "Team", "search", `{"query":"bLE"}`, "POST", "/api/v1/teams/search", `{"query":"bLE"}`, 200, ok(`[{"id":"t2","_version":2,"name":"Bleu"}]`, `"count":1`)},
	{"aggregate", "Desk", "aggregate", `{"stages":[{"$group":{"_by":"team","sum":{"$sum":"n"},"n":{"$count":true}}}]}`, "POST", "/api/v1/desks/aggregate", `{"stages":[{"$group":{"_by":"team","sum":{"$sum":"n"},"n":{"$count":true}}}]}`, 200, ok(`[{"team":"t1","sum":0.30000000000000004,"n":1}]`, "")},
	{"updateMany", "Desk", "updateMany", `{"filter":{},"data":{"note":null}}`, "PUT", "/api/v1/desks/bulk", `{"filter":{},"data":{"note":null}}`, 200, `{"status":"ok","metadata":{"count":1,"position":"P"}}`},
	{"transaction", "_project", "transaction", `{"operations":[{"op":"create","entity":"Team","data":{"id":"t3","name":"G"}},{"op":"update","entity":"Desk","id":"d1","data":{"team":{"$ref":0}}}]}`, "POST", "/api/v1/_transaction", `{"operations":[{"op":"create","entity":"Team","data":{"id":"t3","name":"G"}},{"op":"update","entity":"Desk","id":"d1","data":{"team":{"$ref":0}}}]}`, 200, ok(`[{"id":"t3","_version":1,"name":"G"},`+desk(7, "0.30000000000000004", "null", `[]`, `"t3"`)+`]`, `"count":2,`+pos)},
	{"delete", "Desk", "delete", `{"id":"d1"}`, "DELETE", "/api/v1/desks/d1", "", 200, ok("true", pos)},
	{"delete of nobody", "Desk", "delete", `{"id":"d1"}`, "DELETE", "/api/v1/desks/d1", "", 200, ok("false", pos)},
	{"deleteMany", "Team", "deleteMany", `{"filter":{"id":{"$in":["t2","t3"]}}}`, "DELETE", "/api/v1/teams/bulk", `{"filter":{"id":{"$in":["t2","t3"]}}}`, 200, ok("2", `"count":2,`+pos)},

	{"a conflict", "Team", "create", `{"data":{"name":"Red"}}`, "POST", "/api/v1/teams", `{"name":"Red"}`, 409, `CONFLICT`},
	{"what does not fit", "Desk", "create", `{"data":{"label":7}}`, "POST", "/api/v1/desks", `{"label":7}`, 422, `VALIDATION_ERROR`},
	{"no data", "Desk", "create", `{}`, "POST", "/api/v1/desks", ``, 400, `MISSING_DATA`},
	{"a bad filter", "Desk", "findAll", `{"filter":{"nothing":1}}`, "GET", `/api/v1/desks?filter=%7B%22nothing%22%3A1%7D`, "", 400, `INVALID_FILTER`},
	{"a hidden field", "Desk", "findAll", `{"filter":{"secret":"s"}}`, "GET", `/api/v1/desks?filter=%7B%22secret%22%3A%22s%22%7D`, "", 400, `INVALID_FILTER`},
	{"no filter", "Desk", "deleteMany", `{}`, "DELETE", "/api/v1/desks/bulk", ``, 400, `MISSING_PARAMS`},
	{"no such entity", "Nobody", "findAll", `{}`, "GET", "/api/v1/default/Nobody", "", 404, `UNKNOWN_ENTITY`},
	{"no JSON", "Desk", "create", `{"data":{"label":"a","label":"b"}}`, "POST", "/api/v1/desks", `{"label":"a","label":"b"}`, 400, `PARSE_ERROR`},
}

// door asks for a step and gives the reply's body.
type door func(t *testing.T, s step) string

// TestTransportsAgree puts one script through every door of a fresh server each.
func TestTransportsAgree(t *testing.T) {
	for name, open := range map[string]func(*testing.T, *server) door{
		"rest":    restDoor,
		"nats":    natsDoor,
		"ws":      wsDoor,
		"jsonrpc": jsonrpcDoor,
		"trpc":    trpcDoor,
		"graphql": graphqlDoor,
		"odata":   odataDoor,
		"mcp":     mcpDoor,
		"grpc":    grpcDoor,
	} {
		t.Run(name, func(t *testing.T) {
			ask := open(t, serve(t, schemaFile(t, deskSchema)))
			passed := 0
			for _, s := range script {
				got := plain(ask(t, s))
				if !strings.HasPrefix(s.want, "{") {
					var r struct {
						Status string
						Error  struct{ Code, Message string }
					}
					if err := json.Unmarshal([]byte(got), &r); err != nil || r.Status != "error" || r.Error.Code != s.want || r.Error.Message == "" {
						t.Errorf("%s: %s, want %s", s.name, got, s.want)
						continue
					}
				} else if got != s.want {
					t.Errorf("%s\n got  %s\n want %s", s.name, got, s.want)
					continue
				}
				passed++
			}
			figure(map[string]any{"transport": name, "steps": len(script), "equal": passed})
		})
	}
}

var (
	anyTime     = regexp.MustCompile(`"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
	anyPosition = regexp.MustCompile(`"position":"[a-z0-9]+-\d+"`)
	anyRequest  = regexp.MustCompile(`,"reqId":"\d+"|"reqId":"\d+",|"requestId":"[^"]+",|"type":"response",`)
)

func plain(body string) string {
	body = anyTime.ReplaceAllString(body, `"T"`)
	return anyPosition.ReplaceAllString(body, `"position":"P"`)
}

func restDoor(_ *testing.T, s *server) door {
	return func(t *testing.T, st step) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), st.method, "http://"+s.HTTP+st.path, strings.NewReader(st.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", s.Key)
		if st.body != "" {
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
		if resp.StatusCode != st.status {
			t.Errorf("%s: status %d, want %d", st.name, resp.StatusCode, st.status)
		}
		return string(b)
	}
}

func natsDoor(t *testing.T, s *server) door {
	nc := native(t, s, s.Key)
	return func(t *testing.T, st step) string {
		t.Helper()
		m, err := nc.Request("mostajs."+st.entity+"."+st.op, []byte(st.args), 10*time.Second)
		if err != nil {
			t.Fatalf("%s: %v", st.name, err)
		}
		if code := m.Header.Get("Nats-Service-Error-Code"); st.status >= 300 && code != fmt.Sprint(st.status) {
			t.Errorf("%s: status header %q, want %d", st.name, code, st.status)
		}
		return string(m.Data)
	}
}

// native connects as a native client does: the key as token, an inbox of its
// own.
func native(t *testing.T, s *server, key string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	lookup := strings.Split(key, "_")[2]
	nc, err := nats.Connect("nats://"+s.NATS, append([]nats.Option{nats.Token(key), nats.CustomInboxPrefix("_INBOX_" + lookup)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func wsDoor(t *testing.T, s *server) door {
	ws, err := dialWS(context.Background(), s, s.Key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	n := 0
	return func(t *testing.T, st step) string {
		t.Helper()
		n++
		frame := fmt.Sprintf(`{"op":%q,"entity":%q,"reqId":"%d"`, st.op, st.entity, n)
		if rest := strings.TrimPrefix(st.args, "{"); rest != "}" {
			frame += "," + rest
		} else {
			frame += "}"
		}
		if err := ws.WriteMessage(1, []byte(frame)); err != nil {
			t.Fatal(err)
		}
		for {
			_, b, err := ws.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(b), `"type":"response"`) {
				return anyRequest.ReplaceAllString(string(b), "")
			}
		}
	}
}
