package docspage

import (
	"embed"
	"html"
	"io/fs"
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

//go:embed assets
var assets embed.FS

// policy lets the page load and ask nothing but this server, and lets no text
// become a script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Page serves /docs.
type Page struct {
	door  *door.Door
	calls string // the first calls, as HTML
	shell string
	files map[string]*httpserver.File
}

// New returns the page for the transports that are turned on.
func New(d *door.Door, transports []string) *Page {
	folder, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // it is embedded
	}
	shell, err := fs.ReadFile(folder, "page.html")
	if err != nil {
		panic(err)
	}
	p := &Page{door: d, calls: firstCalls(transports), shell: string(shell), files: httpserver.Files(folder)}
	delete(p.files, "page.html") // made for who asks
	return p
}

// Mount adds the routes, for each project too, and the server's own address.
func (p *Page) Mount(m *httpserver.Mux) {
	m.Scoped("docs", p.serve)
	m.Mount("", home)
}

// home leads browsers from / to the page.
func home(x *httpserver.Exchange) {
	x.Transport, x.Op = "rest", "docs"
	if len(x.Segments) > 0 || x.Method() != "GET" || httpserver.Preferred(x.Header("Accept"), "application/json", "text/html") == 0 {
		x.NotFound()
		return
	}
	x.SetHeader("Location", "docs")
	x.Ctx.Response.Header.Add("Vary", "Accept")
	x.Empty(fasthttp.StatusFound)
}

func (p *Page) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = "rest", "docs"
	const allow = "GET, HEAD, OPTIONS"
	switch method := x.Method(); {
	case method == "OPTIONS":
		x.Options(allow)
	case method != "GET":
		x.NotAllowed(allow)
	case len(x.Segments) == 1:
		p.page(x)
	case len(x.Segments) == 2:
		f := p.files[x.Segments[1]]
		if f == nil {
			x.NotFound()
			return
		}
		x.File(f, policy)
	default:
		x.NotFound()
	}
}

// page writes the page for who asks: under which address, of which project.
func (p *Page) page(x *httpserver.Exchange) {
	if x.WithoutSlash() {
		return
	}
	slug := x.Project
	if slug == "" {
		slug = gateway.DefaultProject
	} else if _, err := p.door.Projects.Find(slug); err != nil {
		x.Fail(err)
		return
	}
	host := string(x.Ctx.Host())
	port := (&url.URL{Host: host}).Port() // an IPv6 address keeps its brackets
	values := map[string]string{
		"url": "http://" + host, "ws": "ws://" + host, "host": strings.TrimSuffix(host, ":"+port), "subject": "mostajs.", "project": slug,
		// What the project holds is for those who may read it: the page asks again
		// with a key, and puts the first name that the key sees here.
		"entity": "Product", "collection": "products", "plural": "products",
	}
	if x.Project != "" {
		values["url"] += "/" + slug
		values["ws"] += "/" + slug
		values["subject"] += slug + "."
	}
	body := strings.Replace(p.shell, "<!-- calls -->", p.calls, 1)
	x.File(httpserver.NewFile("page.html", []byte(fill(body, values))), policy)
}

// fill puts values where {{name}} stands, as text in an element that the page's
// script finds again.
func fill(s string, values map[string]string) string {
	for name, value := range values {
		s = strings.ReplaceAll(s, "{{"+name+"}}", `<span data-fill="`+name+`">`+html.EscapeString(value)+`</span>`)
	}
	return s
}
