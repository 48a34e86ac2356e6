package keyring

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestSeedsStay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nats")
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	roles, err := r.Roles("gateway", "entity")
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := r.Issuer()
	if err != nil {
		t.Fatal(err)
	}
	curve, err := r.Curve()
	if err != nil {
		t.Fatal(err)
	}
	for seed, prefix := range map[string]string{roles["gateway"]: "U", roles["entity"]: "U", issuer: "A", curve: "X"} {
		if pub, err := Public(seed); err != nil || !strings.HasPrefix(pub, prefix) {
			t.Errorf("%s: %v", pub, err)
		}
	}
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := again.Issuer(); err != nil || s != issuer {
		t.Fatalf("another issuer: %v", err)
	}
	if s, err := again.Role("gateway"); err != nil || s != roles["gateway"] {
		t.Fatalf("another gateway: %v", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 4 {
		t.Fatalf("%v %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
	}
}

func TestOneSeedForMany(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	seeds := make([]string, 8)
	for i := range seeds {
		wg.Go(func() {
			r, err := Open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			if seeds[i], err = r.Issuer(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range seeds {
		if s != seeds[0] {
			t.Fatal("two processes have two keys")
		}
	}
}

func TestBrokenSeedIsNotReplaced(t *testing.T) {
	r, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"empty": "", "nonsense": "SAxx", "other kind": "user"} {
		t.Run(name, func(t *testing.T) {
			if text == "user" {
				if text, err = r.Role("x"); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(r.Path(Issuer), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Issuer(); err == nil {
				t.Fatal("accepted")
			}
			if b, _ := os.ReadFile(r.Path(Issuer)); string(b) != text {
				t.Fatal("replaced")
			}
		})
	}
}

func TestOpenModeIsNarrowed(t *testing.T) {
	r, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = r.Issuer(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(r.Path(Issuer), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = r.Issuer(); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(r.Path(Issuer)); info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode())
	}
}

func TestWriteOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.key")
	if err := WriteOnce(path, []byte("a")); err != nil {
		t.Fatal(err)
	}
	if err := WriteOnce(path, []byte("b")); !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "a" {
		t.Fatalf("%s", b)
	}
}
