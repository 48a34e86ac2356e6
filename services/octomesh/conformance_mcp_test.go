package octomesh

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/bus"
)

// suiteScenarios are those of MCP's conformance suite that ask for no tool,
// prompt or resource of its fixture server. That server's are mounted on the same
// handler in TestFixtures of services/gateway-http/mcp, where all scenarios run.
const suiteScenarios = "server-initialize,logging-set-level,ping,completion-complete,tools-list,server-sse-multiple-streams,resources-list,prompts-list,dns-rebinding-protection"

// TestConformanceMCP: the client of MCP's TypeScript SDK over HTTP and stdio, and
// the protocol's own suite, for which the server takes callers without a key.
func TestConformanceMCP(t *testing.T) {
	s := serve(t, schemaFile(t, deskSchema))
	out, errs, status := run(t, nil, append([]string{"keys", "create", "reader", "--operations", "read", "--transports", "mcp", "--json"}, s.flags()...)...)
	var reader struct {
		Key string `json:"apiKey"`
	}
	if err := json.Unmarshal([]byte(out), &reader); status != 0 || err != nil || reader.Key == "" {
		t.Fatalf("%d %s %s", status, out, errs)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	change := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { addEntity(t, s, r) }))
	defer change.Close()
	t.Run("client", func(t *testing.T) {
		scenarios(t, s, "mcp/client.mjs", "OCTOMESH_READER="+reader.Key, "OCTOMESH_BIN="+self, "OCTOMESH_CHANGE_URL="+change.URL)
	})
	t.Run("suite", func(t *testing.T) {
		s.stop()
		s.args = append(s.args, "--mcp-public-key", reader.Key)
		s.start()
		scenarios(t, s, "mcp/suite.mjs", "MCP_SCENARIOS="+suiteScenarios)
	})
}

// addEntity puts the entity that r's body is into the catalog of the default
// project, as the auth service does when a schema changes.
func addEntity(t *testing.T, s *server, r *http.Request) {
	seed, err := os.ReadFile(filepath.Join(s.dir, "nats", bus.RoleAuth+".nk"))
	if err != nil {
		t.Error(err)
		return
	}
	nc, err := bus.URL{Addr: "nats://" + s.NATS, Service: "test", Role: bus.RoleAuth, Seed: strings.TrimSpace(string(seed))}.Dial("test")
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	b, err := bus.OpenBucket(r.Context(), nc, bus.BucketCatalogs, bus.BucketConfig{})
	if err != nil {
		t.Error(err)
		return
	}
	value, _, err := b.Get(r.Context(), "default")
	var entry map[string]json.RawMessage
	if err != nil || json.Unmarshal(value, &entry) != nil {
		t.Errorf("%s %v", value, err)
		return
	}
	var more bytes.Buffer
	if _, err := more.ReadFrom(r.Body); err != nil {
		t.Error(err)
		return
	}
	entry["schemas"] = append(append(bytes.TrimSuffix(entry["schemas"], []byte("]")), ','), append(more.Bytes(), ']')...)
	entry["version"] = json.RawMessage(`"changed-by-a-test"`)
	if value, err = json.Marshal(entry); err == nil {
		err = b.Put(r.Context(), "default", value)
	}
	if err != nil {
		t.Error(err)
	}
}
