package octomesh

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/testserver"
)

// grpcTool is a tool of conformance/grpc, built once into bin.
func grpcTool(t *testing.T, name, module string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../../bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		testserver.Missing(t, name, "GOWORK=off go -C conformance/grpc/"+module+" build -o ../../../bin/ tool")
	}
	return path
}

// told runs a command and returns what it printed; it must end well.
func told(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// TestConformanceGRPCProtoc: a Go client that protoc generates from the proto file
// as the server hands it out.
func TestConformanceGRPCProtoc(t *testing.T) {
	if _, err := exec.LookPath("protoc"); err != nil {
		testserver.Missing(t, "protoc", "apt-get install protobuf-compiler")
	}
	generators := []string{grpcTool(t, "protoc-gen-go", "client"), grpcTool(t, "protoc-gen-go-grpc", "client")}
	s := serve(t, "")
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../conformance/grpc/client")); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.HTTP+"/api/grpc/proto", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", s.Key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "octomesh.proto"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	protoc := exec.CommandContext(t.Context(), "protoc", "--plugin="+generators[0], "--plugin="+generators[1], "--go_out=.", "--go-grpc_out=.", "octomesh.proto")
	protoc.Dir = dir
	told(t, protoc)
	client := exec.CommandContext(t.Context(), "go", "run", "./call")
	client.Dir, client.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "OCTOMESH_GRPC="+s.GRPC, "OCTOMESH_KEY="+s.Key)
	out, err := client.CombinedOutput()
	if n := strings.Count(string(out), "\nok ") + 1; err != nil || n < 9 {
		t.Errorf("%v\n%s", err, out)
	}
	figure(map[string]any{"client": "protoc", "scenarios": strings.Count("\n"+string(out), "\nok "), "failed": t.Failed()})
}

// grpcurlCalls is what every method is called with; methods that are not here are
// called with nothing but an id.
var grpcurlCalls = map[string]string{
	"Create": `{"record":{"id":"%s","title":"Stuhl","price":1.5,"stock":2}}`, "Update": `{"id":"%s","data":"{\"stock\":3}"}`,
	"FindAll": `{"sort":"-price","limit":5}`, "FindOne": `{"filter":"{\"title\":\"Stuhl\"}"}`, "Search": `{"query":"stuhl"}`,
	"Aggregate": `{"stages":"[{\"$count\":\"n\"}]"}`, "Upsert": `{"filter":"{\"id\":\"%s\"}","data":"{\"price\":2}"}`,
	"UpdateMany": `{"filter":"{\"id\":\"%s\"}","data":"{\"price\":3}"}`, "DeleteMany": `{"filter":"{\"id\":\"nobody\"}"}`,
	"Increment": `{"id":"%s","field":"stock","amount":1}`, "Count": `{}`, "Stream": `{}`, "Watch": `{}`,
	"Execute": `{"op":"count","entity":"Product"}`, "ExecuteStream": `{"op":"stream","entity":"Product"}`,
}

// TestConformanceGRPCurl: grpcurl learns by reflection what there is, describes it
// and calls every method.
func TestConformanceGRPCurl(t *testing.T) {
	grpcurl := grpcTool(t, "grpcurl", "client")
	s := serve(t, "")
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), grpcurl, append([]string{"-plaintext", "-H", "x-api-key: " + s.Key}, args...)...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := run(args...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return out
	}
	if out, err := exec.CommandContext(t.Context(), grpcurl, "-plaintext", s.GRPC, "list").CombinedOutput(); err != nil || bytes.Contains(out, []byte("Product")) {
		t.Errorf("without a key: %v %s", err, out)
	}
	called := 0
	services := must(s.GRPC, "list")
	for _, service := range []string{"mostajs.ProductService", "mostajs.EntityService"} {
		if !strings.Contains(services, service) {
			t.Fatalf("%s is not listed:\n%s", service, services)
		}
		must(s.GRPC, "describe", service)
		methods := strings.Fields(must(s.GRPC, "list", service))
		for _, last := range []string{"Create", "Delete"} { // the first and the last call
			for i, m := range methods {
				if strings.HasSuffix(m, "."+last) {
					at := map[string]int{"Create": 0, "Delete": len(methods) - 1}[last]
					methods = append(methods[:i], methods[i+1:]...)
					methods = append(methods[:at], append([]string{m}, methods[at:]...)...)
				}
			}
		}
		for _, method := range methods {
			name := method[strings.LastIndexByte(method, '.')+1:]
			must(s.GRPC, "describe", method)
			data, ok := grpcurlCalls[name]
			if !ok {
				data = `{"id":"%s"}`
			}
			if strings.Contains(data, "%s") {
				data = fmt.Sprintf(data, "grpcurl-1")
			}
			args := []string{"-d", data, s.GRPC, method}
			if name == "Watch" {
				args = append([]string{"-max-time", "1"}, args...)
			}
			out, err := run(args...)
			called++
			switch name {
			case "AddToSet", "Pull": // the demo has no list: that is said
				if err == nil || !strings.Contains(out, "InvalidArgument") {
					t.Errorf("%s: %v\n%s", method, err, out)
				}
			case "Watch":
				if err == nil || !strings.Contains(out, "DeadlineExceeded") || !strings.Contains(out, `"type": "position"`) {
					t.Errorf("%s: %v\n%s", method, err, out)
				}
			default:
				if err != nil {
					t.Errorf("%s %s: %v\n%s", method, data, err, out)
				}
			}
		}
	}
	must("-d", `{"service":"mostajs.ProductService"}`, s.GRPC, "grpc.health.v1.Health/Check")
	figure(map[string]any{"client": "grpcurl", "methods": called, "failed": t.Failed()})
}

// TestConformanceGHZ: ghz, with the older version of reflection, gets only good
// answers under load.
func TestConformanceGHZ(t *testing.T) {
	ghz := grpcTool(t, "ghz", "ghz")
	s := serve(t, "")
	key, err := json.Marshal(map[string]string{"x-api-key": s.Key})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), ghz, "--insecure", "--call", "mostajs.ProductService.Count", "-d", `{"filter":"{}"}`,
		"-m", string(key), "--reflect-metadata", string(key), "-n", "2000", "-c", "20", "-O", "json", s.GRPC)
	var report struct {
		Count                  int
		StatusCodeDistribution map[string]int
	}
	out := told(t, cmd)
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Count != 2000 || report.StatusCodeDistribution["OK"] != 2000 {
		t.Errorf("%v\n%s", err, out)
	}
	figure(map[string]any{"client": "ghz", "calls": report.Count, "failed": t.Failed()})
}
