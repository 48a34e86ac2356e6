// Package mongotest is a MongoDB server for tests, in this process: OP_MSG
// messages of the real driver come in over TCP, documents in memory answer. It
// is written after MongoDB's documentation, since no real server can be had
// where this is tested, and so it is weak evidence: where both the dialect and
// this peer have misread the documentation, no test says so.
//
// It has what package mongodb and the driver use: hello, insert, find, getMore,
// update, findAndModify, delete, a part of aggregate, collections, unique and
// partial indexes (kept, never used for speed), snapshot reads, and on a replica
// set transactions with snapshot isolation and write conflicts. What it does not
// have it refuses by name.
package mongotest
