package versus

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/freeport"
)

// TestProfile takes a processor profile of the server under each kind of stream
// for the compiler, which reads it beside the program (go help build, -pgo). It
// does so only where OCTOMESH_PROFILE says to which file: see task profile.
func TestProfile(t *testing.T) {
	to := os.Getenv("OCTOMESH_PROFILE")
	if to == "" {
		t.Skip("skipped: a profile for the compiler (task profile)")
	}
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	probes := "127.0.0.1:" + strconv.Itoa(port)
	p, _ := million(t, 50_000, "--metrics-addr", probes)
	args := []string{"tool", "pprof", "-proto"}
	for i, read := range []func(){
		func() { p.readJSON(t) }, func() { p.readArrow(t) }, func() { p.readFlight(t) }, func() { p.stream(t) },
	} {
		part := filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := profile(t.Context(), probes, part, read); err != nil {
			t.Fatal(err)
		}
		args = append(args, part)
	}
	merge := exec.Command("go", args...)
	merge.Stderr = os.Stderr
	whole, err := merge.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, whole, 0o644); err != nil {
		t.Fatal(err)
	}
}

// profile takes one while work is repeated.
func profile(ctx context.Context, probes, file string, work func()) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+probes+"/debug/pprof/profile?seconds=8", nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("no profile: %s %.300s", resp.Status, b)
			}
			return os.WriteFile(file, b, 0o644)
		}()
	}()
	for ctx.Err() == nil {
		work()
	}
	return <-done
}
