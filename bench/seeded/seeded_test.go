package seeded

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// TestFaultsCanBePlanted keeps the list in step with the code.
func TestFaultsCanBePlanted(t *testing.T) {
	for _, f := range faults {
		b, err := os.ReadFile(filepath.Join(root, f.file))
		if err != nil {
			t.Errorf("%s: %v", f.name, err)
			continue
		}
		if _, ok := f.plant(string(b)); !ok {
			t.Errorf("%s: %s no longer has the text %q", f.name, f.file, f.text)
		}
	}
}

// TestSeededFaults plants each fault alone and runs its suites, which must be
// green without it and red with it.
func TestSeededFaults(t *testing.T) {
	if os.Getenv("OCTOMESH_ACCEPT") == "" && os.Getenv("OCTOMESH_TEST") != "long" {
		fmt.Println("skipped: seeded faults (go run ./bench/accept house.3)")
		t.Skip("it runs the suites many times over")
	}
	dir := checkout(t)
	begun := time.Now()
	patience := map[suite]time.Duration{}
	for _, s := range distinct() {
		start := time.Now()
		if red, out := run(t, dir, s, 5*time.Minute); red {
			t.Fatalf("%s %s is red without any fault:\n%s", s.pkg, s.tests, out)
		}
		// With a fault it may wait for ever for what was lost.
		patience[s] = max(10*time.Second, 2*time.Since(start))
	}
	caught := 0
	var missed []string
	for _, f := range faults {
		if f.caught(t, dir, patience) {
			caught++
		} else {
			missed = append(missed, f.name)
		}
	}
	figure, err := json.Marshal(map[string]any{
		"seeded": len(faults), "caught": caught, "missed": missed, "seconds": int(time.Since(begun).Seconds()),
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("figure: %s\n", figure)
}

// caught reports whether all suites of a fault turn red.
func (p planted) caught(t *testing.T, dir string, patience map[suite]time.Duration) bool {
	t.Helper()
	path := filepath.Join(dir, p.file)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad, ok := p.plant(string(sound))
	if !ok {
		t.Errorf("%s: %s no longer has the text %q", p.name, p.file, p.text)
		return false
	}
	write(t, path, []byte(bad))
	defer write(t, path, sound)
	all := true
	for _, s := range p.suites {
		red, out := run(t, dir, s, patience[s])
		switch {
		case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
			t.Errorf("%s: what was planted does not compile:\n%s", p.name, out)
			all = false
		case !red:
			t.Errorf("%s: %s %s stays green", p.name, s.pkg, s.tests)
			all = false
		}
	}
	return all
}

// run reports whether a suite fails, and what it printed. One that no longer
// ends has noticed too.
func run(t *testing.T, dir string, s suite, patience time.Duration) (red bool, out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-vet=off", "-timeout="+patience.String(), "-run", s.tests, s.pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OCTOMESH_ACCEPT=", "OCTOMESH_TEST=", "GOWORK="+filepath.Join(dir, "go.work"))
	b, err := cmd.CombinedOutput()
	if bytes.Contains(b, []byte("no tests to run")) || bytes.Contains(b, []byte("no test files")) {
		t.Errorf("%s has no tests that match %s", s.pkg, s.tests)
	}
	return err != nil, string(b)
}

func distinct() []suite {
	seen := map[suite]bool{}
	var all []suite
	for _, f := range faults {
		for _, s := range f.suites {
			if !seen[s] {
				seen[s] = true
				all = append(all, s)
			}
		}
	}
	return all
}

// checkout copies the repository's files, without what was built or fetched.
// It is one folder for all faults: what does not change is compiled once.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch name := d.Name(); {
		case d.IsDir() && rel != "." && (strings.HasPrefix(name, ".") || name == "node_modules" || rel == "bin" || rel == "data"):
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

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
