// Package adapt is what the databases have in common that were never met: their
// dialects, whose SQL is as plain as can be, and the fitting of database/sql
// drivers to pkg/store/sqldb. Values pass through it on their way to a driver,
// settings on theirs to each new connection.
//
// What an engine might do by other rules than the language's (lower case,
// regular expressions, sums) is left to the worker, what it might lock otherwise
// than expected is locked by UPDATE statements: correct by construction counts
// here, not speed.
package adapt
