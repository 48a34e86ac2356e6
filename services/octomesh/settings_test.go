package octomesh

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/octomesh/octomesh/services/auth"
	"github.com/octomesh/octomesh/services/entity"
	gatewaygrpc "github.com/octomesh/octomesh/services/gateway-grpc"
	gatewayhttp "github.com/octomesh/octomesh/services/gateway-http"
)

var update = flag.Bool("update", false, "rewrite the table of settings in docs/operations.md")

// programsOf are the settings of every program, in the order of the columns.
func programsOf() []struct {
	name string
	cfg  any
} {
	return []struct {
		name string
		cfg  any
	}{
		{"serve", &serveCommand{}},
		{"auth", &auth.Process{}},
		{"entity", &entity.Process{}},
		{"gateway-http", &gatewayhttp.Process{}},
		{"gateway-grpc", &gatewaygrpc.Process{}},
	}
}

// TestGoldenSettings keeps the table of settings in docs/operations.md equal to
// the structs that hold them.
func TestGoldenSettings(t *testing.T) {
	type row struct {
		env, flag, value, help string
		programs               []string
	}
	rows, flags := map[string]*row{}, map[string]string{}
	for _, p := range programsOf() {
		k, err := kong.New(p.cfg, kong.Name(p.name))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range k.Model.Flags {
			if len(f.Tag.Envs) == 0 {
				continue
			}
			env := strings.Join(f.Tag.Envs, ", ")
			// A setting that means another thing in another program has a line for each.
			key := env + "\n" + f.Name + f.Default + f.Help
			r := rows[key]
			if r == nil {
				r = &row{env: env, flag: f.Name, value: f.Default, help: f.Help}
				rows[key] = r
			}
			if old := flags[env]; old != "" && old != f.Name {
				t.Errorf("%s is --%s in one program and --%s in %s", env, old, f.Name, p.name)
			}
			flags[env] = f.Name
			r.programs = append(r.programs, p.name)
		}
	}
	var b bytes.Buffer
	b.WriteString("| variable | flag | default | programs | meaning |\n|---|---|---|---|---|\n")
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		r := rows[key]
		value := ""
		if r.value != "" {
			value = "`" + r.value + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `--%s` | %s | %s | %s |\n", r.env, r.flag, value, strings.Join(r.programs, ", "), strings.ReplaceAll(r.help, "<data-dir>", "`<data-dir>`"))
	}
	const path, begin, end = repository + "/docs/operations.md", "<!-- settings -->\n", "<!-- end of settings -->\n"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), begin)
	old, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("docs/operations.md has no place for the table of settings")
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+begin+b.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != b.String() {
		t.Error("the table of settings in docs/operations.md is not that of the programs; run: go test ./services/octomesh -run TestGoldenSettings -update")
	}
}
