package repotest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/octomesh/octomesh/"

// root is the repository's root folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.work")); err != nil {
		t.Fatalf("no go.work above this package: %v", err)
	}
	return dir
}

// files are the paths of the files with that ending, relative to the root;
// hidden folders, build results and installed packages are left out.
func files(t *testing.T, ending string) []string {
	t.Helper()
	dir := root(t)
	var out []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != dir && (name == "node_modules" || name == "bin" || name == "data" || name == "testdata" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(name, ending) {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatalf("no files ending in %s: the walk is broken", ending)
	}
	return out
}

func read(t *testing.T, rel string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root(t), rel))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parsed(t *testing.T, rel string, mode parser.Mode) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root(t), rel), nil, mode)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEveryPackageHasOneComment(t *testing.T) {
	comments := map[string][]string{}
	packages := map[string]bool{}
	for _, f := range files(t, ".go") {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		file := parsed(t, f, parser.ParseComments|parser.PackageClauseOnly)
		dir := filepath.Dir(f)
		packages[dir] = true
		if file.Doc != nil {
			comments[dir] = append(comments[dir], f)
		}
	}
	for dir := range packages {
		if len(comments[dir]) != 1 {
			t.Errorf("%s has %d package comments, want 1: %v", dir, len(comments[dir]), comments[dir])
		}
	}
}

// longFiles may go over the limit, with the reason.
var longFiles = map[string]string{}

func TestFilesAreShort(t *testing.T) {
	const limit, testLimit = 400, 800
	for _, f := range files(t, ".go") {
		n, most := bytes.Count(read(t, f), []byte("\n")), limit
		if strings.HasSuffix(f, "_test.go") || strings.Contains(f, "storetest/") || strings.Contains(f, "transporttest/") {
			most = testLimit
		}
		if n > most && longFiles[f] == "" {
			t.Errorf("%s has %d lines, over %d: does it hold two things?", f, n, most)
		}
	}
}

// layers say what each package of pkg may import of pkg; "" is the folder
// itself. A folder not named here takes the rule of its parent.
var layers = map[string][]string{
	"fault":         {},
	"strictjson":    {"fault"},
	"config":        {"fault"},
	"deadline":      {},
	"telemetry":     {"fault"},
	"service":       {"fault"},
	"process":       {"config", "service", "telemetry"},
	"schema":        {"fault", "strictjson"},
	"query":         {"fault", "strictjson", "schema"},
	"mesh":          {"fault", "strictjson", "schema", "query"},
	"columnar":      {"fault", "strictjson", "schema", "query"},
	"protofile":     {"fault", "strictjson", "schema", "mesh"},
	"access":        {"fault", "strictjson", "schema", "query", "mesh"},
	"bus":           {"fault", "strictjson", "schema", "query", "mesh", "telemetry", "deadline", "freeport"},
	"store":         {"fault", "strictjson", "schema", "query", "mesh", "columnar"},
	"identity":      {"fault", "mesh", "access", "bus"},
	"event":         {"fault", "strictjson", "schema", "query", "mesh", "access", "bus", "telemetry", "identity"},
	"gateway":       {"fault", "strictjson", "schema", "mesh", "protofile", "access", "bus", "telemetry", "identity", "event"},
	"stores":        {"fault", "strictjson", "schema", "query", "mesh", "store"},
	"storetest":     {"fault", "strictjson", "schema", "query", "mesh", "columnar", "store"},
	"transporttest": {"fault", "strictjson", "schema", "query", "mesh", "event", "access", "bus", "store"},
	"repotest":      {},
	"testserver":    {"freeport"},
	"freeport":      {},
}

// libraries say where alone a library may be imported in product code.
var libraries = map[string][]string{
	"github.com/nats-io/nats.go":          {"pkg/bus", "pkg/event", "pkg/identity", "pkg/gateway/gatewaytest", "services/auth", "services/entity/relay", "services/octomesh", "services/gateway-http/cmd", "bench", "pkg/transporttest"},
	"github.com/nats-io/nats-server/":     {"pkg/bus", "services/auth/callout", "services/octomesh", "bench"},
	"github.com/nats-io/jwt/v2":           {"pkg/access", "services/auth", "pkg/bus"},
	"github.com/valyala/fasthttp":         {"services/gateway-http", "bench"},
	"github.com/fasthttp/websocket":       {"services/gateway-http", "bench", "pkg/transporttest"},
	"zombiezen.com/go/sqlite":             {"pkg/store/sqlite"},
	"modernc.org/sqlite":                  {"pkg/store/sqlite", "bench/floor"},
	"github.com/alecthomas/kong":          {"pkg/config", "services/octomesh", "bench"},
	"github.com/prometheus/client_golang": {"pkg/telemetry"},
	"database/sql":                        {"bench/floor", "pkg/store/sqldb", "pkg/stores", "pkg/testserver", "conformance/grpc/adbc"},
	"github.com/go-sql-driver/mysql":      {"pkg/store/sqldb/mysql", "pkg/testserver"},
	"go.mongodb.org/mongo-driver/":        {"pkg/stores/mongodb"},
	"github.com/apache/arrow-go/v18":      {"pkg/columnar", "services/gateway-grpc", "services/gateway-http/download", "conformance/grpc/adbc"},
	"github.com/parquet-go/parquet-go":    {"services/gateway-http/download"},
	"github.com/jackc/pgx/v5":             {"pkg/store/postgres", "pkg/stores/hsqldb", "pkg/testserver", "bench/floor"},
}

