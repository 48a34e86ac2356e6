package repotest

import (
	"go/parser"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// outsideWorkspace are the modules that go.work leaves out, with the reason.
var outsideWorkspace = map[string]string{
	"tools":                         "linters and the task runner must not reach a service's go.sum",
	"conformance/grpc/client":       "nor clients of other projects",
	"conformance/grpc/adbc":         "nor ADBC, with an Arrow of its own",
	"conformance/grpc/ghz":          "and ghz needs a gRPC of its own time",
	"pkg/store/sqldb/mysql/standin": "nor must an emulator of MySQL, which is for tests alone",
}

func TestEveryModuleIsInTheWorkspace(t *testing.T) {
	work := string(read(t, "go.work"))
	for _, mod := range files(t, "go.mod") {
		dir := filepath.ToSlash(filepath.Dir(mod))
		if dir == "." {
			t.Error("there must be no module at the root: ./... would then test nothing and pass")
			continue
		}
		listed := regexp.MustCompile(`(?m)^\s*\./` + regexp.QuoteMeta(dir) + `$`).MatchString(work)
		_, outside := outsideWorkspace[dir]
		if listed == outside {
			t.Errorf("%s: in go.work %v, on the list of modules outside %v", dir, listed, outside)
		}
	}
}

func TestModulesAgreeOnVersions(t *testing.T) {
	line := regexp.MustCompile(`(?m)^\s*(?:require\s+)?([a-z0-9.-]+\.[a-z]+/\S+|[a-z.]+\.(?:org|com|dev|in)/\S+) (v\S+)`)
	goLine := regexp.MustCompile(`(?m)^go (\S+)$`)
	seen, versions := map[string]string{}, map[string]string{}
	for _, mod := range files(t, "go.mod") {
		text := read(t, mod)
		if _, outside := outsideWorkspace[filepath.Dir(mod)]; outside {
			continue
		}
		versions[string(goLine.FindSubmatch(text)[1])] = mod
		for _, m := range line.FindAllSubmatch(text, -1) {
			path, v := string(m[1]), string(m[2])
			if old, ok := seen[path]; ok && old != v {
				t.Errorf("%s: %s %s, elsewhere %s: run task tidy", mod, path, v, old)
			}
			seen[path] = v
		}
	}
	if len(versions) != 1 {
		t.Errorf("the modules' go lines differ: %v", versions)
	}
}

// TestRequirementsSayWhoImportsThem: a requirement is marked indirect where the
// module itself imports nothing of it, and nowhere else.
func TestRequirementsSayWhoImportsThem(t *testing.T) {
	line := regexp.MustCompile(`(?m)^(?:require )?\s*([\w.-]+\.\w+(?:/\S+)?) v\S+( // indirect)?$`)
	mods := files(t, "go.mod")
	imported := map[string]map[string]bool{} // by the module's folder
	for _, f := range files(t, ".go") {
		in := ""
		for _, mod := range mods {
			if dir := filepath.Dir(mod); strings.HasPrefix(f, dir+"/") && len(dir) > len(in) {
				in = dir
			}
		}
		if imported[in] == nil {
			imported[in] = map[string]bool{}
		}
		for _, spec := range parsed(t, f, parser.ImportsOnly).Imports {
			imported[in][strings.Trim(spec.Path.Value, `"`)] = true
		}
	}
	for _, mod := range mods {
		dir := filepath.Dir(mod)
		if _, outside := outsideWorkspace[dir]; outside {
			continue
		}
		required := line.FindAllStringSubmatch(string(read(t, mod)), -1)
		// A package is of the module with the longest path.
		slices.SortFunc(required, func(a, b []string) int { return len(b[1]) - len(a[1]) })
		used := map[string]bool{}
		for path := range imported[dir] {
			if i := slices.IndexFunc(required, func(m []string) bool { return path == m[1] || strings.HasPrefix(path, m[1]+"/") }); i >= 0 {
				used[required[i][1]] = true
			}
		}
		for _, m := range required {
			if indirect := m[2] != ""; indirect == used[m[1]] {
				t.Errorf("%s: %s is marked indirect %v, imported %v", mod, m[1], indirect, used[m[1]])
			}
		}
	}
}
