package octomesh

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	client "github.com/octomesh/octomesh/clients/go"
)

// Tests of this package drive real processes: the test binary runs itself with
// OCTOMESH_TEST_ROLE=octomesh, and is then the command.
func TestMain(m *testing.M) {
	if os.Getenv("OCTOMESH_TEST_ROLE") == "octomesh" {
		os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	status := m.Run()
	_ = os.RemoveAll(built) // "" is nothing
	os.Exit(status)
}

// long reports whether the long form of a suite is wanted.
func long() bool { return os.Getenv("OCTOMESH_TEST") == "long" }

// judged reports whether limits of time are held against the figures: on a
// shared machine only the acceptance run does, never a unit test.
func judged() bool { return os.Getenv("OCTOMESH_ACCEPT") != "" }

// together lets a test run beside others that mostly wait, for processes or for
// the compiler; in its long form, and where figures are judged, it has the machine
// for itself.
func together(t *testing.T) {
	t.Helper()
	if !judged() && !long() {
		t.Parallel()
	}
}

// figure prints a line that bench/accept keeps.
func figure(v map[string]any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	fmt.Printf("figure: %s\n", b)
}

// command prepares the program with arguments, in a folder of its own and
// without settings from outside.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"OCTOMESH_TEST_ROLE=octomesh", "PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "TMPDIR=" + os.TempDir()}
	return cmd
}

// run executes a command to its end.
func run(t testing.TB, in io.Reader, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := command(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &errs
	if err := cmd.Run(); err != nil {
		if _, ok := err.(*exec.ExitError); !ok {
			t.Fatal(err)
		}
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// server is a running all-in-one process and what is needed to start it again.
type server struct {
	t    testing.TB
	dir  string
	args []string
	cmd  *exec.Cmd
	errs *tail
	done chan struct{}

	HTTP  string `json:"http"` // host:port
	GRPC  string `json:"grpc"`
	NATS  string `json:"nats"`
	Key   string
	Ready time.Duration // from fork to the ready line
}

// serve starts a server on free ports over schemas.json (built-in demo entities
// when empty) and stops it at the test's end.
func serve(t testing.TB, schemas string, args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), args: args, HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", NATS: "127.0.0.1:0"}
	if schemas != "" {
		s.args = append(s.args, "--schemas", schemas)
	}
	s.start()
	t.Cleanup(func() {
		if s.cmd != nil {
			s.stop()
		}
	})
	key, err := os.ReadFile(filepath.Join(s.dir, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	s.Key = strings.TrimSpace(string(key))
	return s
}

// start starts the process on the ports it had before, and waits until it
// serves.
func (s *server) start() {
	s.t.Helper()
	args := append([]string{
		"serve", "--json", "--data-dir", s.dir, "--metrics-addr", "",
		"--port", s.HTTP[strings.LastIndexByte(s.HTTP, ':')+1:], "--grpc-port", s.GRPC[strings.LastIndexByte(s.GRPC, ':')+1:],
		"--nats-port", s.NATS[strings.LastIndexByte(s.NATS, ':')+1:],
	}, s.args...)
	s.cmd, s.errs, s.done = command(s.t, args...), &tail{}, make(chan struct{})
	s.cmd.Stderr = s.errs
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	br := bufio.NewReader(out)
	line, err := br.ReadBytes('\n')
	s.Ready = time.Since(began)
	if err != nil || json.Unmarshal(line, s) != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.t.Fatalf("the server did not get ready: %q, %v\n%s", line, err, s.errs)
	}
	go func(cmd *exec.Cmd, done chan struct{}) {
		_, _ = io.Copy(io.Discard, br)
		_ = cmd.Wait()
		close(done)
	}(s.cmd, s.done)
}

// kill ends the process as a crash does.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
	s.cmd = nil
}

// stop ends the process in good order and fails the test if it does not.
func (s *server) stop() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // the goroutines, for the log
		<-s.done
		s.t.Errorf("the server did not stop\n%s", s.errs)
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("the server ended with status %d\n%s", code, s.errs)
	}
	s.cmd = nil
}

// client is a client with the admin key.
func (s *server) client(opts ...client.Option) *client.Client {
	s.t.Helper()
	c, err := client.New("http://"+s.HTTP, append([]client.Option{client.WithAPIKey(s.Key)}, opts...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// flags are the options with which other commands reach the server.
func (s *server) flags() []string { return []string{"--url", "http://" + s.HTTP, "--key", s.Key} }

// tail keeps the last part of what a process says.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b, p...)
	if len(w.b) > 64<<10 {
		w.b = w.b[len(w.b)-32<<10:]
	}
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.b)
}

// schemaFile writes schemas.json for a test.
func schemaFile(t testing.TB, schemas string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "schemas.json")
	if err := os.WriteFile(path, []byte(schemas), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// within bounds a part of a test that would otherwise hang.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
