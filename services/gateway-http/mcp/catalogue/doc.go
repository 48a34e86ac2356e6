// Package catalogue holds what MCP clients may call: a project's entities and a
// caller's view go in, tools come out, each with its input schema and with the
// way by which a call's arguments become the request object of an operation.
//
// There are two catalogues: a compact one, whose dozen tools take the entity as
// an argument and so stay a dozen however many entities there are, and Octonet's,
// with fifteen tools for each entity.
package catalogue
