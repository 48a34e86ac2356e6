package octomesh

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/testserver"
)

// TestReadmeRuns pastes every sh block of the README into a shell, in order, in
// a copy of the repository without anything beside it. A block that serves or
// follows goes on in the background, as it would in a terminal of its own.
func TestReadmeRuns(t *testing.T) {
	together(t)
	if testing.Short() {
		t.Skip("skipped: README's blocks (go test without -short)")
	}
	free(t, "127.0.0.1:4488", "127.0.0.1:4222", "127.0.0.1:50051")
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := checkout(t)
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllSubmatch(readme, -1)
	if len(blocks) < 4 {
		t.Fatalf("README has %d sh blocks", len(blocks))
	}
	ctx := within(t, 15*time.Minute) // the first time all is compiled
	ran := 0
	for _, b := range blocks {
		text := string(b[1])
		switch {
		case strings.Contains(text, "octomesh serve"):
			background(t, dir, text)
			ready(t, ctx, "http://127.0.0.1:4488/readyz")
		case strings.Contains(text, "curl -sN"):
			background(t, dir, text)
		default:
			cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", text)
			cmd.Dir, cmd.Env = dir, plainEnv()
			out, err := cmd.CombinedOutput()
			if err != nil || bytes.Contains(out, []byte(`"status":"error"`)) {
				t.Fatalf("this block of the README failed: %v\n%s\n%s", err, text, out)
			}
		}
		ran++
	}
	figure(map[string]any{"readme_blocks": ran})
}

// plainEnv is the environment of somebody who has Go and nothing else.
func plainEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "OCTOMESH_") && !strings.HasPrefix(v, "MOSTA") {
			env = append(env, v)
		}
	}
	return env
}

// free gives the test up when somebody else has the README's ports.
func free(t *testing.T, addrs ...string) {
	t.Helper()
	for _, a := range addrs {
		if c, err := net.Dial("tcp", a); err == nil {
			c.Close()
			testserver.Missing(t, "port "+a, "README's blocks serve there; end what listens on it")
		}
	}
}

func background(t *testing.T, dir, text string) {
	t.Helper()
	cmd := exec.Command("bash", "-c", text)
	cmd.Dir, cmd.Env = dir, plainEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out := &tail{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s\n%s", text, out)
		}
	})
}

func ready(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not get ready: %v", url, err)
		case <-tick.C:
		}
	}
}

// checkout copies what git would give, into a folder of its own.
func checkout(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "octomesh")
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (rel == ".git" || rel == "bin" || rel == "data" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, rel), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rel), b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestBinaryIsSmallAndQuick builds the binary as the image and task build do, and
// starts it in an empty folder.
func TestBinaryIsSmallAndQuick(t *testing.T) {
	together(t)
	bin := filepath.Join(t.TempDir(), "octomesh")
	if out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", bin, "./cmd/octomesh").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(bin)
	if err != nil {
		t.Fatal(err)
	}
	var ready []int64
	var resident int64
	for range 5 {
		s := serve(t, "")
		ready = append(ready, s.Ready.Milliseconds())
		after := time.NewTimer(time.Second) // the promise is about one second later
		<-after.C
		resident = max(resident, s.memory("VmRSS"))
		s.stop()
	}
	figure(map[string]any{"ready_ms": ready, "resident_mb": fmt.Sprintf("%.1f", float64(resident)/(1<<20)), "file_mb": fmt.Sprintf("%.1f", float64(info.Size())/(1<<20))})
	slices.Sort(ready)
	if info.Size() > 70<<20 {
		t.Errorf("the binary has %d MB, promised 70", info.Size()>>20)
	}
	if judged() && (resident > 40<<20 || ready[len(ready)/2] > 300) {
		t.Errorf("resident %d MB (promised 40), ready after %v ms (promised 300)", resident>>20, ready)
	}
}
