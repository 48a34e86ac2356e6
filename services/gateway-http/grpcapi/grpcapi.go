// Package grpcapi tells over HTTP what the gRPC door serves: a project's proto
// file as text (GET /api/grpc/proto) and as a FileDescriptorSet
// (/api/grpc/descriptors), and the list of its services (/api/grpc/services), as
// far as the caller may use them. A key needs the transport grpc.
package grpcapi

import (
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/protofile"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/procedure"
)

// Transport is the name in scopes, logs and metrics.
const Transport = "grpc"

// API serves /api/grpc.
type API struct {
	door      *door.Door
	artefacts gateway.Artefacts
}

// New returns the routes.
func New(d *door.Door) *API { return &API{door: d} }

// Mount adds them.
func (a *API) Mount(m *httpserver.Mux) { m.ScopedBelow("api", "grpc", a.serve) }

// documents are what is served, by the last word of the path.
var documents = map[string]struct {
	contentType string
	write       func(*gateway.Project, *protofile.File) ([]byte, error)
}{
	"proto": {"text/plain; charset=utf-8", func(p *gateway.Project, f *protofile.File) ([]byte, error) {
		return []byte(f.Text(p.Slug, p.Version)), nil
	}},
	"descriptors": {"application/x-protobuf", func(p *gateway.Project, f *protofile.File) ([]byte, error) {
		name := protofile.Name(p.Slug)
		if _, err := f.Compile(name); err != nil {
			return nil, err
		}
		return f.Set(name)
	}},
	"services": {"application/json", func(_ *gateway.Project, f *protofile.File) ([]byte, error) { return services(f), nil }},
}

func (a *API) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "none"
	if len(x.Segments) != 3 {
		x.NotFound()
		return
	}
	word := strings.Clone(x.Segments[2]) // what a path holds is soon overwritten
	d, ok := documents[word]
	switch {
	case !ok:
		x.NotFound()
		return
	case x.Ctx.IsOptions():
		x.Options("GET, HEAD, OPTIONS")
		return
	case x.Method() != fasthttp.MethodGet:
		x.NotAllowed("GET, HEAD, OPTIONS")
		return
	}
	x.Op = "list"
	var desk procedure.Desk
	if err := desk.Open(a.door, x, false); err != nil {
		x.Fail(err)
		return
	}
	p, v := desk.Project, desk.View()
	if !v.Read && !v.Write && !door.Anonymous(x) {
		x.Fail(fault.New(fault.Forbidden, "the credential may not use gRPC in this project: it needs the transport grpc, and may then see what it may read or write"))
		return
	}
	v.Admin = false // nothing hangs on it
	var wrong error
	body, tag := a.artefacts.Of(word, p, v, func() (b []byte) {
		b, wrong = d.write(p, protofile.New(p.Catalog, p.Numbers, v))
		return b
	})
	if body == nil {
		if wrong == nil {
			wrong = errors.New("it failed for another caller at the same time")
		}
		x.Fail(fault.Wrap(fmt.Errorf("project %s: %w", p.Slug, wrong), fault.Internal, "the proto file could not be made"))
		return
	}
	door.Describe(x, d.contentType, body, tag)
}

// services are {"services":[{"name","fullName","entity","methods":[{"name",
// "fullName","op","requestType","responseType","responseStream"}]}]}.
func services(f *protofile.File) []byte {
	b := []byte(`{"services":[`)
	text := func(key, value string) {
		b = schema.AppendString(append(append(append(b, '"'), key...), `":`...), value)
	}
	for i, s := range f.Services {
		if i > 0 {
			b = append(b, ',')
		}
		full := protofile.Package + "." + s.Name
		b = append(b, '{')
		text("name", s.Name)
		b = append(b, ',')
		text("fullName", full)
		if s.Entity != "" {
			b = append(b, ',')
			text("entity", s.Entity)
		}
		b = append(b, `,"methods":[`...)
		for j, m := range s.Methods {
			if j > 0 {
				b = append(b, ',')
			}
			b = append(b, '{')
			for _, kv := range [][2]string{
				{"name", m.Name},
				{"fullName", full + "/" + m.Name},
				{"op", m.Op},
				{"requestType", protofile.Package + "." + m.In.Name},
				{"responseType", protofile.Package + "." + m.Out.Name},
			} {
				text(kv[0], kv[1])
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `"responseStream":%t}`, m.Streaming)
		}
		b = append(b, "]}"...)
	}
	return append(b, "]}"...)
}