func TestImportsGoOneWay(t *testing.T) {
	for _, f := range files(t, ".go") {
		test := strings.HasSuffix(f, "_test.go")
		for _, spec := range parsed(t, f, parser.ImportsOnly).Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			if !test {
				checkLibrary(t, f, path)
			}
			if own, ok := strings.CutPrefix(path, module); ok {
				checkOwn(t, f, own, test)
			}
		}
	}
}

func checkLibrary(t *testing.T, file, path string) {
	for lib, places := range libraries {
		if !strings.HasPrefix(path, lib) {
			continue
		}
		if !slices.ContainsFunc(places, func(p string) bool { return strings.HasPrefix(file, p+"/") }) {
			t.Errorf("%s imports %s, which belongs to %v", file, path, places)
		}
	}
}

func checkOwn(t *testing.T, file, path string, test bool) {
	from := strings.Split(file, "/")
	switch {
	case from[0] == "clients":
		if !strings.HasPrefix(path, "clients/go") && !test {
			t.Errorf("%s imports %s: a client brings nothing of ours to its users", file, path)
		}
	case from[0] == "services":
		other, isService := strings.CutPrefix(path, "services/")
		if isService && from[1] != "octomesh" && !strings.HasPrefix(other+"/", from[1]+"/") && !test {
			t.Errorf("%s imports %s: services meet on the mesh only", file, path)
		}
	case from[0] == "pkg" && !test:
		to, ok := strings.CutPrefix(path, "pkg/")
		if !ok {
			t.Errorf("%s imports %s: pkg imports nothing above it", file, path)
			return
		}
		layer := strings.Split(to, "/")[0]
		if layer == from[1] {
			return
		}
		allowed, known := layers[from[1]]
		if !known {
			t.Errorf("%s: package %s is in no layer; add it to layers", file, from[1])
		} else if !slices.Contains(allowed, layer) {
			t.Errorf("%s imports %s; %s may import %v", file, path, from[1], allowed)
		}
	}
}

func TestNoUnfinishedWork(t *testing.T) {
	words := regexp.MustCompile(`\b(TODO|FIXME|XXX)\b|not implemented`)
	for _, f := range files(t, ".go") {
		if strings.HasPrefix(f, "pkg/repotest/") {
			continue
		}
		if m := words.Find(read(t, f)); m != nil {
			t.Errorf("%s says %q", f, m)
		}
	}
}

// Every page is found by who starts at README and follows links.
func TestEveryPageCanBeReached(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)
	reached, next := map[string]bool{"README.md": true}, []string{"README.md"}
	for len(next) > 0 {
		page := next[0]
		next = next[1:]
		dir := path.Dir(page)
		if info, err := os.Stat(filepath.Join(root(t), page)); err != nil || info.IsDir() {
			dir = page // a link to a folder shows what is in it
			for _, f := range files(t, ".md") {
				if path.Dir(f) == dir && !reached[f] {
					reached[f] = true
					next = append(next, f)
				}
			}
			continue
		}
		for _, m := range link.FindAllSubmatch(read(t, page), -1) {
			target := path.Join(dir, string(m[1]))
			if strings.Contains(string(m[1]), "://") || reached[target] {
				continue
			}
			reached[target] = true
			if info, err := os.Stat(filepath.Join(root(t), target)); err == nil && (info.IsDir() || strings.HasSuffix(target, ".md")) {
				next = append(next, target)
			}
		}
	}
	for _, f := range files(t, ".md") {
		if strings.HasPrefix(f, "docs/") && !reached[f] {
			t.Errorf("no link leads from README to %s", f)
		}
	}
}

func TestFormatted(t *testing.T) {
	args := []string{"-l"}
	for _, f := range files(t, ".go") {
		args = append(args, filepath.Join(root(t), f))
	}
	out, err := exec.Command("gofmt", args...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("gofmt: %v\n%s", err, out)
	}
}

func TestMarkdownLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)
	for _, f := range files(t, ".md") {
		for _, m := range link.FindAllSubmatch(read(t, f), -1) {
			target := string(m[1])
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root(t), filepath.Dir(f), target)); err != nil {
				t.Errorf("%s links to %s, which is not there", f, target)
			}
		}
	}
}

func TestDocsThatCodeNamesAreThere(t *testing.T) {
	page := regexp.MustCompile(`\bdocs/[a-z0-9/-]+\.md\b`)
	for _, f := range files(t, ".go") {
		for _, name := range page.FindAll(read(t, f), -1) {
			if _, err := os.Stat(filepath.Join(root(t), string(name))); err != nil {
				t.Errorf("%s sends its reader to %s, which is not there", f, name)
			}
		}
	}
}

// A promise whose test was renamed or taken away is one that nothing holds.
func TestTestsThatDocsNameAreThere(t *testing.T) {
	there := map[string]bool{}
	for _, f := range files(t, "_test.go") {
		for _, d := range parsed(t, f, parser.SkipObjectResolution).Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				there[fn.Name.Name] = true
			}
		}
	}
	name := regexp.MustCompile(`\b(Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9]+\b`)
	for _, f := range files(t, ".md") {
		for _, m := range name.FindAll(read(t, f), -1) {
			if !there[string(m)] {
				t.Errorf("%s names %s, which is not there", f, m)
			}
		}
	}
}
