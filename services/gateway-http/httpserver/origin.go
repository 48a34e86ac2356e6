package httpserver

import (
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
	corsHeaders = "Content-Type, Authorization, X-API-Key, X-Project, X-Request-Id, Idempotency-Key, If-Match, If-None-Match, Octo-Min-Position, Last-Event-ID, Mcp-Session-Id, Mcp-Protocol-Version, Mcp-Method, Mcp-Name, Accept, X-GraphQL-Event-Stream-Token, Trpc-Accept, Trpc-Transformer, OData-Version, OData-MaxVersion, Prefer, Traceparent"
	corsExpose  = "X-Request-Id, Mcp-Session-Id, Octo-Position, ETag, Location, Content-Disposition, OData-Version, OData-EntityId, Preference-Applied, Idempotency-Replayed, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"
)

// crossOrigin lets the browsers of allowed origins in. It answers a preflight
// request itself and returns true for one. Credentials are keys in headers,
// never cookies, so nothing is allowed that would send cookies along.
func (s *Server) crossOrigin(x *Exchange) bool {
	origin, h := x.Header("Origin"), &x.Ctx.Response.Header
	if origin != "" || len(s.o.Origins) > 0 { // who keeps a reply asks again for a browser's
		h.Add("Vary", "Origin")
	}
	if origin == "" {
		return false
	}
	allowed := s.allows(origin)
	if allowed {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", corsExpose)
	}
	if !x.Ctx.IsOptions() || x.Header("Access-Control-Request-Method") == "" {
		return false
	}
	if allowed {
		h.Set("Access-Control-Allow-Methods", corsMethods)
		h.Set("Access-Control-Allow-Headers", corsHeaders)
		h.Set("Access-Control-Max-Age", "600")
	}
	x.Empty(fasthttp.StatusNoContent)
	return true
}

func (s *Server) allows(origin string) bool {
	return slices.Contains(s.o.Origins, origin) || slices.Contains(s.o.Origins, "*")
}

// SameOrigin reports whether a request comes from where it may: no browser, a
// page of this very host, or an allowed origin. Browsers apply no CORS to
// WebSockets, so the server must look.
func (x *Exchange) SameOrigin() bool {
	origin := x.Header("Origin")
	if origin == "" || x.server.allows(origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, text(x.Ctx.Host()))
}
