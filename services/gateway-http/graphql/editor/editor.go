package editor

import (
	"embed"
	"io/fs"

	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

//go:embed assets
var assets embed.FS

// policy lets the page load and ask nothing but this server. CodeMirror writes
// style attributes.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src data:; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Editor serves the page and its files.
type Editor struct{ files map[string]*httpserver.File }

// New returns the editor.
func New() *Editor {
	folder, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // it is embedded
	}
	return &Editor{httpserver.Files(folder)}
}

// Has reports whether a file of this name belongs to the page.
func (e *Editor) Has(name string) bool { return e.files[name] != nil }

// File replies with one of the files.
func (e *Editor) File(x *httpserver.Exchange, name string) {
	x.Op = "page"
	x.File(e.files[name], policy)
}

// Page replies with the page. It holds nothing that a caller needs a right for:
// it asks with the key that is typed into it.
func (e *Editor) Page(x *httpserver.Exchange) {
	x.Op = "page"
	if !x.WithoutSlash() {
		x.File(e.files["page.html"], policy)
	}
}
