package odata

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// reply writes the response of an HTTP request.
func (r *request) reply() {
	x := r.x
	x.SetHeader("OData-Version", r.form.version)
	if token := r.header("X-CSRF-Token"); len(token) == 5 && bytes.EqualFold([]byte(token), []byte("fetch")) {
		x.SetHeader("X-CSRF-Token", "not-needed") // no cookie is a credential here
	}
	if r.res.err != nil {
		r.fail()
		return
	}
	for _, h := range r.res.headers {
		x.SetHeader(h[0], h[1])
	}
	if s := r.res.stream; s != nil {
		r.chunks(s)
		return
	}
	if r.res.body == nil {
		x.Empty(r.res.status)
		return
	}
	x.JSON(r.res.status, r.res.body)
	x.Ctx.Response.Header.SetContentType(r.res.kind)
}

// fail replies with an error: the exchange logs and counts it, and its body
// becomes OData's.
func (r *request) fail() {
	http := 0
	var s *status
	if errors.As(r.res.err, &s) {
		http = s.http
	}
	if http == 0 {
		http = versionStatus(r.res.err)
	}
	r.x.FailWith(http, r.res.err)
	if r.x.Ctx.Response.StatusCode() == fasthttp.StatusUnauthorized {
		r.x.SetHeader("WWW-Authenticate", `Basic realm="octomesh", Bearer realm="octomesh"`)
	}
	for _, h := range r.res.headers {
		r.x.SetHeader(h[0], h[1])
	}
	e := fault.ParseReply(r.x.Ctx.Response.Body())
	r.x.Ctx.Response.SetBodyRaw(appendError(nil, e))
	r.x.Ctx.Response.Header.SetContentType("application/json")
}

// versionStatus is 412 for a record whose version is not the one of If-Match.
func versionStatus(err error) int {
	f := fault.From(err)
	if f.Code != fault.Conflict {
		return 0
	}
	m, _ := f.Details.(map[string]any)
	if inner, ok := m["details"].(map[string]any); ok { // of an operation of a transaction
		m = inner
	}
	if m["expected"] != nil {
		return fasthttp.StatusPreconditionFailed
	}
	return 0
}

// appendError appends the error object of the standard (JSON format, section
// 21): code, message, target, details, and our own details as they are.
func appendError(dst []byte, e *fault.Error) []byte {
	dst = append(append(append(dst, `{"error":{"code":"`...), e.Code...), `","message":`...)
	dst = schema.AppendString(dst, e.Message)
	if e.Details != nil {
		if m, ok := e.Details.(map[string]any); ok {
			if path, ok := m["path"].(string); ok && path != "" {
				dst = schema.AppendString(append(dst, `,"target":`...), path)
			}
		}
		if list, ok := e.Details.([]any); ok {
			dst = appendProblems(dst, e.Code, list)
		}
		own := (&fault.Error{Code: e.Code, Details: e.Details}).AppendJSON(nil)
		if at := bytes.Index(own, []byte(`"details":`)); at >= 0 {
			dst = append(append(append(dst, `,"innererror":{`...), own[at:len(own)-1]...), '}')
		}
	}
	return append(dst, '}', '}')
}

// appendProblems makes the standard's details of a list of {field, reason}.
func appendProblems(dst []byte, code fault.Code, list []any) []byte {
	dst = append(dst, `,"details":[`...)
	n := 0
	for _, v := range list {
		m, _ := v.(map[string]any)
		field, _ := m["field"].(string)
		reason, _ := m["reason"].(string)
		if reason == "" {
			continue
		}
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, `{"code":"`...), code...), `","message":`...)
		dst = schema.AppendString(dst, reason)
		dst = schema.AppendString(append(dst, `,"target":`...), field)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// json finishes a reply with a body.
func (r *request) json(status int, body []byte) {
	r.res.status, r.res.body, r.res.kind = status, body, r.form.contentType()
}

func (r *request) plain(status int, body []byte) {
	r.res.status, r.res.body, r.res.kind = status, body, "text/plain;charset=utf-8"
}

// note copies what a reply says beside its body.
func (r *request) note(reply *mesh.Reply) {
	if !reply.Position.IsZero() {
		r.res.set("Octo-Position", reply.Position.String())
	}
	if reply.Replayed {
		r.res.set("Idempotency-Replayed", "true")
	}
}

func etag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

// allow refuses a method, naming those that there are.
func (r *request) allow(methods string) error {
	r.res.set("Allow", methods+", OPTIONS")
	return fault.New(fault.MethodNotAllowed, "this resource takes %s", methods)
}

// notFound says that there is no such record.
func notFound(what string) error { return fault.New(fault.NotFound, "%s", what) }
