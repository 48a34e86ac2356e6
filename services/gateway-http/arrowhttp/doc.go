// Package arrowhttp serves Apache Arrow over HTTP: a request for an entity's
// records comes in, the op stream goes to the mesh, and what the worker gives goes
// out: its Arrow IPC stream as it is to who accepts one, else its lines as JSON in
// columns. What may be
// asked is written in docs/arrow.md.
package arrowhttp
