package entity

import (
	"context"
	"slices"
	"strings"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// discover answers mostajs.discover with what the caller may use over NATS:
// {"entities":[{"name","collection","fields","operations","project"}],"subjects":[…]}.
// Any worker answers for the whole mesh.
func (s *Service) discover(ctx context.Context, h mesh.Header) ([]byte, error) {
	who, err := s.identity.Caller(ctx, &h)
	if err != nil {
		return nil, err
	}
	if err := s.within(who, h.Native); err != nil {
		return nil, err
	}
	if who.Kind == mesh.Anonymous {
		return nil, access.Check(who, access.Ask{})
	}
	type project struct {
		slug string
		cat  *schema.Catalog
		ops  []string
	}
	var all []project
	s.set.Each(func(id, slug string, cat *schema.Catalog) {
		may := map[mesh.Class]bool{}
		for _, c := range []mesh.Class{mesh.Read, mesh.Write, mesh.Admin} {
			may[c] = access.Check(who, access.Ask{ProjectID: id, Project: slug, Class: c, Transport: native}) == nil
		}
		var ops []string
		for _, op := range mesh.Ops {
			if may[op.Class] && !op.Project {
				ops = append(ops, op.Name)
			}
		}
		if len(ops) > 0 {
			all = append(all, project{slug, cat, ops})
		}
	})
	slices.SortFunc(all, func(a, b project) int { return strings.Compare(a.slug, b.slug) })

	body, subjects := []byte(`{"entities":[`), []byte(nil)
	first := true
	for _, p := range all {
		for _, e := range p.cat.Entities {
			if !first {
				body = append(body, ',')
			}
			first = false
			body = appendEntity(body, p.slug, e, p.ops)
			for _, op := range p.ops {
				if len(subjects) > 0 {
					subjects = append(subjects, ',')
				}
				address := subject.Call
				if mesh.LookupOp(e.Name, op).Chunked { // in one message its reply is refused
					address = subject.Stream
				}
				subjects = schema.AppendString(subjects, address(p.slug, e.Name, op))
			}
		}
	}
	body = append(append(body, `],"subjects":[`...), subjects...)
	return append(body, "]}"...), nil
}

func appendEntity(dst []byte, project string, e *schema.Entity, ops []string) []byte {
	dst = schema.AppendString(append(dst, `{"name":`...), e.Name)
	dst = schema.AppendString(append(dst, `,"collection":`...), e.Collection)
	dst = append(dst, `,"fields":[`...)
	first := true
	for _, f := range e.Fields {
		if f.Hidden {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = schema.AppendString(dst, f.Name)
	}
	dst = append(dst, `],"operations":[`...)
	for i, op := range ops {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = schema.AppendString(dst, op)
	}
	dst = schema.AppendString(append(dst, `],"project":`...), project)
	return append(dst, '}')
}
