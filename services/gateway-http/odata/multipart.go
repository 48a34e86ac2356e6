package odata

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

var errMultipart = fault.New(fault.ParseError, "the batch is no multipart/mixed body of application/http parts")

// contentType returns a media type and its boundary.
func contentType(header string) (kind, boundary string) {
	kind, parameters, err := mime.ParseMediaType(header)
	if err != nil {
		return strings.ToLower(header), ""
	}
	return kind, parameters["boundary"]
}

func unescape(s string) (string, error) {
	text, err := url.PathUnescape(s)
	if err != nil || !utf8.ValidString(text) || strings.ContainsAny(text, "\\\x00\n\r\x7f") {
		return "", errPath
	}
	return text, nil
}

// multipart reads a batch as section 11.7 of the protocol has it: requests, and
// change sets of requests, which are atomicity groups.
func (b *batch) multipart(boundary string) error {
	if boundary == "" {
		return fault.New(fault.InvalidRequest, "multipart/mixed needs a boundary")
	}
	parts := multipart.NewReader(bytes.NewReader(b.outer.body), boundary)
	for n := 1; ; n++ {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return errMultipart
		}
		kind, inner := contentType(p.Header.Get("Content-Type"))
		if kind == "multipart/mixed" && inner != "" {
			if err := b.changeSet(p, inner, "set"+strconv.Itoa(n)); err != nil {
				return err
			}
			continue
		}
		if err := b.http(p, p.Header, "", n); err != nil {
			return err
		}
	}
}

func (b *batch) changeSet(body io.Reader, boundary, name string) error {
	parts := multipart.NewReader(body, boundary)
	for n := 1; ; n++ {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return errMultipart
		}
		if err := b.http(p, p.Header, name, n); err != nil {
			return err
		}
	}
}

// http reads one part: a request line, headers and a body.
func (b *batch) http(body io.Reader, outer textproto.MIMEHeader, group string, n int) error {
	if kind, _ := contentType(outer.Get("Content-Type")); kind != "application/http" {
		return errMultipart
	}
	in := bufio.NewReader(body)
	reader := textproto.NewReader(in)
	line, err := reader.ReadLine()
	if err != nil {
		return errMultipart
	}
	method, rest, ok := strings.Cut(line, " ")
	target, version, ok2 := strings.Cut(rest, " ")
	if !ok || ok2 && !strings.HasPrefix(version, "HTTP/1.") {
		return errMultipart
	}
	headers, err := reader.ReadMIMEHeader()
	if err != nil && err != io.EOF {
		return errMultipart
	}
	content, err := io.ReadAll(in)
	if err != nil {
		return errMultipart
	}
	// The boundary says where a body ends; the lengths that clients write are
	// often those of something else.
	p := &part{
		id: outer.Get("Content-ID"), group: group, method: strings.ToUpper(method), url: target,
		headers: map[string]string{}, body: bytes.Trim(content, "\r\n"),
	}
	if p.id == "" {
		if p.id = headers.Get("Content-ID"); p.id == "" {
			p.id = "\x00" + group + strconv.Itoa(n) // nobody can refer to it
		}
	}
	for name, values := range headers {
		p.headers[strings.ToLower(name)] = values[0]
	}
	return b.add(p)
}

// errorBody is the body of a response that failed; INTERNAL names the request.
func (r *request) errorBody() []byte {
	e := fault.From(r.res.err)
	if e.Code == fault.Internal && !strings.Contains(e.Message, r.x.RequestID) {
		r.x.FailWith(0, r.res.err) // so that the cause is logged
		e = fault.ParseReply(r.x.Ctx.Response.Body())
	}
	return appendError(nil, e)
}

// each calls write for each response, with what it needs.
func (b *batch) each(write func(p *part, status int, headers [][2]string, kind string, body []byte)) {
	for _, p := range b.parts {
		r := p.answered
		if r == nil {
			continue
		}
		body, kind, headers := r.res.body, r.res.kind, r.res.headers
		if r.res.err != nil {
			body, kind = r.errorBody(), "application/json"
			if wait := fault.From(r.res.err).RetrySeconds(); wait > 0 {
				headers = append(headers, [2]string{"Retry-After", strconv.FormatInt(wait, 10)})
			}
		}
		headers = append(headers, [2]string{"OData-Version", r.form.version})
		write(p, r.httpStatus(), headers, kind, body)
	}
	b.outer.x.Code = ""
}

func (b *batch) replyJSON() {
	out := []byte(`{"responses":[`)
	n := 0
	b.each(func(p *part, status int, headers [][2]string, kind string, body []byte) {
		if n++; n > 1 {
			out = append(out, ',')
		}
		out = schema.AppendString(append(out, `{"id":`...), strings.TrimPrefix(p.id, "\x00"))
		out = strconv.AppendInt(append(out, `,"status":`...), int64(status), 10)
		if p.group != "" {
			out = schema.AppendString(append(out, `,"atomicityGroup":`...), p.group)
		}
		out = append(out, `,"headers":{`...)
		for i, h := range headers {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(schema.AppendString(out, strings.ToLower(h[0])), ':')
			out = schema.AppendString(out, h[1])
		}
		if body != nil {
			out = schema.AppendString(append(out, `,"content-type":`...), kind)
		}
		out = append(out, '}')
		switch {
		case body == nil:
		case strings.HasPrefix(kind, "application/json"):
			out = append(append(out, `,"body":`...), body...)
		default:
			out = schema.AppendString(append(out, `,"body":`...), body)
		}
		out = append(out, '}')
	})
	b.outer.res.status, b.outer.res.kind, b.outer.res.body = 200, "application/json", append(out, ']', '}')
}

// replyMultipart answers a change set that failed with one response, as the
// protocol has it.
func (b *batch) replyMultipart() {
	var out bytes.Buffer
	boundary := "batchresponse_" + telemetry.NewRequestID()
	open := ""
	inner := "changesetresponse_" + strings.TrimPrefix(boundary, "batchresponse_")
	b.each(func(p *part, status int, headers [][2]string, kind string, body []byte) {
		if p.skipped {
			return
		}
		failed := p.answered.res.err != nil && status != http.StatusNotFound
		if open != "" && (p.group != open || failed) {
			out.WriteString("--" + inner + "--\r\n")
			open = ""
		}
		mark := boundary
		if p.group != "" && !failed {
			if open == "" {
				out.WriteString("--" + boundary + "\r\nContent-Type: multipart/mixed;boundary=" + inner + "\r\n\r\n")
				open = p.group
			}
			mark = inner
		}
		out.WriteString("--" + mark + "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n")
		if !strings.HasPrefix(p.id, "\x00") {
			out.WriteString("Content-ID: " + strings.Map(printable, p.id) + "\r\n")
		}
		out.WriteString("\r\nHTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) + "\r\n")
		for _, h := range headers {
			out.WriteString(h[0] + ": " + h[1] + "\r\n")
		}
		if body != nil {
			out.WriteString("Content-Type: " + kind + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n")
		}
		out.WriteString("\r\n")
		out.Write(body)
		out.WriteString("\r\n")
	})
	if open != "" {
		out.WriteString("--" + inner + "--\r\n")
	}
	out.WriteString("--" + boundary + "--\r\n")
	b.outer.res.status, b.outer.res.body = 200, out.Bytes()
	b.outer.res.kind = "multipart/mixed;boundary=" + boundary
}

func printable(c rune) rune {
	if c < 0x21 || c > 0x7e {
		return '_'
	}
	return c
}
