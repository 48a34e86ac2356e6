// Package columnar turns records into Arrow: lines of JSON as the op stream
// gives them go in, record batches with a typed column for each member come
// out. The columns' buffers are used again for every batch, so memory stays flat
// however many records come.
package columnar
