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
	b := &bench{dir: checkout(t), patience: map[suite]time.Duration{}}
	begun, tried, caught := time.Now(), 0, 0
	missed := []string{}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			tried++
			b.try(t, f)
			if t.Failed() {
				missed = append(missed, f.name)
			} else {
				caught++
			}
		})
	}
	figure, err := json.Marshal(map[string]any{
		"seeded": tried, "caught": caught, "missed": missed, "seconds": int(time.Since(begun).Seconds()),
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("figure: %s\n", figure)
}

// bench is the copy in which faults are planted.
type bench struct {
	dir string
	// patience is how long a suite may take with a fault in it, where it may
	// wait for ever for what was lost. A suite that is not in it was not run yet.
	patience map[suite]time.Duration
}

// sound demands that a suite is green as long as nothing is planted.
func (b *bench) sound(t *testing.T, s suite) {
	t.Helper()
	if b.patience[s] != 0 {
		return
	}
	start := time.Now()
	if red, out := b.run(t, s, 5*time.Minute); red {
		t.Fatalf("%s %s is red without any fault:\n%s", s.pkg, s.tests, out)
	}
	b.patience[s] = max(10*time.Second, 2*time.Since(start))
}

// try plants one fault and demands that all its suites turn red.
func (b *bench) try(t *testing.T, p planted) {
	t.Helper()
	for _, s := range p.suites {
		b.sound(t, s)
	}
	path := filepath.Join(b.dir, p.file)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad, ok := p.plant(string(sound))
	if !ok {
		t.Fatalf("%s no longer has the text %q", p.file, p.text)
	}
	write(t, path, []byte(bad))
	defer write(t, path, sound)
	for _, s := range p.suites {
		red, out := b.run(t, s, b.patience[s])
		switch {
		case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
			t.Errorf("what was planted does not compile:\n%s", out)
		case !red:
			t.Errorf("%s %s stays green", s.pkg, s.tests)
		}
	}
}

// run reports whether a suite fails, and what it printed. One that no longer
// ends has noticed too.
func (b *bench) run(t *testing.T, s suite, patience time.Duration) (red bool, out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-vet=off", "-timeout="+patience.String(), "-run", s.tests, s.pkg)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "OCTOMESH_ACCEPT=", "OCTOMESH_TEST=", "GOWORK="+filepath.Join(b.dir, "go.work"))
	text, err := cmd.CombinedOutput()
	if bytes.Contains(text, []byte("no tests to run")) || bytes.Contains(text, []byte("no test files")) {
		t.Errorf("%s has no tests that match %s", s.pkg, s.tests)
	}
	return err != nil, string(text)
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
