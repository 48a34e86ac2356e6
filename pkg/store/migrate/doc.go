// Package migrate brings a database's tables in line with a Catalog: the tables
// that a Catalog wants and those that a database has go in, both in one neutral
// model, and the steps between them come out, with everything that does not fit
// and may not be changed.
//
// The order of work is: Wanted, the driver's own introspection, Compare, then
// the driver runs the SQL of each Step and notes it in _octo_schema_journal.
// Nothing here drops or narrows anything, except Drop, which a strategy must
// ask for.
package migrate
