// Package parse reads the query options of an OData 4.01 request: the text
// behind the question mark goes in, a syntax tree comes out. It knows the
// grammar and nothing of entities; what a name means is the translator's to say.
//
// The grammar is the one that OASIS publishes as ABNF
// (odata-abnf-construction-rules and odata-aggregation-abnf). docs/odata.md lists
// where this parser takes more than the grammar has. testdata/grammar.txt is the
// table of cases that it is held against.
package parse
