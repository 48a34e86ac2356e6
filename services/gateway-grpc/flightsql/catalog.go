package flightsql

import (
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	af "github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	pb "github.com/apache/arrow-go/v18/arrow/flight/gen/flight"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/protobuf/proto"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-grpc/flight"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
	"github.com/octomesh/octomesh/services/gateway-grpc/sql"
)

// tableType is the one type of tables.
const tableType = "TABLE"

// identify tells who calls, somebody at least. Errors: UNAUTHORIZED.
func (s *Server) identify(ctx context.Context) (*rpc.Caller, error) {
	return s.entrance.Somebody(ctx, flight.Transport)
}

// about answers a command about catalogs, tables and types.
func (s *Server) about(ctx context.Context, m proto.Message, as *arrow.Schema) (arrow.RecordBatch, error) {
	b := &rows{array.NewRecordBuilder(memory.DefaultAllocator, as)}
	defer b.Release()
	var err error
	switch m := m.(type) {
	case *pb.CommandGetCatalogs:
		if _, err = s.identify(ctx); err == nil {
			b.add(sql.Catalog)
		}
	case *pb.CommandGetTableTypes:
		if _, err = s.identify(ctx); err == nil {
			b.add(tableType)
		}
	case *pb.CommandGetSqlInfo:
		if _, err = s.identify(ctx); err == nil {
			information(b, m.GetInfo())
		}
	case *pb.CommandGetXdbcTypeInfo:
		if _, err = s.identify(ctx); err == nil {
			typeInfo(b, m)
		}
	case *pb.CommandGetDbSchemas:
		err = s.schemas(ctx, b, m)
	case *pb.CommandGetTables:
		err = s.tables(ctx, b, m)
	default:
		err = s.keys(ctx, b, m)
	}
	if err != nil {
		return nil, err
	}
	return b.NewRecordBatch(), nil
}

// rows builds a batch row by row.
type rows struct{ *array.RecordBuilder }

// add adds a row; nil is null.
func (b *rows) add(values ...any) {
	for i, v := range values {
		switch f := b.Field(i).(type) {
		case *array.StringBuilder:
			if s, ok := v.(string); ok {
				f.Append(s)
				continue
			}
		case *array.BinaryBuilder:
			if s, ok := v.([]byte); ok {
				f.Append(s)
				continue
			}
		case *array.Int32Builder:
			if n, ok := v.(int); ok {
				f.Append(int32(n))
				continue
			}
		case *array.Uint8Builder:
			if n, ok := v.(int); ok {
				f.Append(uint8(n))
				continue
			}
		case *array.BooleanBuilder:
			if t, ok := v.(bool); ok {
				f.Append(t)
				continue
			}
		}
		b.Field(i).AppendNull()
	}
}

// readable is what the caller may name of the projects that it may read and that fit
// a catalog and a pattern; nil stands for any.
func (s *Server) readable(ctx context.Context, catalog, pattern *string) ([]*sql.View, error) {
	c, err := s.identify(ctx)
	if err != nil || catalog != nil && *catalog != sql.Catalog {
		return nil, err
	}
	var out []*sql.View
	for _, p := range s.entrance.Projects.All() {
		if (pattern == nil || sql.Matches(*pattern, p.Slug)) && may(c.Principal, p) == nil {
			v, err := view(c.Principal, p)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
	}
	return out, nil
}

func (s *Server) schemas(ctx context.Context, b *rows, m *pb.CommandGetDbSchemas) error {
	views, err := s.readable(ctx, m.Catalog, m.DbSchemaFilterPattern)
	for _, v := range views {
		b.add(sql.Catalog, v.Project)
	}
	return err
}

func (s *Server) tables(ctx context.Context, b *rows, m *pb.CommandGetTables) error {
	views, err := s.readable(ctx, m.Catalog, m.DbSchemaFilterPattern)
	if err != nil || len(m.TableTypes) > 0 && !slices.Contains(m.TableTypes, tableType) {
		return err
	}
	for _, v := range views {
		entities := slices.Clone(v.Entities())
		slices.SortFunc(entities, func(x, y *schema.Entity) int {
			if x.Name < y.Name {
				return -1
			}
			return 1
		})
		for _, e := range entities {
			if m.TableNameFilterPattern != nil && !sql.Matches(*m.TableNameFilterPattern, e.Name) {
				continue
			}
			if !m.GetIncludeSchema() {
				b.add(sql.Catalog, v.Project, e.Name, tableType)
				continue
			}
			b.add(sql.Catalog, v.Project, e.Name, tableType, af.SerializeSchema(columns(v, e), memory.DefaultAllocator))
		}
	}
	return nil
}

// columns is an entity's table with what drivers read of columns in its metadata.
func columns(v *sql.View, e *schema.Entity) *arrow.Schema {
	fields := v.Fields(e, columnar.AsText)
	for i := range fields {
		about := flightsql.NewColumnMetadataBuilder().
			CatalogName(sql.Catalog).SchemaName(v.Project).TableName(e.Name).TypeName(typeName(fields[i].Type)).
			IsReadOnly(true).IsAutoIncrement(false).IsCaseSensitive(fields[i].Type.ID() == arrow.STRING).
			IsSearchable(fields[i].Type.ID() != arrow.LIST).Metadata()
		own := fields[i].Metadata
		fields[i].Metadata = arrow.NewMetadata(append(slices.Clone(about.Keys()), own.Keys()...), append(slices.Clone(about.Values()), own.Values()...))
	}
	return arrow.NewSchema(fields, nil)
}
