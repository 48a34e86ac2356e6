package protofile

// shared are the messages that belong to no entity.
type shared struct {
	list []*Message

	id, filter, search, aggregate, updateMany, array, increment, watch *Message
	rows, count, status                                                *Message
	execute, executed, chunk, watchAll, change                         *Message
}

func text(n int32, name, key, comment string) *Field {
	return &Field{Name: name, Number: n, Kind: Text, Key: key, Comment: comment}
}

func json(n int32, name, comment string) *Field {
	return &Field{Name: name, Number: n, Kind: JSON, Key: name, Comment: comment}
}

func of(kind Kind, n int32, name, key, comment string) *Field {
	return &Field{Name: name, Number: n, Kind: kind, Key: key, Comment: comment}
}

func optional(f *Field) *Field { f.Optional = true; return f }

func repeated(f *Field) *Field { f.Repeated = true; return f }

// The members that many requests have.
func relations(n int32) *Field {
	return repeated(text(n, "relations", "relations", "Relations to fill in, such as author or reviews.user."))
}

func selected(n int32) *Field {
	return repeated(text(n, "select", "select", "Members to show; the id and the version always are."))
}

func excluded(n int32) *Field {
	return repeated(text(n, "exclude", "exclude", "Members to leave out."))
}

func includeDeleted(n int32) *Field {
	return of(Bool, n, "include_deleted", "includeDeleted", "Soft-deleted records too.")
}

func minPosition(n int32) *Field {
	return text(n, "min_position", "minPosition", "Wait until the reader has come to this position of the change log.")
}

func expectedVersion(n int32) *Field {
	return optional(of(Int64, n, "expected_version", "expectedVersion", "The version that the record must have."))
}

// page are the members from n on that ask for a part of what was found.
func page(n int32) []*Field {
	return []*Field{
		of(Sort, n, "sort", "sort", "Fields in order, - for descending: -age,name; or JSON."),
		optional(of(Int32, n+1, "limit", "limit", "Records of a page; 100 unless given, 0 for the most that is allowed.")),
		optional(of(Int32, n+2, "skip", "skip", "Records to pass over; a cursor is cheaper.")),
		selected(n + 3), excluded(n + 4), relations(n + 5),
		text(n+6, "cursor", "cursor", "XList.next of the page before."),
		includeDeleted(n + 7), minPosition(n + 8),
		of(Bool, n+9, "count", "count", "Ask for XList.total."),
	}
}

func newShared() *shared {
	s := &shared{}
	add := func(name, comment string, fields ...*Field) *Message {
		m := &Message{Name: name, Comment: comment, Fields: fields}
		s.list = append(s.list, m)
		return m
	}
	id := func() *Field { return text(1, "id", "id", "") }
	filter := func(n int32) *Field { return json(n, "filter", "A filter in JSON.") }
	add("Empty", "")
	s.id = add("IdRequest", "Names a record.", id(), relations(2), selected(3), excluded(4), includeDeleted(5), minPosition(6), expectedVersion(7))
	s.filter = add("FilterRequest", "Asks for records.", append([]*Field{filter(1)}, page(2)...)...)
	s.search = add("SearchRequest", "Looks for a text.", append([]*Field{
		text(1, "query", "query", "The text."),
		repeated(text(2, "fields", "searchFields", "The fields to search; all texts unless given.")),
		filter(3),
	}, page(4)...)...)
	s.aggregate = add("AggregateRequest", "Asks for figures.", json(1, "stages", "A list of stages in JSON."), includeDeleted(2), minPosition(3))
	s.rows = add("AggregateResponse", "The rows, each a JSON object.", repeated(of(JSON, 1, "rows", "data", "")))
	s.updateMany = add("UpdateManyRequest", "Changes all records that the filter leaves; {} is all of them.",
		filter(1), json(2, "data", "The members to change, in JSON."))
	s.array = add("ArrayRequest", "Adds to a list, or takes from it.",
		id(), text(2, "field", "field", "An array, or a many-to-many relation."),
		json(3, "value", "The member in JSON; or"), text(4, "text", "value", "the member, which is a text or an id."),
		relations(5), expectedVersion(6))
	s.increment = add("IncrementRequest", "Adds to a number.",
		id(), text(2, "field", "field", ""), optional(of(Double, 3, "amount", "amount", "What to add; or")),
		of(Decimal, 4, "exact", "amount", "what to add, with all of its digits."), relations(5), expectedVersion(6))
	s.watch = add("WatchRequest", "Subscribes to changes.",
		filter(1), text(2, "position", "position", "Go on behind this position; from now on unless given."))
	s.count = add("CountResponse", "", of(Int64, 1, "count", "data", ""))
	s.status = add("StatusResponse", "Tells how a write without a record went.",
		text(1, "status", "status", "ok: what failed is an error."), text(2, "message", "", ""),
		of(JSON, 3, "data", "data", "In JSON: whether a record was deleted, or how many."),
		of(Int64, 4, "count", "count", "Records touched."), text(5, "position", "position", "Where the write stands in the change log."))
	s.execute = add("ExecuteRequest", "Any op on any entity.",
		text(1, "op", "", ""), text(2, "entity", "", "A name, or _project for what concerns all of a project."),
		text(3, "project", "", "The caller's x-project unless given."), of(Bytes, 4, "payload", "", "The request object in JSON."))
	s.executed = add("ExecuteResponse", "", of(Bytes, 1, "payload", "", "The reply object in JSON: status, data, metadata."))
	s.chunk = add("ExecuteChunk", "", of(Bytes, 1, "payload", "", "The next bytes of the reply."))
	s.watchAll = add("WatchAllRequest", "Subscribes to the changes of several entities.",
		repeated(text(1, "entities", "entity", "All unless given.")), filter(2),
		text(3, "position", "position", "Go on behind this position; from now on unless given."),
		text(4, "project", "", "The caller's x-project unless given."))
	s.change = add("ChangeEvent", eventComment, append(eventFields(of(Bytes, 3, "data", "data", "The record in JSON.")),
		text(10, "entity", "entity", ""), text(11, "project", "project", ""))...)
	return s
}

const eventComment = "Tells of a change; or, type position, that nothing was missed up to there; or, type gap, that something was."

// eventFields are those of a change; record is its third.
func eventFields(record *Field) []*Field {
	return []*Field{
		of(Verb, 1, "type", "event", "created, updated, deleted, upserted; position; gap."), text(2, "id", "id", ""), record,
		repeated(text(4, "changed", "changed", "The members that an update changed.")),
		of(Bool, 5, "inserted", "inserted", "An upsert that made the record."),
		text(6, "match", "match", "With a filter: enter, stay or leave. What leaves has no record."),
		text(7, "position", "position", "Where to go on from."), text(8, "at", "at", "When, RFC 3339."),
		of(Bool, 9, "truncated", "truncated", "The record is too large; fetch it by its id."),
	}
}
