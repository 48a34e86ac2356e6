// Package arrowhttp serves Apache Arrow over HTTP: a request for an entity's
// records comes in, the op stream goes to the mesh, and its lines go out as an
// Arrow IPC stream to who accepts one, else as JSON in columns. What may be
// asked is written in docs/arrow.md.
package arrowhttp
