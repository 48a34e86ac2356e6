// Package drawn draws catalogs for the property tests of protofile: any schemas
// with names that protobuf, its code generators or protofile have a use for.
package drawn

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"github.com/octomesh/octomesh/pkg/schema"
)

var typeNames = []string{"string", "text", "number", "boolean", "date", "json", "array", "integer", "decimal", "float", "objectId", "enum", "binary"}

// Catalog draws a catalog; it is nil where the names drawn fall together in a
// database.
func Catalog(t *rapid.T) *schema.Catalog {
	entities := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
		"Author", "Book", "BookList", "BookService", "Empty", "Entity", "string", "message", "Stream", "IdRequest", "id", "X", "FindAll", "name",
	}), 1, 5, rapid.ID[string]).Draw(t, "entities")
	fields := []string{
		"name", "Name", "na_me", "version", "string", "message", "optional", "repeated", "reserved", "record", "Author", "Book",
		"boss_record", "tags", "a_1", "a__1", "class", "mostajs", "createdAt", "password", "X", "boss2",
	}
	var list []string
	for i, name := range entities {
		var fs, rs []string
		for _, f := range rapid.SliceOfNDistinct(rapid.SampledFrom(fields), 1, 8, rapid.ID[string]).Draw(t, "fields") {
			fs = append(fs, fmt.Sprintf(`%q:{"type":%q,"description":%q}`, f, rapid.SampledFrom(typeNames).Draw(t, "type"), rapid.SampledFrom([]string{"", "two\nlines */ \u2028", "1"}).Draw(t, "text")))
		}
		for _, r := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"boss", "boss_record", "team", "tags"}), 0, 3, rapid.ID[string]).Draw(t, "relations") {
			kind := rapid.SampledFrom([]string{"many-to-one", "one-to-one", "many-to-many"}).Draw(t, "kind")
			rs = append(rs, fmt.Sprintf(`%q:{"target":%q,"type":%q}`, r, rapid.SampledFrom(entities).Draw(t, "target"), kind))
		}
		list = append(list, fmt.Sprintf(`{"name":%q,"collection":"c%d","timestamps":%t,"softDelete":%t,"fields":{%s},"relations":{%s}}`,
			name, i, rapid.Bool().Draw(t, "times"), rapid.Bool().Draw(t, "soft"), strings.Join(fs, ","), strings.Join(rs, ",")))
	}
	c, err := schema.Parse([]byte("[" + strings.Join(list, ",") + "]"))
	if err != nil {
		return nil
	}
	return c
}
