// Package sqldb is the driver.Conn of the databases that are reached through a
// database/sql driver: compiled statements and units of work go in, rows and
// changes come out. What tells the databases apart is an Engine, a short list
// of facts; packages below this one have one each.
//
// It uses database/sql/driver, not database/sql: each connection is owned by
// one goroutine at a time with a bounded set of prepared statements, rows are
// appended to JSON straight from the driver's buffers, and a broken connection
// is seen where it breaks. Reads and writes borrow connections from bounded
// pools; a unit of work is one transaction at READ COMMITTED, run again when
// the database gave it up for another one's sake.
//
// The change log's seq is drawn by the database after the row's own statement,
// so it is the order of each record's changes, but it is committed out of order
// and leaves holes. Changes never passes a hole that may still be filled: it
// fills the hole itself, with a tombstone (log.go).
package sqldb
