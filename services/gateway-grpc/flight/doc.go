// Package flight serves Arrow Flight: a descriptor or a ticket comes in, the op
// stream goes to the mesh, and the messages of the worker's IPC stream go out as
// they are; record batches that clients put come in and go to the mesh as
// records. What may be asked is written in docs/arrow.md.
package flight
