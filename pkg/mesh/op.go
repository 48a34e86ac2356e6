package mesh

// Class is what a scope allows: reading, writing or administration.
type Class uint8

// The operation classes.
const (
	Read Class = iota + 1
	Write
	Admin
)

func (c Class) String() string { return [...]string{"", "read", "write", "admin"}[c] }

// Op is one row of the operation table.
type Op struct {
	Name  string
	Class Class
	// Needs are the members that the request object must have; a missing one
	// is answered with Missing.
	Needs []Need
	// Verb is what happens to a record and so the last token of its event
	// (Created, Updated, …); "" for reads.
	Verb string
	// Project marks the ops of the pseudo-entity _project.
	Project bool
	// Chunked ops reply with a stream of chunks.
	Chunked bool
}

// Need is a required member of a request and the code of its absence.
type Need struct {
	Member string
	Code   string
}

// ProjectEntity is the pseudo-entity whose ops concern a whole project.
const ProjectEntity = "_project"

// Ops is the operation table: the fifteen ops of Octonet, stream, and the ops
// of _project.
var Ops = []*Op{
	{Name: "findAll", Class: Read},
	{Name: "findOne", Class: Read},
	{Name: "findById", Class: Read, Needs: []Need{{"id", "MISSING_ID"}}},
	{Name: "count", Class: Read},
	{Name: "search", Class: Read, Needs: []Need{{"query", "MISSING_QUERY"}}},
	{Name: "aggregate", Class: Read, Needs: []Need{{"stages", "MISSING_STAGES"}}},
	{Name: "create", Class: Write, Needs: []Need{{"data", "MISSING_DATA"}}, Verb: Created},
	{Name: "update", Class: Write, Needs: []Need{{"id", "MISSING_ID"}, {"data", "MISSING_DATA"}}, Verb: Updated},
	{Name: "delete", Class: Write, Needs: []Need{{"id", "MISSING_ID"}}, Verb: Deleted},
	{Name: "upsert", Class: Write, Needs: []Need{{"filter", "MISSING_PARAMS"}, {"data", "MISSING_DATA"}}, Verb: Upserted},
	{Name: "updateMany", Class: Write, Needs: []Need{{"filter", "MISSING_PARAMS"}, {"data", "MISSING_DATA"}}, Verb: Updated},
	{Name: "deleteMany", Class: Write, Needs: []Need{{"filter", "MISSING_PARAMS"}}, Verb: Deleted},
	{Name: "addToSet", Class: Write, Needs: []Need{{"id", "MISSING_ID"}, {"field", "MISSING_PARAMS"}, {"value", "MISSING_PARAMS"}}, Verb: Updated},
	{Name: "pull", Class: Write, Needs: []Need{{"id", "MISSING_ID"}, {"field", "MISSING_PARAMS"}, {"value", "MISSING_PARAMS"}}, Verb: Updated},
	{Name: "increment", Class: Write, Needs: []Need{{"id", "MISSING_ID"}, {"field", "MISSING_PARAMS"}, {"amount", "MISSING_PARAMS"}}, Verb: Updated},
	{Name: "stream", Class: Read, Chunked: true},
	{Name: "transaction", Class: Write, Needs: []Need{{"operations", "MISSING_PARAMS"}}, Project: true},
	{Name: "changes", Class: Read, Needs: []Need{{"position", "MISSING_PARAMS"}}, Project: true},
	{Name: "catalog", Class: Read, Project: true},
	{Name: "export", Class: Admin, Project: true, Chunked: true},
	{Name: "restore", Class: Admin, Needs: []Need{{"records", "MISSING_PARAMS"}}, Verb: Upserted, Project: true},
}

var opsByName = func() map[string]*Op {
	m := make(map[string]*Op, len(Ops))
	for _, op := range Ops {
		m[op.Name] = op
	}
	return m
}()

// LookupOp returns the op of that name for that entity (ProjectEntity has its
// own ops), or nil.
func LookupOp(entity, name string) *Op {
	op := opsByName[name]
	if op == nil || op.Project != (entity == ProjectEntity) {
		return nil
	}
	return op
}
