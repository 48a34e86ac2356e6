// Package testserver starts real database servers for tests: a URI of a fresh
// and empty database comes out, and the server behind it goes away with the
// test process, however that ends.
//
// PostgreSQL, MariaDB and HSQLDB give a database on a server that the whole
// test process shares, started on first use; it does not flush to disk. Start
// gives a test a server of its own, which it may stop, kill and start again.
// Where OCTOMESH_TEST_POSTGRES_URL, OCTOMESH_TEST_MARIADB_URL or
// OCTOMESH_TEST_HSQLDB_URL is set, the shared databases are made there (its
// user must be allowed to create databases; an HSQLDB is used as it is).
package testserver
