// Package sqlgen is the one SQL engine of the house: query trees and row
// changes go in, SQL text with its bound values comes out. Twelve databases
// share it; what tells them apart is a Dialect, a short list of facts.
//
// A statement is compiled once for each shape (the tree without its values) and
// kept in a bounded cache; on a hit only the values are collected, without an
// allocation. Identifiers are always quoted and escaped, values always bound.
//
// Logic is two-valued although SQL's is not: negation is pushed down to the
// leaves (De Morgan), and every leaf is written so that it is true exactly when
// the tree says so. Whether a leaf is false or NULL then makes no difference,
// so the common ones stay as plain as an index needs them: "col" = ?.
package sqlgen
