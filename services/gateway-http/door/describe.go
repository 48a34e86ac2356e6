package door

import (
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// Describe replies with a description, or that the reader has it already. It
// differs from caller to caller, so no shared cache may keep it.
func Describe(x *httpserver.Exchange, contentType string, body []byte, tag string) {
	x.SetHeader("Cache-Control", "private, no-cache")
	x.SetHeader("ETag", tag)
	x.Ctx.Response.Header.Add("Vary", "X-API-Key, Authorization, X-Project")
	if have := x.Header("If-None-Match"); have == "*" || have != "" && strings.Contains(have, tag) {
		x.Empty(fasthttp.StatusNotModified)
		return
	}
	x.JSON(fasthttp.StatusOK, body)
	x.Ctx.Response.Header.SetContentType(contentType)
}
