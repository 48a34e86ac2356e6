// Package mcp is the Model Context Protocol at /mcp: a model's host lists tools,
// calls them, reads resources and takes prompts, and each of these becomes at
// most a few calls on the mesh. The official SDK speaks the protocol (Streamable
// HTTP, revisions 2024-11-05 to 2026-07-28) behind a bridge; what this room adds
// is who calls, what he may see, and what the tools do.
//
// Each HTTP request is identified by the door anew and each call carries that
// request's own token, so a session gives no right: it is bound to the principal
// who opened it. The texts that instruct a model (instructions, descriptions,
// prompts) come from this code and from the schema, never from records.
package mcp
