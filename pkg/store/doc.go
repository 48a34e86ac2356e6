// Package store is one project's records: a checked request goes in, JSON comes
// out. The concrete Store owns what is the same on every database: decoding and
// validation, defaults, versions, relations and their cascades, idempotency,
// the change log's content, cursors and the record's JSON. What differs lives
// behind store/driver.
package store
