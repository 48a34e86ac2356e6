package octomesh

import (
	"bufio"
	"html"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"github.com/nats-io/nats.go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/octomesh/octomesh/pkg/testserver"
)

// TestDocsCallsRun runs each first call that /docs shows as it stands there, but for
// the ports of gRPC and NATS, which are the test's own. What a program is needed for
// that is not at hand, is done with what the shell makes of its arguments.
func TestDocsCallsRun(t *testing.T) {
	s := serve(t, "")
	res, err := http.Get("http://" + s.HTTP + "/docs")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	tags, ran := regexp.MustCompile(`<[^>]*>`), 0
	for _, m := range regexp.MustCompile(`(?s)<section class="call" id="(\w+)">.*?<code>(.*?)</code>`).FindAllStringSubmatch(string(page), -1) {
		text := html.UnescapeString(tags.ReplaceAllString(m[2], ""))
		text = strings.NewReplacer("127.0.0.1:50051", s.GRPC, "127.0.0.1:4222", s.NATS).Replace(text)
		run := map[string]func(*testing.T, *server, string){
			"trpc": docsTRPC, "ws": docsWS, "sse": docsSSE, "mcp": docsMCP, "grpc": docsGRPC, "flight": docsFlight, "nats": docsNATS,
		}[m[1]]
		if run == nil {
			run = docsCurl
		}
		ran++
		t.Run(m[1], func(t *testing.T) { run(t, s, text) })
	}
	if ran < 12 {
		t.Errorf("/docs shows %d calls", ran)
	}
}

// shell is a command of the page in a shell that has the key, below a program that
// takes the place of the first word.
func (s *server) shell(t *testing.T, text, word, program string) *exec.Cmd {
	t.Helper()
	rest, ok := strings.CutPrefix(text, word+" ")
	if !ok {
		t.Fatalf("it is no call of %s: %s", word, text)
	}
	cmd := exec.CommandContext(within(t, time.Minute), "sh", "-c", program+" "+rest)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "KEY="+s.Key)
	return cmd
}

// arguments are those that the shell would give the program.
func (s *server) arguments(t *testing.T, text, word string) []string {
	t.Helper()
	return strings.Split(strings.TrimSuffix(told(t, s.shell(t, text, word, `printf '%s\0'`)), "\x00"), "\x00")
}

// after is the argument that follows a flag.
func after(t *testing.T, args []string, flag string) string {
	t.Helper()
	at := slices.Index(args, flag)
	if at < 0 || at+1 == len(args) {
		t.Fatalf("there is no %s in %q", flag, args)
	}
	return args[at+1]
}

func curl(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("curl")
	if err != nil {
		testserver.Missing(t, "the calls of /docs", "install curl")
	}
	return path
}

func docsCurl(t *testing.T, s *server, text string) {
	if out := told(t, s.shell(t, text, "curl", curl(t)+" -sS --fail-with-body")); strings.Contains(out, `"error`) {
		t.Errorf("%s\n%s", text, out)
	}
}

// TestDocsCommandsRun runs each call of curl that docs/*.md shows, but for the ports,
// which are the test's own.
func TestDocsCommandsRun(t *testing.T) {
	s := serve(t, "")
	files, err := filepath.Glob(filepath.Join(repository, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	ports, ran := strings.NewReplacer("localhost:4488", s.HTTP, "$OCTO", "http://"+s.HTTP, "localhost:50051", s.GRPC), 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// A call goes on behind a backslash, and until its text in quotes ends.
		for _, text := range regexp.MustCompile(`(?m)^ *curl (?:\\\n|'[^']*'|[^'\n])*`).FindAllString(string(b), -1) {
			ran++
			t.Run(filepath.Base(file), func(t *testing.T) {
				if text = ports.Replace(strings.TrimSpace(text)); strings.Contains(text, "/events?") {
					docsSSE(t, s, text)
				} else {
					docsCurl(t, s, text)
				}
			})
		}
	}
	if ran < 24 {
		t.Errorf("the documents show %d calls", ran)
	}
}

// until runs a command that does not end until it says something.
func until(t *testing.T, cmd *exec.Cmd, word string, begun func()) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	said := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if said == "" {
			begun()
		}
		said += lines.Text() + "\n"
		if strings.Contains(lines.Text(), word) {
			return
		}
	}
	t.Errorf("%s did not say %s but\n%s", cmd, word, said)
}

func docsSSE(t *testing.T, s *server, text string) {
	until(t, s.shell(t, text, "curl", "exec "+curl(t)+" -sS"), "entity.created", func() {
		if status, body := s.send(t, "POST", "/api/v1/products", `{"title":"Seen","price":1,"stock":1}`, "X-API-Key", s.Key); status >= 300 {
			t.Errorf("%d %s", status, body)
		}
	})
}

// script is JavaScript of the page, of which the key is a variable.
func (s *server) script(t *testing.T, text string) *exec.Cmd {
	t.Helper()
	node, dir := nodejs(t)
	cmd := exec.CommandContext(within(t, time.Minute), node, "--input-type=module", "-e", "const key = process.env.KEY;\n"+text)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "KEY="+s.Key)
	return cmd
}

func docsTRPC(t *testing.T, s *server, text string) { told(t, s.script(t, text)) }

func docsWS(t *testing.T, s *server, text string) {
	until(t, s.script(t, text), `"data":[`, func() {})
}

// docsMCP begins a session where an assistant would.
func docsMCP(t *testing.T, s *server, text string) {
	args := s.arguments(t, text, "claude")
	at := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "http://") })
	if at < 0 {
		t.Fatal(args)
	}
	body := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, args[at], body)
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(after(t, args, "--header"), ": ")
	req.Header.Set(name, value)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 || !strings.Contains(string(b), `"serverInfo"`) {
		t.Errorf("%d %s %v", res.StatusCode, b, err)
	}
}

func docsGRPC(t *testing.T, s *server, text string) {
	told(t, s.shell(t, text, "grpcurl", filepath.ToSlash(grpcTool(t, "grpcurl", "client"))))
}

// docsFlight sends the statement with the headers that the Python driver would.
func docsFlight(t *testing.T, s *server, text string) {
	statement := regexp.MustCompile(`execute\('(.*)'\)`).FindStringSubmatch(text)
	at := regexp.MustCompile(`"grpc://([^"]*)"`).FindStringSubmatch(text)
	if statement == nil || at == nil {
		t.Fatal(text)
	}
	c, err := flightsql.NewClient(at[1], nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	for _, h := range regexp.MustCompile(`call_header\.([\w-]+)": ("?)(\w+)"?`).FindAllStringSubmatch(text, -1) {
		value := h[3]
		if h[2] == "" && value == "key" {
			value = s.Key
		}
		ctx = metadata.AppendToOutgoingContext(ctx, h[1], value)
	}
	selected(t, ctx, c, statement[1])
}

// docsNATS sends the request as the command line tool would.
func docsNATS(t *testing.T, s *server, text string) {
	args := s.arguments(t, text, "nats")
	if len(args) < 3 || args[0] != "request" {
		t.Fatal(args)
	}
	nc, err := nats.Connect(after(t, args, "--server"), nats.CustomInboxPrefix(after(t, args, "--inbox-prefix")))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	m, err := nc.RequestWithContext(within(t, time.Minute), args[1], []byte(args[2]))
	if err != nil || !strings.HasPrefix(string(m.Data), `{"status":"ok"`) {
		t.Errorf("%v %+v", err, m)
	}
}
