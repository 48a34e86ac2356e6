// Package sql makes mesh requests of SQL: the text of a read-only SELECT goes
// in, is checked against what the caller may see of a project, and becomes a
// Plan: the Arrow schema of its result, the requests (stream or aggregate) that
// the project's worker answers, and the little that is left to do with the rows
// on their way out.
//
// The way of a statement:
//
//	text ── lex ──▶ bounded, one statement, no comments
//	     ── the parser of dolthub/vitess ──▶ syntax tree
//	     ── names, types, null logic ──▶ levels: scan, where, group, sort, page
//	     ── filter, sort, select, stages ──▶ a request of pkg/query's language
//	     ── rows ──▶ record batches
//
// What the worker can do exactly is asked of it: conditions of one entity,
// orders, pages, groups by one field. Where SQL asks for more (the columns of a
// joined entity, groups by several fields, DISTINCT), the rows are streamed and
// the rest is done here, in bounded memory. Either way the worker decides what
// the caller may read.
//
// Null logic: SQL has three values of truth, docs/query.md two. A condition is
// sent as the filter that holds exactly where SQL's is true; under NOT, as the
// one that holds exactly where it is false.
package sql
