package trpc

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/procedure"
)

// describe serves GET /trpc, Octonet's list {"procedures":[{"name","type",
// "entity","operation"}],"types":text}, and GET /trpc/types.d.ts, of what the
// caller may use.
func (t *TRPC) describe(x *httpserver.Exchange) {
	x.Op = "list"
	var desk procedure.Desk
	if err := desk.Open(t.door, x, false); err != nil {
		t.refuse(x, "", err)
		return
	}
	p, v := desk.Project, desk.View()
	if len(x.Segments) == 2 {
		body, tag := t.artefacts.Of(typesFile, p, v, func() []byte { return types(p, v) })
		door.Describe(x, "text/plain; charset=utf-8", body, tag)
		return
	}
	body, tag := t.artefacts.Of("list", p, v, func() []byte { return list(p, v) })
	door.Describe(x, "application/json", body, tag)
}

func list(p *gateway.Project, v mesh.View) []byte {
	b := []byte(`{"procedures":[`)
	add := func(name, entity, op string, k kind) {
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = schema.AppendString(append(b, `{"name":`...), name)
		b = append(append(b, `,"type":"`...), k.String()...)
		b = schema.AppendString(append(b, `","entity":`...), entity)
		b = append(append(append(b, `,"operation":"`...), op...), `"}`...)
	}
	procedure.Procedures(p, v, func(e *schema.Entity, op *mesh.Op) {
		name := procedure.NameOf(e, op)
		add(name, name[:strings.LastIndexByte(name, '.')], op.Name, kindOf(name))
	})
	if v.Read {
		for _, e := range p.Catalog.Entities {
			add(e.Name+"."+events, e.Name, events, subscription)
		}
		add(mesh.ProjectEntity+"."+events, mesh.ProjectEntity, events, subscription)
	}
	b = schema.AppendString(append(b, `],"types":`...), types(p, v))
	return append(b, '}')
}

// types are the project's TypeScript declarations: AppRouter for a client
// without a transformer, SuperJSONRouter for one with superjson.
func types(p *gateway.Project, v mesh.View) []byte {
	w := &declarations{catalog: p.Catalog}
	w.line("// Generated from the catalog of project %s, version %s. What this key may use.", p.Slug, p.Version)
	w.b = append(w.b, preamble...)
	if v.Any() {
		for _, e := range p.Catalog.Entities {
			w.entity(e, v)
		}
	}
	w.line("\ntype Procedures<D> = {")
	if v.Any() {
		for _, e := range p.Catalog.Entities {
			w.line("  %s: {", e.Name)
			for _, op := range mesh.Ops {
				if !op.Project && v.Allows(op.Class) {
					w.procedure(e, op)
				}
			}
			if v.Read {
				w.line("    events: Subscription<EventsInput, Event<%s<D>, D>>;", w.name(e))
			}
			w.line("  };")
		}
		w.project(p, v)
	}
	w.line("};")
	w.b = append(w.b, closing...)
	return w.b
}

// codesOf are the house's error codes, for the type of an error.
func codesOf() string {
	var b strings.Builder
	for i, row := range fault.Table {
		if i > 0 {
			b.WriteString(" | ")
		}
		b.WriteString(`"` + string(row.Code) + `"`)
	}
	return b.String()
}
