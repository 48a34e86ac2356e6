// Package procedure is what the protocols share in which a call is a name and an
// object: "Product.findAll" and {"limit":5} come in, one mesh.Request goes out.
// JSON-RPC, tRPC and the HTTP twin of native NATS differ in their frames alone.
//
// A Desk serves one HTTP request, which may hold many calls: its caller is
// identified once, each call counts, and what they reply together is bounded.
package procedure
