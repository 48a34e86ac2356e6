// Package flightsql serves Flight SQL, the part of Arrow Flight by which drivers
// (JDBC, ODBC, ADBC) ask databases: commands come in over Flight's methods, a
// SELECT becomes a plan of package sql whose requests go to the mesh, and record
// batches go out; what drivers ask about tables is read from the catalogs of the
// projects that the caller may read.
//
// Nothing is kept between calls: the handle of a prepared statement is the
// statement with the values that are bound to it, so that every gateway answers
// for every other, and there is nothing to expire.
//
// Source: Flight SQL of Apache Arrow 18, format/FlightSql.proto.
package flightsql
