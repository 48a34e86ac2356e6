package versus

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// rows is how many records both tables have before the first request.
const rows = 10000

// contender is a running server.
type contender struct {
	name string
	addr string // host:port
	nats string // host:port; "" without one
	grpc string // host:port; "" without one
	pid  int
	// database is the database server's first process; 0 = the database is in
	// the server's own.
	database int
	key      string // API key; the floor has none
	list     string // path of the list of 20
	path     string // of the collection
}

// start runs a built command and waits for the address in its first line.
func start(t *testing.T, name string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s printed no address: %v", name, err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return cmd, strings.TrimSpace(line)
}

// built is the folder of the programs, each built once; "" until a test needs one.
var built string

func TestMain(m *testing.M) {
	status := m.Run()
	_ = os.RemoveAll(built) // "" is nothing
	os.Exit(status)
}

// build gives the path of a program of the workspace.
func build(t *testing.T, pkg string) string {
	t.Helper()
	if built == "" {
		dir, err := os.MkdirTemp("", "octomesh-versus-")
		if err != nil {
			t.Fatal(err)
		}
		built = dir
	}
	bin := filepath.Join(built, filepath.Base(pkg))
	if _, err := os.Stat(bin); err == nil {
		return bin
	}
	if out, err := exec.Command("go", "build", "-o", bin, pkg).CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return bin
}

func floor(t *testing.T, sync string, args ...string) *contender {
	cmd, line := start(t, build(t, "github.com/octomesh/octomesh/bench/floor"), append([]string{"-dir", t.TempDir(), "-sync", sync, "-rows", fmt.Sprint(rows)}, args...)...)
	addr := strings.TrimPrefix(line, "listening on http://")
	return &contender{name: "floor", addr: addr, pid: cmd.Process.Pid, path: "/users", list: "/users?minAge=30&limit=20"}
}

// product seeds a server, and starts it again for the measurement: what seeding
// left in memory is none of a subscriber's.
func product(t *testing.T, sync string, args ...string) *contender {
	t.Helper()
	bin, dir := build(t, "github.com/octomesh/octomesh/services/octomesh/cmd/octomesh"), t.TempDir()
	p, cmd := serve(t, bin, dir, sync, args...)
	p.seed(t)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	p, _ = serve(t, bin, dir, sync, args...)
	return p
}

func serve(t *testing.T, bin, dir, sync string, args ...string) (*contender, *exec.Cmd) {
	t.Helper()
	schemas, err := filepath.Abs("../schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	cmd, line := start(t, bin, append([]string{
		"serve", "--json", "--data-dir", dir, "--schemas", schemas,
		"--port", "0", "--grpc-port", "0", "--nats-port", "0", "--metrics-addr", "", "--sqlite-sync", sync, "--log-level", "warn",
	}, args...)...)
	var at struct {
		HTTP string `json:"http"`
		NATS string `json:"nats"`
		GRPC string `json:"grpc"`
	}
	if err := json.Unmarshal([]byte(line), &at); err != nil {
		t.Fatalf("serve --json printed %q: %v", line, err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	return &contender{
		name: "octomesh", addr: at.HTTP, nats: at.NATS, grpc: at.GRPC, pid: cmd.Process.Pid, key: strings.TrimSpace(string(key)), path: "/api/v1/users",
		list: "/api/v1/users?filter=%7B%22age%22:%7B%22$gte%22:30%7D%7D&sort=-created&limit=20",
	}, cmd
}

// seed stores the rows that the floor makes for itself.
func (c *contender) seed(t *testing.T) {
	t.Helper()
	for from := 1; from <= rows; from += 500 {
		var b strings.Builder
		b.WriteString(`{"operations":[`)
		for i := from; i < from+500; i++ {
			at := time.Unix(1700000000+int64(i)*60, 0).UTC().Format("2006-01-02T15:04:05.000Z")
			if i > from {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"op":"create","entity":"User","data":{"id":"u%05d","email":"seed%d@example.com","name":"Name %d","age":%d,"active":%t,"role":"member","bio":%q,"score":%v,"created":%q,"updated":%q}}`,
				i, i, i, 18+i%62, i%2 == 0, strings.Repeat("lorem ipsu", 10), float64(i)/8, at, at)
		}
		b.WriteString(`]}`)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.addr+"/api/v1/_transaction", strings.NewReader(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", c.key)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("seeding: %d %.300s", resp.StatusCode, body)
		}
	}
}

// fill makes one request of a kind, equal for both but for paths and the key.
func (c *contender) fill(kind string) func(int64, *fasthttp.Request) {
	return func(n int64, r *fasthttp.Request) {
		if c.key != "" {
			r.Header.Set("X-API-Key", c.key)
		}
		one := fmt.Sprintf("%s/u%05d", c.path, n%rows+1)
		switch kind {
		case "get":
			r.SetRequestURI(one)
		case "list":
			r.SetRequestURI(c.list)
		case "create":
			r.SetRequestURI(c.path)
			r.Header.SetMethod(fasthttp.MethodPost)
			r.Header.SetContentType("application/json")
			r.SetBodyString(fmt.Sprintf(`{"email":"new%d@example.com","name":"New %d","age":%d,"active":true,"role":"member","bio":%q,"score":%d.5,"created":"2026-01-02T03:04:05.000Z","updated":"2026-01-02T03:04:05.000Z"}`,
				n, n, 18+n%62, strings.Repeat("lorem ipsu", 10), n%100))
		case "update":
			r.SetRequestURI(one)
			r.Header.SetMethod(fasthttp.MethodPut)
			r.Header.SetContentType("application/json")
			r.SetBodyString(fmt.Sprintf(`{"score":%d.25}`, n))
		}
	}
}
