// Package plan compiles GraphQL documents: a text and a schema come in, a Plan
// goes out, which says what the mesh is to be called with and what of each reply
// goes where. Compiling is parsing, limiting, validating (by the rules of the
// specification, October 2021 edition, section 5) and laying out selections; it
// happens once for a document, schema and view, and plans are shared.
package plan
