package octomesh

import "testing"

const arrowSchema = `[
 {"name":"Owner","collection":"owners","fields":{"name":"string"}},
 {"name":"Thing","collection":"things","timestamps":true,
  "fields":{"s":"string","t":"text","n":"number","f":"float","i":"integer","d":"decimal","b":"boolean","w":"date","j":"json","x":"binary",
   "e":{"type":"enum","enum":["a","b"]},"tags":{"type":"array","arrayOf":"string"},"any":"array","ns":{"type":"array","arrayOf":"number"},
   "is":{"type":"array","arrayOf":"integer"},"bs":{"type":"array","arrayOf":"boolean"},"secret":{"type":"string","hidden":true}},
  "relations":{"owner":{"target":"Owner","type":"many-to-one"},"marks":{"target":"Owner","type":"many-to-many"}}}]`

// TestConformanceArrow reads our Arrow streams with npm's apache-arrow.
func TestConformanceArrow(t *testing.T) {
	nodejs(t)
	scenarios(t, serve(t, schemaFile(t, arrowSchema)), "arrow/reader.mjs")
}
