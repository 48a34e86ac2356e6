package graphql

import (
	_ "embed"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// pageHTML is an editor, a list of what the schema has and the results: all in
// one file, so that a browser asks nobody else.
//
//go:embed page.html
var pageHTML []byte

// page serves the editor to browsers. It holds nothing that a caller needs a
// right for: it asks with the key that is typed into it.
func (t *GraphQL) page(x *httpserver.Exchange) {
	x.Op = "page"
	h := &x.Ctx.Response.Header
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	x.JSON(fasthttp.StatusOK, pageHTML)
	h.SetContentType("text/html; charset=utf-8")
}
