// Package sqlite keeps a project's records in one SQLite file: query trees and
// rows come in from the Store, rows and changes go out, through
// zombiezen.com/go/sqlite on the modernc engine and without database/sql.
//
// One goroutine writes. It takes what waits (up to 256 units, and never waits
// for more), runs it in one transaction and answers everybody after the commit,
// so that one flush serves all; whose own work fails is told so without harm to
// its neighbours. Reads run on a pool of connections that only read, beside the
// writer (WAL). One process serves a file: a lock file beside it sees to that,
// and the numbers of the change log can so be given from memory.
package sqlite
