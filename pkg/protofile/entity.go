package protofile

import (
	"slices"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/protofile/number"
	"github.com/octomesh/octomesh/pkg/schema"
)

// record is an empty message for an entity's records; fill gives it its fields.
func record(e *schema.Entity, n *number.Entity) *Message {
	return &Message{Name: n.Message, Comment: e.Description}
}

// fill lays out a record's fields. Those of other entities' records refer to
// their messages, by the entity's name.
func (m *Message) fill(e *schema.Entity, n *number.Entity, records map[string]*Message) {
	members := map[string]schema.Member{}
	for _, k := range e.Members {
		members[k.Name] = k
		m.Keys = append(m.Keys, k.Name)
	}
	for _, given := range n.List() {
		k, there := members[given.Member]
		f := &Field{Name: given.Name, Number: given.Number, Key: given.Member}
		if there {
			f.describe(k, given.Wire, records)
		}
		if f.Kind == 0 { // gone, hidden, or of another type by now
			m.Reserved = append(m.Reserved, given.Number)
			continue
		}
		m.Fields = append(m.Fields, f)
	}
}

// kinds are those of the schema's types.
var kinds = [...]Kind{
	schema.String: Text, schema.Text: Text, schema.Number: Double, schema.Boolean: Bool, schema.Date: Text,
	schema.JSON: JSON, schema.Array: JSON, schema.Integer: Int64, schema.Decimal: Decimal, schema.Float: Double,
	schema.ObjectID: Text, schema.Enum: Text, schema.Binary: Binary,
}

// describe sets the kind of a field, if wire is what the member is now.
func (f *Field) describe(k schema.Member, wire string, records map[string]*Message) {
	if r := k.Relation; r != nil {
		switch {
		case wire == number.Record(r):
			f.Kind, f.Message = Record, records[r.Target.Name]
			f.ReadOnly = r.Stored() || r.Type == schema.OneToMany
			f.Optional, f.Repeated = r.Stored(), !r.Stored()
			f.Comment = r.Type.String() + ", where it was asked for"
		case r.Stored() && wire == "string":
			f.Kind, f.Optional, f.Comment = Ref, true, "id of "+r.Target.Name
		}
		return
	}
	c := k.Column
	if number.Scalar(c.Type) != wire {
		return
	}
	f.Kind = kinds[c.Type]
	f.Optional = c.Role != schema.RoleID && c.Role != schema.RoleVersion
	f.ReadOnly = c.Role == schema.RoleVersion
	if c.Field != nil {
		f.Comment = c.Field.Description
	}
	if f.Comment == "" {
		f.Comment = map[schema.Type]string{
			schema.JSON: "JSON", schema.Array: "a JSON array", schema.Date: "RFC 3339, UTC", schema.Decimal: "a decimal number",
		}[c.Type]
	}
}

// family is an entity's messages.
type family struct {
	record, list, input, update, upsert, event *Message
}

func newFamily(r *Message, s *shared) *family {
	f := &family{record: r}
	make := func(suffix, comment string, fields ...*Field) *Message {
		return &Message{Name: r.Name + suffix, Comment: comment, Fields: fields}
	}
	rec := func(n int32, key, comment string) *Field {
		return &Field{Name: "record", Number: n, Kind: Record, Optional: true, Message: r, Key: key, Comment: comment}
	}
	clear := func(n int32) *Field {
		return repeated(text(n, "clear", "", "Members to set to null, beside those that the record has."))
	}
	const asJSON, asRecord = "The members in JSON; or", "the members that are set."
	f.list = make("List", "A page of records.",
		&Field{Name: "items", Number: 1, Kind: Record, Repeated: true, Message: r, Key: "data"},
		of(Int64, 2, "total", "total", "All that match, where asked for."), of(Int64, 3, "count", "count", "Records in this page."),
		text(4, "next", "next", "Cursor of the next page."))
	f.input = make("Input", "", json(1, "data", asJSON), rec(2, "data", asRecord), relations(3),
		of(Bool, 4, "keep_times", "keepTimes", "Store createdAt and updatedAt as given."))
	f.update = make("UpdateInput", "", text(1, "id", "id", ""), json(2, "data", asJSON), rec(3, "data", asRecord), clear(4), relations(5), expectedVersion(6))
	f.upsert = make("UpsertInput", "", json(1, "filter", "A filter in JSON."), json(2, "data", asJSON), rec(3, "data", asRecord), clear(4), relations(5), expectedVersion(6))
	f.event = make("Event", eventComment, eventFields(rec(3, "data", ""))...)
	return f
}

