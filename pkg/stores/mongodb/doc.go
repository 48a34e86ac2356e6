// Package mongodb keeps a project in MongoDB: query trees become MongoDB
// filters and pipelines, raw BSON documents become rows without a map between,
// and a write with its changes becomes one transaction.
//
// A record is one document: its id is _id, its columns are members by their
// physical names, null is a member that is not there. Integers are int64,
// numbers double, dates date, booleans bool, everything else text: JSON and
// arrays as they came, decimals in a text whose byte order is their order
// (decimal.go).
//
// On a replica set (or sharded cluster) every group of writes is one
// multi-document transaction that first takes a turn at the counter document:
// so transactions follow one another, the change log has neither holes nor two
// orders, and what a transaction has read stays so until its commit. On a
// standalone server, which has no transactions, writes follow one another by a
// lock with a term, the log is written after the rows, and what failed half way
// is undone by hand: a death in between leaves it half done. Capabilities says
// so.
package mongodb
