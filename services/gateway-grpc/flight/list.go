package flight

import (
	"slices"

	af "github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// ListFlights implements the service: a flight for each entity of the projects
// that the caller may read, or of the one that the criteria name as JSON
// {"project"}, with the columns that the caller may see. Errors: UNAUTHORIZED,
// FORBIDDEN, UNKNOWN_PROJECT, those of access.GuardFor.
func (s *Server) ListFlights(in *af.Criteria, ss af.FlightService_ListFlightsServer) error {
	rpc.ExchangeOf(ss.Context()).Op = "describe"
	named, err := criteria(in.GetExpression())
	if err != nil {
		return err
	}
	c, err := s.entrance.Somebody(ss.Context(), Transport)
	if err != nil {
		return err
	}
	projects := s.entrance.Projects.All()
	if named != "" {
		p, err := s.entrance.Projects.Find(named)
		if err != nil {
			return err
		}
		projects = []*gateway.Project{p}
	}
	var refused error
	seen := false
	for _, p := range projects {
		err := access.Check(c.Principal, access.Ask{ProjectID: p.ID, Project: p.Slug, Class: mesh.Read, Transport: Transport})
		if err != nil {
			refused = err
			continue
		}
		seen = true
		list, err := s.flights(c.Principal, p)
		if err != nil {
			return err
		}
		for len(list) > 0 {
			one, n := protowire.ConsumeBytes(list)
			list = list[n:]
			if err := ss.SendMsg(&rpc.Message{Bytes: one}); err != nil {
				return err
			}
		}
	}
	if !seen {
		return refused
	}
	return nil
}

func criteria(b []byte) (project string, err error) {
	if len(strictjson.Trim(b)) == 0 {
		return "", nil
	}
	if err := strictjson.Check(b, strictjson.DefaultDepth); err != nil {
		return "", err
	}
	object := strictjson.Members(b, func(name, value []byte) bool {
		text, ok := strictjson.Text(value)
		if string(name) != "project" || !ok {
			err = fault.New(fault.InvalidRequest, `criteria are JSON {"project":"its name"}`)
		}
		project = string(text)
		return err == nil
	})
	if err == nil && !object {
		err = fault.New(fault.InvalidRequest, "criteria are a JSON object")
	}
	return project, err
}

// flights are the flights of a project as the caller may see them; only what
// everybody sees is kept. Errors: those of access.GuardFor.
func (s *Server) flights(who *mesh.Principal, p *gateway.Project) ([]byte, error) {
	guard, err := access.GuardFor(p.Catalog, who)
	if err != nil {
		return nil, err
	}
	if guard != nil {
		return flights(p, guard.Readable), nil
	}
	list, _ := s.artefacts.Of("flights", p, mesh.View{Read: true}, func() []byte {
		return flights(p, func(*schema.Column) bool { return true })
	})
	return list, nil
}

// flights are the FlightInfo messages of a project, each with its length before it,
// with the columns that are readable.
func flights(p *gateway.Project, readable func(*schema.Column) bool) (list []byte) {
	for _, e := range p.Catalog.Entities {
		hidden := func(m schema.Member) bool { return m.Column != nil && !readable(m.Column) }
		members := slices.DeleteFunc(slices.Clone(e.Members), hidden)
		shape := columnar.NewShape(e, members, columnar.Options{DecimalScale: columnar.AsText})
		info, err := proto.Marshal(&af.FlightInfo{
			Schema:           shape.Encapsulated(),
			FlightDescriptor: &af.FlightDescriptor{Type: af.DescriptorPATH, Path: []string{p.Slug, e.Name}},
			Endpoint:         []*af.FlightEndpoint{{Ticket: &af.Ticket{Ticket: new(ask).ticket(p.Slug, e.Name)}}},
			TotalRecords:     -1, TotalBytes: -1, Ordered: true,
		})
		if err != nil {
			panic(err) // names are UTF-8
		}
		list = protowire.AppendBytes(list, info)
	}
	return list
}
