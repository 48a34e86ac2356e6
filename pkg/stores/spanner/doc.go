// Package spanner keeps a project's records in a Cloud Spanner database: query
// trees and rows come in from the Store, SQL and mutations go out, through
// cloud.google.com/go/spanner.
//
// Units run in memory over a read-write transaction (package overlay), and what
// a group of them leaves is the mutations of its commit: rows, links, changes
// and replies together or not at all. Unique values are read in the same
// transaction, whose serializability keeps them unique, whatever conditions they
// are under; the indexes beside them only make that fast. When Spanner aborts a
// transaction, the client runs it again, units and all.
//
// The change log's numbers come from a counter row, read and written in the same
// transaction: so the log has no holes and the order of the numbers is that of
// the commits, by construction. The price is that the writes of a project are
// one transaction after the other, of up to 256 units each.
package spanner
