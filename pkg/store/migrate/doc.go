// Package migrate brings a database's tables in line with a Catalog: the tables
// that a Catalog wants and those that a database has go in, both in one neutral
// model, and the steps between them come out, with everything that does not fit
// and may not be changed.
//
// The order of work is: Wanted, which says it in the engine's words (form), the
// driver's own introspection, Compare, then Run makes each step and notes it in
// _octo_schema_journal. A driver holds its lock around Run, and a transaction
// where the engine's can hold tables. Nothing here drops or narrows anything,
// except the tables that a strategy asks to drop and unique indexes of ours that
// are no longer wanted.
package migrate
