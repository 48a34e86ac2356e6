// Package translate makes request objects of the mesh out of OData's query
// options: a condition becomes a filter of docs/query.md, an order a sort, $apply
// the stages of an aggregation. It decides nothing about rights or names: what
// it does not know goes on as it is, and the worker answers.
//
// Two things need a question of their own before the filter is whole: a path
// through another record (author/name eq 'Ada') and a lambda over a one-to-many
// relation. They become a Sub, whose answer is a list of ids.
//
// What the query language has no form for, such as arithmetic between two
// properties, is refused with UNSUPPORTED; docs/odata.md lists it.
package translate
