package sdl

import "strings"

// names are those that are taken in one place of a schema.
type names map[string]bool

// take returns the name, or the first free one of it with underscores behind.
func (n names) take(name string) string {
	for n[name] {
		name += "_"
	}
	n[name] = true
	return name
}

// helpers are the types that serve all entities. One of them gives way to an
// entity of its name.
var helpers = []string{
	"JSON", "DateTime", "BigInt", "Decimal", "SortDirection", "PageInfo",
	"StringFilter", "IDFilter", "FloatFilter", "IntFilter", "BigIntFilter", "DecimalFilter", "BooleanFilter", "DateTimeFilter", "JSONFilter", "BinaryFilter",
	"_Any", "_Service", "_Entity",
}

// lower is the name with its first letter in lower case, as Octonet has it:
// Category has categorys, not categories.
func lower(name string) string { return strings.ToLower(name[:1]) + name[1:] }
