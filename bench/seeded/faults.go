package seeded

import "strings"

// planted is one fault: a text of one file and what takes its place.
type planted struct {
	name   string
	file   string
	text   string // occurs in the file, everywhere it occurs it is replaced
	by     string
	suites []suite // all of them must fail
}

// suite is one package, and the tests of it that answer for a fault.
type suite struct{ pkg, tests string }

var (
	tables     = suite{"./pkg/fault", "."}
	nats       = suite{"./pkg/transporttest", "."}
	mesh       = suite{"./pkg/bus", "."}
	native     = suite{"./pkg/transporttest", "^TestNative$"}
	doors      = suite{"./services/gateway-http/wire", "."}
	restDoor   = suite{"./services/gateway-http/wire", "^TestREST$"}
	socketDoor = suite{"./services/gateway-http/wire", "^TestWS"}
	eventDoor  = suite{"./services/gateway-http/wire", "^TestSSE$"}
	records    = suite{"./pkg/storetest", "^TestSQLite$"}
	sqlite     = suite{"./pkg/store/sqlite", "."}
	relay      = suite{"./services/entity/relay", "."}
	feed       = suite{"./pkg/event", "."}
	rights     = suite{"./pkg/access", "."}
	worker     = suite{"./services/entity", "."}
)

// faults are what house.3 names, and their neighbours.
var faults = []planted{
	{
		"a code is missing from the table", "pkg/fault/table.go",
		"\t{Gap, 410, ", "\t// {Gap, 410, ",
		[]suite{tables, nats},
	},
	{
		"CONFLICT is shown as 500", "pkg/fault/table.go",
		"{Conflict, 409, ", "{Conflict, 500, ",
		[]suite{tables, nats, restDoor},
	},
	{
		"the cause of an internal error crosses", "pkg/fault/fault.go",
		`return Wrap(err, Internal, "something went wrong on our side")`, `return New(Internal, "%v", err)`,
		[]suite{tables, nats, doors},
	},
	{
		"a null is dropped from a record", "pkg/store/populate/plan.go",
		"\t\tdst = append(dst, m.key...)\n\t\tif m.column < 0 {", "\t\tif m.column >= 0 && row.Null(m.column) {\n\t\t\tcontinue\n\t\t}\n\t\tdst = append(dst, m.key...)\n\t\tif m.column < 0 {",
		[]suite{records},
	},
	{
		"a null is dropped by a gateway", "services/gateway-http/ws/handle.go",
		"\t\targs = append(schema.AppendString(args, k), ':')", "\t\tif v.Type() == fastjson.TypeNull {\n\t\t\treturn\n\t\t}\n\t\targs = append(schema.AppendString(args, k), ':')",
		[]suite{socketDoor},
	},
	{
		"the request id is lost at the door", "services/gateway-http/door/door.go",
		"RequestID: x.RequestID, ", "",
		[]suite{restDoor},
	},
	{
		"a stream that breaks looks whole", "services/gateway-http/httpserver/stream.go",
		"b.ended = true\n\t\t\tif !errors.Is(err, io.EOF) {", "b.ended = true\n\t\t\tif errors.Is(err, io.ErrNoProgress) {",
		[]suite{restDoor},
	},
	{
		"an event has no position to resume from", "services/gateway-http/sse/frames.go",
		"\tb = appendID(b, e.Position)\n\tb = append(append(b, \"event: entity.\"", "\tb = append(append(b, \"event: entity.\"",
		[]suite{eventDoor},
	},
	{
		"an event is lost at the door", "services/gateway-http/eventstream/write.go",
		"\t\tb = frame(b, &e)\n", "\t\tif e.Position.Seq%50 != 7 {\n\t\t\tb = frame(b, &e)\n\t\t}\n",
		[]suite{eventDoor, socketDoor},
	},
	{
		"the time to wait is lost on the mesh", "pkg/bus/credit/credit.go",
		"if e.RetryAfter > 0 {", "if e.RetryAfter < 0 {",
		[]suite{nats},
	},
	{
		"the relay skips a change", "services/entity/relay/relay.go",
		"batchSize, func(c *mesh.Change) error {\n\t\tif ", "batchSize, func(c *mesh.Change) error {\n\t\tif c.Seq%5 == 0 {\n\t\t\treturn nil\n\t\t}\n\t\tif ",
		[]suite{relay},
	},
	{
		"the feed accepts a hole", "pkg/event/project.go",
		"if hole > at.Seq && !p.fill(ctx, hole)", "if hole > at.Seq && ctx == nil && !p.fill(ctx, hole)",
		[]suite{feed},
	},
	{
		"the scope transports is not asked", "pkg/access/access.go",
		"if !p.Scopes.Allows(Transports, a.Transport) {", "if len(p.Scopes) == 0 {",
		[]suite{rights},
	},
	{
		"the operation is not asked", "services/entity/chain.go",
		"\tlist = demand(list, op, guarded)\n", "\tlist = append(list, mesh.Read)\n",
		[]suite{worker},
	},
	{
		"a populated record ignores the guard's rows", "pkg/store/populate/page.go",
		"visible = s.Visible(target)", "_ = s.Visible(target)",
		[]suite{records},
	},
	{
		"a read skips the policy's rows", "pkg/store/call.go",
		"return query.Join(query.Visible(s, where), c.allowed(s.Entity, class))\n", "return query.Visible(s, where)\n",
		[]suite{records},
	},
	{
		"a write is not shown to the policy", "pkg/store/write.go",
		"return w.call.guard.After(e, before, after)", "return nil",
		[]suite{records},
	},
	{
		"a field that may not be read can be asked by", "pkg/store/call.go",
		"return c.guard.Readable\n", "return nil\n",
		[]suite{records},
	},
	{
		"the feed skips the policy's rows", "pkg/event/interest.go",
		"rows = g.Rows(e, mesh.Read)", "_ = g.Rows(e, mesh.Read)",
		[]suite{feed},
	},
	{
		"an idempotency key takes another request", "pkg/store/idempotency.go",
		"if !bytes.Equal(stored.Hash, w.hash) {", "if len(stored.Hash) == 0 && !bytes.Equal(stored.Hash, w.hash) {",
		[]suite{records},
	},
	{
		"a change does not count a version", "pkg/store/write.go",
		"schema.IntOf(m.versionOf(row) + 1)", "schema.IntOf(m.versionOf(row))",
		[]suite{records},
	},
	{
		"a position is off by one", "pkg/store/store.go",
		"Seq: seq}", "Seq: seq - 1}",
		[]suite{records},
	},
	{
		"a failed unit leaves its change", "pkg/store/sqlite/writer.go",
		"_ = w.session.run(uncancelled, rollback, nil, nil)", "_ = w.session.run(uncancelled, commit, nil, nil)",
		[]suite{sqlite, records},
	},
	{
		"a failed unit of a group leaves its change", "pkg/store/sqlite/writer.go",
		"if w.session.run(uncancelled, rollbackTo, nil, nil) != nil || ", "if ",
		[]suite{sqlite},
	},
	{
		"a native client's own header is believed", "pkg/bus/incoming.go",
		"\tout := mesh.Header{Transport: \"nats\", Native: nativeUser(info)}\n", "\tif octo := h[HeaderName]; len(octo) == 1 {\n\t\treturn parseHeader(octo[0])\n\t}\n\tout := mesh.Header{Transport: \"nats\", Native: nativeUser(info)}\n",
		[]suite{native},
	},
	{
		"a native client's X-Project may disagree", "pkg/bus/incoming.go",
		"if project != \"\" && v != project {", "if project == v+v {",
		[]suite{mesh},
	},
}

// plant returns the file's text with the fault in it, false if the text that it
// replaces is not there any more.
func (p planted) plant(text string) (string, bool) {
	return strings.ReplaceAll(text, p.text, p.by), strings.Contains(text, p.text)
}
