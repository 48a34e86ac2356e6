// Package download turns the op stream's lines into a file while they come:
// records as JSON go in, CSV or Parquet goes out, in memory that stays flat
// however many records there are. REST serves it under the address of a list;
// what may be asked is written in docs/downloads.md.
package download
