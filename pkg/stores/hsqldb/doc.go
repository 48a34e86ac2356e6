// Package hsqldb is HSQLDB as a store: catalogs, reads and writes go to
// pkg/store/sqldb with an engine for it, and from there through a
// database/sql/driver connector of our own over the server's PostgreSQL
// endpoint, since there is no other way to it without Java.
//
// That endpoint (HSQLDB 2.7) takes one statement at a time, values and results
// as text in Java's modified UTF-8, and ends a connection where it meets what it
// can't write; conn.go and text.go know its ways.
//
// The server must run transactions as MVLOCKS, with locks of tables, and compare
// texts with trailing spaces as different ones; Open sees to both. Its locks of
// rows (MVCC) lose updates now and then. A unit takes the lock of the change log
// first, so that units run one after the other. Numbers of the change log are
// drawn by an identity column; holes in them are filled by tombstones.
package hsqldb
