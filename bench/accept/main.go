// Command accept proves one line of an issue's "it is done when": it runs the
// tests that stand for the line, shows the figures that they print, and appends
// them with commit and machine load to bench/results/<line>.jsonl.
//
//	go run ./bench/accept house.4            # OCTOMESH_TEST=long for its long form
//	go run ./bench/accept -list
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	list := flag.Bool("list", false, "print the lines")
	flag.Parse()
	if *list {
		for _, l := range lines {
			fmt.Printf("%-10s %s\n", l.name, l.claim)
		}
		return
	}
	for _, l := range lines {
		if l.name == flag.Arg(0) {
			if err := l.prove(); err != nil {
				fmt.Fprintf(os.Stderr, "%s does not hold: %v\n", l.name, err)
				os.Exit(1)
			}
			fmt.Printf("%s holds\n", l.name)
			return
		}
	}
	fmt.Fprintf(os.Stderr, "accept: no line %q; -list shows them\n", flag.Arg(0))
	os.Exit(2)
}

// result is one line of bench/results.
type result struct {
	At      time.Time         `json:"at"`
	Line    string            `json:"line"`
	Form    string            `json:"form"` // short or long
	Commit  string            `json:"commit"`
	Load    string            `json:"load"` // /proc/loadavg before the run
	Holds   bool              `json:"holds"`
	Seconds float64           `json:"seconds"`
	Figures []json.RawMessage `json:"figures"`
}

// prove runs every step; the line holds when all of them pass and at least one
// figure was printed.
func (l line) prove() error {
	r := result{At: time.Now().UTC().Truncate(time.Second), Line: l.name, Form: "short", Commit: output("git", "rev-parse", "--short", "HEAD"), Load: loadAverage()}
	if os.Getenv("OCTOMESH_TEST") == "long" {
		r.Form = "long"
	}
	var failed error
	for _, s := range l.steps {
		figures, err := s.run()
		r.Figures = append(r.Figures, figures...)
		failed = errors.Join(failed, err)
	}
	if failed == nil && len(r.Figures) == 0 {
		failed = errors.New("no figure was printed: did the tests run?")
	}
	r.Holds, r.Seconds = failed == nil, time.Since(r.At).Round(100*time.Millisecond).Seconds()
	return errors.Join(failed, r.keep())
}

func (r result) keep() error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join("bench", "results"), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join("bench", "results", r.Line+".jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return errors.Join(err, f.Close())
}

// run executes one go test and gathers the lines that begin with "figure: ".
func (s step) run() ([]json.RawMessage, error) {
	args := []string{"test", s.pkg, "-count=1", "-v", "-timeout", "60m", "-run", s.tests}
	fmt.Println("go", strings.Join(args, " "))
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "OCTOMESH_ACCEPT=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	figures, ran := gather(out)
	if err := cmd.Wait(); err != nil {
		return figures, fmt.Errorf("%s %s: %w", s.pkg, s.tests, err)
	}
	if !ran {
		return figures, fmt.Errorf("%s: no test matches %s", s.pkg, s.tests)
	}
	return figures, nil
}

func gather(r io.Reader) (figures []json.RawMessage, ran bool) {
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		b := sc.Bytes()
		ran = ran || bytes.HasPrefix(b, []byte("--- PASS"))
		if i := bytes.Index(b, []byte("figure: ")); i >= 0 {
			f := bytes.TrimSpace(b[i+len("figure: "):])
			if json.Valid(f) {
				figures = append(figures, bytes.Clone(f))
			}
			fmt.Printf("  %s\n", f)
		} else if bytes.Contains(b, []byte("--- ")) || bytes.Contains(b, []byte("_test.go:")) || bytes.HasPrefix(b, []byte("skipped:")) || bytes.HasPrefix(b, []byte("panic:")) {
			fmt.Printf("  %s\n", b)
		}
	}
	return figures, ran
}

func output(name string, args ...string) string {
	b, err := exec.Command(name, args...).Output()
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(b))
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}
