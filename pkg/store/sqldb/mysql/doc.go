// Package mysql speaks to MySQL and MariaDB: an address and a catalog go in, a
// driver.Conn of package sqldb comes out, with a Dialect that suits the server
// which answered.
//
// Own text columns have a collation by code point that pads nothing; JSON is
// kept as the text that came (the JSON type of MySQL would sort its keys),
// instants as DATETIME(3) in UTC, decimals as DECIMAL(65,30). Tables cannot be
// changed in a transaction, so each step is noted in the journal, under a lock.
package mysql
