package arrowhttp

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// describe serves the catalogue, which is made once for a version of the catalog,
// or with a name one entity's columns.
func (t *Arrow) describe(x *httpserver.Exchange, p *gateway.Project, entity string) {
	x.Op = "describe"
	if m := x.Method(); m != "GET" {
		refuse(x, m, allowRead)
		return
	}
	if err := t.read(x, p); err != nil {
		x.Fail(err)
		return
	}
	if entity != "" {
		describeEntity(x, p, entity)
		return
	}
	kind, of, write := "application/json", "flights", flights
	if binary(x) {
		kind, of, write = columnar.ContentType, "flights ipc", catalogueTable
	}
	body, tag := t.artefacts.Of(of, p, mesh.View{Read: true}, func() []byte { return write(p.Catalog) })
	door.Describe(x, kind, body, tag)
}

func describeEntity(x *httpserver.Exchange, p *gateway.Project, name string) {
	name, err := p.EntityName(name)
	if err != nil {
		x.Fail(err)
		return
	}
	e := p.Catalog.Entity(name)
	if e == nil {
		x.Fail(fault.New(fault.UnknownEntity, "there is no such entity"))
		return
	}
	x.LogEntity = e.Name
	kind, body := "application/json", entitySchema(e)
	if binary(x) {
		kind, body = columnar.ContentType, table(whole(e))
	}
	door.Describe(x, kind, body, gateway.Tag(body))
}

// whole is the shape of an entity's records where nothing else is asked.
func whole(e *schema.Entity) *columnar.Shape {
	return columnar.NewShape(e, e.Members, columnar.Options{DecimalScale: columnar.AsText})
}

// flights is Octonet's catalogue.
func flights(c *schema.Catalog) []byte {
	b := []byte(`{"flights":[`)
	for i, e := range c.Entities {
		if i > 0 {
			b = append(b, ',')
		}
		b = schema.AppendString(append(b, `{"descriptor":`...), e.Name)
		b = schema.AppendString(append(b, `,"collection":`...), e.Collection)
		b = append(b, `,"fields":`...)
		b = append(appendFields(b, whole(e)), `,"totalRecords":-1}`...)
	}
	return append(b, `]}`...)
}

func entitySchema(e *schema.Entity) []byte {
	b := schema.AppendString([]byte(`{"entity":`), e.Name)
	b = append(b, `,"arrowSchema":{"fields":`...)
	return append(appendFields(b, whole(e)), `}}`...)
}

func appendFields(b []byte, s *columnar.Shape) []byte {
	b = append(b, '[')
	for i, f := range s.Fields() {
		if i > 0 {
			b = append(b, ',')
		}
		b = schema.AppendString(append(b, `{"name":`...), f.Name)
		b = schema.AppendString(append(b, `,"type":`...), f.Type)
		b = append(strconv.AppendBool(append(b, `,"nullable":`...), f.Nullable), '}')
	}
	return append(b, ']')
}

// catalogueTable is the catalogue as an Arrow table, a row for each field.
func catalogueTable(c *schema.Catalog) []byte {
	described, err := schema.Parse([]byte(`[{"name":"Flights","collection":"flights","fields":{"descriptor":"string","collection":"string","name":"string","type":"string","nullable":"boolean"}}]`))
	if err != nil {
		panic(err) // it is a constant
	}
	e := described.Entity("Flights")
	var rows [][]byte
	for _, d := range c.Entities {
		for _, f := range whole(d).Fields() {
			b := schema.AppendString([]byte(`{"descriptor":`), d.Name)
			b = schema.AppendString(append(b, `,"collection":`...), d.Collection)
			b = schema.AppendString(append(b, `,"name":`...), f.Name)
			b = schema.AppendString(append(b, `,"type":`...), f.Type)
			rows = append(rows, append(strconv.AppendBool(append(b, `,"nullable":`...), f.Nullable), '}'))
		}
	}
	members := e.Members[2:] // it has no records, so neither ids nor versions
	return table(columnar.NewShape(e, members, columnar.Options{DecimalScale: columnar.AsText}), rows...)
}

// table is a whole IPC stream in memory, of records that were written here.
func table(s *columnar.Shape, records ...[]byte) []byte {
	w, err := columnar.NewEncoder(s, "")
	if err != nil {
		panic(err) // it compresses nothing
	}
	defer w.Close()
	b := w.Schema(nil)
	batch := columnar.NewBuilder(s, len(records))
	for _, r := range records {
		if err == nil {
			err = batch.AddJSON(r)
		}
	}
	if err == nil && len(records) > 0 {
		b, err = w.Batch(b, batch)
	}
	if err != nil {
		panic(err)
	}
	return w.End(b)
}
