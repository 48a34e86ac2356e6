package httpserver

import (
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/fault"
)

// JSONBody returns the body if its headers do not say that it is anything but
// JSON; otherwise it replies 415 and returns false. Whether the bytes are JSON
// is the reader's to check. An absent Content-Type is taken as JSON.
func (x *Exchange) JSONBody() ([]byte, bool) {
	if e := x.Header("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		x.FailWith(fasthttp.StatusUnsupportedMediaType, fault.New(fault.InvalidRequest, "send the body without Content-Encoding"))
		return nil, false
	}
	t, _, _ := strings.Cut(text(x.Ctx.Request.Header.ContentType()), ";")
	t = strings.TrimSpace(t)
	body := x.Body()
	if t == "" || strings.EqualFold(t, "application/json") || len(body) == 0 || suffixed(t) {
		return body, true
	}
	x.FailWith(fasthttp.StatusUnsupportedMediaType, fault.New(fault.InvalidRequest, "the body must be JSON: send Content-Type: application/json (with curl: --json instead of -d)"))
	return nil, false
}

// suffixed tells media types such as application/merge-patch+json.
func suffixed(t string) bool {
	t = strings.ToLower(t)
	return strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json")
}
