package graphql

import (
	"strings"
	"unsafe"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/services/gateway-http/graphql/run"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// media is the form of a response.
type media uint8

const (
	// plain is application/json: a client that knows no other reads the outcome
	// off the body, and off the status only whether it reached a GraphQL server.
	plain media = iota
	// response is application/graphql-response+json, whose status tells more.
	response
	// events is text/event-stream, of graphql-sse.
	events
)

var contentTypes = [...]string{
	plain:    "application/json; charset=utf-8",
	response: "application/graphql-response+json; charset=utf-8",
	events:   "application/graphql-response+json; charset=utf-8",
}

// negotiate chooses the form that the header Accept likes best; of equals the
// first one counts. What it does not name at all it gets as application/json,
// as clients do that are older than the draft.
func negotiate(accept string) media {
	best, chosen := 0.0, plain
	for part := range strings.SplitSeq(accept, ",") {
		kind, params, _ := strings.Cut(part, ";")
		var m media
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "application/graphql-response+json":
			m = response
		case "application/json", "application/*", "*/*":
			m = plain
		case "text/event-stream":
			m = events
		default:
			continue
		}
		if q := httpserver.Weight(params); q > best {
			best, chosen = q, m
		}
	}
	return chosen
}

// refused is the status of a document that is not carried out.
func (m media) refused() int {
	if m == plain {
		return fasthttp.StatusOK
	}
	return fasthttp.StatusBadRequest
}

// reply sends a response, whose bytes are copied.
func (r *request) reply(status int, body []byte) {
	h := &r.x.Ctx.Response.Header
	r.x.Ctx.SetStatusCode(status)
	h.SetContentType(contentTypes[r.media])
	r.x.Ctx.Response.SetBody(body)
}

// refuse replies to what is no GraphQL request, or from nobody who may send one;
// 0 is the status of the code.
func (r *request) refuse(status int, err error) {
	e := r.x.Coded(err)
	if status == 0 {
		status = e.Code.HTTP()
	}
	if status == fasthttp.StatusUnauthorized {
		r.x.SetHeader("WWW-Authenticate", `Bearer realm="octomesh"`)
	}
	r.reply(status, run.Refuse(nil, e))
}

// textOf views bytes as a string; it lives as long as they do.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
