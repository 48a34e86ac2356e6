// Package columnar turns records into Arrow: rows of a database go in, cell by
// cell, or records as JSON; batches with a typed column for each member come out
// as messages of an IPC stream. The columns' buffers are used again for every
// batch, so memory stays flat however many records come.
package columnar
