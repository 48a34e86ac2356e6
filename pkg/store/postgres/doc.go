// Package postgres keeps a project in a schema of a PostgreSQL database (and,
// with fewer means, of CockroachDB): typed reads and writes go in, statements of
// the wire protocol go out, and the rows come back as the text that the server
// sent, which is appended to JSON without a value in between.
//
// Three ways lead to the server. Short reads of all callers meet in one queue,
// from which a few connections (lanes) take what waits, never waiting for more,
// and send it in one go. One-record writes meet in another queue; up to 32 of
// them share a transaction, whose units run in lockstep: each runs until it
// needs an answer, and all questions go out together. What may take long
// (streams, snapshots, transactions of several records) has a connection of its
// own from a pool.
//
// The change log is numbered by an identity column. A number is drawn after the
// row is locked, so the order of the numbers is each record's order; a hole in
// it is dead once nobody is left who wrote the log when a higher number was
// seen (pg_locks tells).
package postgres
