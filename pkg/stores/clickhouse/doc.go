// Package clickhouse keeps a project's records in a ClickHouse database: query
// trees and rows come in from the Store, SQL and blocks of rows go out, through
// clickhouse-go.
//
// ClickHouse has neither transactions nor unique keys nor updates that a request
// could wait for. So a table only grows: it is a ReplacingMergeTree of its id, a
// change or a deletion is one more row with a higher number, and every read is
// FINAL, which shows the last row of each id. What an engine with transactions
// does, one process does here, told from others by a lease (lease.go): it alone
// writes, its units run in memory (package overlay), and with that versions,
// unique values, upserts and increments are as right as anywhere.
//
// A group of units is first one row of _octo_redo, which an insert stores whole
// or not at all, then the blocks of each table, then the changes. A start, and
// every write after one that failed, first repeats the last redo, which changes
// nothing where all of it is there; if a table refuses it, what it has done is
// undone: so a group survives the death of the process whole or not at all. What no redo gives is isolation: a reader may see a part
// of a group that is being written, and two reads of one request two states.
package clickhouse
