// Package sdl makes the GraphQL schema of a project: a catalog and what a caller
// may do come in, the type system goes out, as text, as the parser's tree, and
// with what each of its fields means to the mesh.
//
// Names are Octonet's (products, product, productOne, createProduct, …); what
// front ends expect today stands beside them (where, orderBy, pages, relation
// fields, patches). A schema shows what its caller may use and nothing else.
package sdl
