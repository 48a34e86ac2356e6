package metadata

// Operation is a bound operation: what the mesh can and the standard has no
// verb for.
type Operation struct {
	Name   string
	Bound  Binding
	Action bool // POST, with the parameters in the body; else GET
	Takes  []Parameter
	// Gives is the result: the bound entity, a collection of it, or an Edm type.
	Gives Result
}

// Parameter of an operation.
type Parameter struct{ Name, Edm string }

// Binding tells what an operation is called on.
type Binding uint8

// The bindings.
const (
	ToSet Binding = iota
	ToEntity
	ToService
)

// Result is what an operation returns.
type Result uint8

// The results.
const (
	OneEntity Result = iota
	ManyEntities
	ANumber
	Lines
	Anything
)

// Operations are the ones that every entity set has, and transaction.
var Operations = []Operation{
	{Name: "findOne", Bound: ToSet, Gives: OneEntity},
	{Name: "stream", Bound: ToSet, Gives: Lines},
	{Name: "aggregate", Bound: ToSet, Action: true, Takes: []Parameter{{"stages", "Collection(Edm.Untyped)"}}, Gives: Anything},
	{Name: "upsert", Bound: ToSet, Action: true, Takes: []Parameter{{"filter", "Edm.Untyped"}, {"data", "Edm.Untyped"}}, Gives: OneEntity},
	{Name: "updateMany", Bound: ToSet, Action: true, Takes: []Parameter{{"filter", "Edm.Untyped"}, {"data", "Edm.Untyped"}}, Gives: ANumber},
	{Name: "deleteMany", Bound: ToSet, Action: true, Takes: []Parameter{{"filter", "Edm.Untyped"}}, Gives: ANumber},
	{Name: "addToSet", Bound: ToEntity, Action: true, Takes: []Parameter{{"field", "Edm.String"}, {"value", "Edm.Untyped"}}, Gives: OneEntity},
	{Name: "pull", Bound: ToEntity, Action: true, Takes: []Parameter{{"field", "Edm.String"}, {"value", "Edm.Untyped"}}, Gives: OneEntity},
	{Name: "increment", Bound: ToEntity, Action: true, Takes: []Parameter{{"field", "Edm.String"}, {"amount", "Edm.Double"}}, Gives: OneEntity},
	{Name: "transaction", Bound: ToService, Action: true, Takes: []Parameter{{"operations", "Collection(Edm.Untyped)"}}, Gives: Anything},
}

// FindOperation returns the operation of that qualified name that is bound to b,
// or nil.
func FindOperation(name string, b Binding) *Operation {
	short, ok := cut(name)
	if !ok {
		return nil
	}
	for i := range Operations {
		if o := &Operations[i]; o.Name == short && o.Bound == b {
			return o
		}
	}
	return nil
}

func cut(name string) (string, bool) {
	if len(name) <= len(Namespace)+1 || name[:len(Namespace)] != Namespace || name[len(Namespace)] != '.' {
		return "", false
	}
	return name[len(Namespace)+1:], true
}
