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
	if err := x.NotJSON(); err != nil {
		x.FailWith(fasthttp.StatusUnsupportedMediaType, err)
		return nil, false
	}
	return x.Body(), true
}

// NotJSON is JSONBody's refusal, nil for none, without the reply.
// Errors: INVALID_REQUEST.
func (x *Exchange) NotJSON() error {
	if e := x.Header("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return fault.New(fault.InvalidRequest, "send the body without Content-Encoding")
	}
	t, _, _ := strings.Cut(text(x.Ctx.Request.Header.ContentType()), ";")
	t = strings.TrimSpace(t)
	if t == "" || strings.EqualFold(t, "application/json") || len(x.Body()) == 0 || suffixed(t) {
		return nil
	}
	return fault.New(fault.InvalidRequest, "the body must be JSON: send Content-Type: application/json (with curl: --json instead of -d)")
}

// suffixed tells media types such as application/merge-patch+json.
func suffixed(t string) bool {
	t = strings.ToLower(t)
	return strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json")
}
