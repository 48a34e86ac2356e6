package flightsql

import (
	"context"
	"slices"

	pb "github.com/apache/arrow-go/v18/arrow/flight/gen/flight"
	"google.golang.org/protobuf/proto"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-grpc/flight"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
	"github.com/octomesh/octomesh/services/gateway-grpc/sql"
)

// keys answers the commands about keys: the primary key of every table is id, its
// foreign keys are its references. Errors: UNKNOWN_ENTITY, UNKNOWN_PROJECT,
// UNAUTHORIZED, FORBIDDEN.
func (s *Server) keys(ctx context.Context, b *rows, m proto.Message) error {
	switch m := m.(type) {
	case *pb.CommandGetPrimaryKeys:
		t, err := s.table(ctx, m.Catalog, m.DbSchema, m.GetTable())
		if err != nil {
			return err
		}
		for _, c := range t.view.Columns(t.entity) {
			if c.Role == schema.RoleID {
				b.add(sql.Catalog, t.view.Project, t.entity.Name, c.Name, 1, primary(t.entity))
			}
		}
		return nil
	case *pb.CommandGetExportedKeys:
		t, err := s.table(ctx, m.Catalog, m.DbSchema, m.GetTable())
		if err != nil {
			return err
		}
		return t.exported(b, nil)
	case *pb.CommandGetImportedKeys:
		t, err := s.table(ctx, m.Catalog, m.DbSchema, m.GetTable())
		if err != nil {
			return err
		}
		for _, r := range t.entity.Relations {
			t.reference(b, r)
		}
		return nil
	case *pb.CommandGetCrossReference:
		from, err := s.table(ctx, m.PkCatalog, m.PkDbSchema, m.GetPkTable())
		if err != nil {
			return err
		}
		to, err := s.table(ctx, m.FkCatalog, m.FkDbSchema, m.GetFkTable())
		if err != nil {
			return err
		}
		if from.view.Project != to.view.Project {
			return nil
		}
		return from.exported(b, to.entity)
	}
	return unsupported(m)
}

// table is one that a command names.
type table struct {
	view   *sql.View
	entity *schema.Entity
}

// table finds it; without a schema in the project of the call.
func (s *Server) table(ctx context.Context, catalog, project *string, name string) (*table, error) {
	if catalog != nil && *catalog != "" && *catalog != sql.Catalog {
		return nil, fault.New(fault.UnknownEntity, "the only catalog is %s", sql.Catalog)
	}
	var (
		c   *rpc.Caller
		p   *gateway.Project
		err error
	)
	if project != nil && *project != "" {
		if c, err = s.identify(ctx); err == nil {
			p, err = s.entrance.Projects.Find(*project)
		}
	} else if c, err = s.entrance.Enter(ctx, flight.Transport, ""); err == nil {
		p = c.Project
	}
	if err != nil {
		return nil, err
	}
	if err := may(c.Principal, p); err != nil {
		return nil, err
	}
	v, err := view(c.Principal, p)
	if err != nil {
		return nil, err
	}
	e, err := v.Find(name)
	return &table{v, e}, err
}

// exported adds the references that lead here, of one entity if it is named.
func (t *table) exported(b *rows, of *schema.Entity) error {
	for _, e := range t.view.Entities() {
		if of != nil && e != of {
			continue
		}
		for _, r := range e.Relations {
			if r.Target == t.entity {
				t.reference(b, r)
			}
		}
	}
	return nil
}

// rules are a relation's OnDelete as JDBC numbers it (importedKeyCascade, …).
var rules = map[schema.OnDelete]int{schema.Cascade: 0, schema.Restrict: 1, schema.SetNull: 2, schema.NoAction: 3}

// reference adds a foreign key, if it is a column that the caller sees.
func (t *table) reference(b *rows, r *schema.Relation) {
	if !r.Stored() || !slices.Contains(t.view.Columns(r.Owner), r.Column) || !slices.Contains(t.view.Entities(), r.Target) {
		return
	}
	const sequence, noAction = 1, 3
	b.add(sql.Catalog, t.view.Project, r.Target.Name, "id", sql.Catalog, t.view.Project, r.Owner.Name, r.Column.Name,
		sequence, "fk_"+r.Owner.Collection+"_"+r.Name, primary(r.Target), noAction, rules[r.OnDelete])
}

func primary(e *schema.Entity) string { return "pk_" + e.Collection }
