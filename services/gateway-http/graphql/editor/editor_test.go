package editor_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/services/gateway-http/graphql/editor"
)

// The page names files that are there, and loads nothing from elsewhere.
func TestPageIsWhole(t *testing.T) {
	e, folder := editor.New(), os.DirFS("assets")
	page, err := fs.ReadFile(folder, "page.html")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllSubmatch(page, -1)
	if len(names) < 6 {
		t.Fatalf("the page names %d files", len(names))
	}
	for _, m := range names {
		at := string(m[1])
		name, ours := strings.CutPrefix(at, "graphql/")
		if at != "data:," && (!ours || !e.Has(name)) {
			t.Errorf("the page loads %q", at)
		}
	}
	if e.Has("nothing.js") || e.Has("graphiql.min.js.gz") {
		t.Error("a file is served that nobody named")
	}
}