func (f *family) messages(v mesh.View) []*Message {
	list := []*Message{f.record}
	if v.Read {
		list = append(list, f.list)
	}
	if v.Write {
		list = append(list, f.input, f.update, f.upsert)
	}
	if v.Read {
		list = append(list, f.event)
	}
	return list
}

func (f *family) service(e *schema.Entity, s *shared, v mesh.View) *Service {
	sv := &Service{Name: f.record.Name + "Service", Entity: e.Name, Comment: e.Description, Record: f.record}
	for _, m := range []*Method{
		{Name: "FindAll", Op: "findAll", In: s.filter, Out: f.list},
		{Name: "FindById", Op: "findById", In: s.id, Out: f.record, Comment: "NOT_FOUND where there is none."},
		{Name: "Create", Op: "create", In: f.input, Out: f.record},
		{Name: "Update", Op: "update", In: f.update, Out: f.record, Comment: "Changes the members that are given; NOT_FOUND where there is no such record."},
		{Name: "Delete", Op: "delete", In: s.id, Out: s.status},
		{Name: "Count", Op: "count", In: s.filter, Out: s.count},
		{Name: "FindOne", Op: "findOne", In: s.filter, Out: f.record, Comment: "NOT_FOUND where there is none."},
		{Name: "Search", Op: "search", In: s.search, Out: f.list},
		{Name: "Aggregate", Op: "aggregate", In: s.aggregate, Out: s.rows},
		{Name: "Upsert", Op: "upsert", In: f.upsert, Out: f.record},
		{Name: "UpdateMany", Op: "updateMany", In: s.updateMany, Out: s.status},
		{Name: "DeleteMany", Op: "deleteMany", In: s.filter, Out: s.status, Comment: "Deletes all records that the filter leaves; {} is all of them."},
		{Name: "AddToSet", Op: "addToSet", In: s.array, Out: f.record},
		{Name: "Pull", Op: "pull", In: s.array, Out: f.record},
		{Name: "Increment", Op: "increment", In: s.increment, Out: f.record},
		{Name: "Stream", Op: "stream", In: s.filter, Out: f.record, Streaming: true, Comment: "Any number of records, as fast as they are read."},
		{Name: "Watch", Op: OpWatch, In: s.watch, Out: f.event, Streaming: true, Comment: "Changes as they happen."},
	} {
		if allows(v, m.Op) {
			sv.Methods = append(sv.Methods, m)
		}
	}
	return sv
}

// allows tells whether a view has an op; what is none of the table is read.
func allows(v mesh.View, op string) bool {
	if o := slices.IndexFunc(mesh.Ops, func(o *mesh.Op) bool { return o.Name == op }); o >= 0 && mesh.Ops[o].Class == mesh.Write {
		return v.Write
	}
	return v.Read
}

func (s *shared) service(v mesh.View) *Service {
	sv := &Service{Name: EntityService, Comment: "Any op on any entity, in JSON.", Methods: []*Method{
		{Name: "Execute", Op: OpExecute, In: s.execute, Out: s.executed},
		{Name: "ExecuteStream", Op: OpExecuteStream, In: s.execute, Out: s.chunk, Streaming: true, Comment: "For replies of any size: the chunks one after another are the reply, or its records a line each for op stream."},
	}}
	if v.Read {
		sv.Methods = append(sv.Methods, &Method{Name: "Watch", Op: OpWatch, In: s.watchAll, Out: s.change, Streaming: true, Comment: "Changes as they happen."})
	}
	return sv
}
