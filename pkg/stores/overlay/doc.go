// Package overlay runs units of work in memory over what a database holds, for
// engines that take writes only as one batch: units come in from the Store,
// reads go out to the database, and what the units leave (rows, links, changes,
// replies) comes out as a Group that the engine stores at once.
//
// A unit sees its own writes and those of the units before it in the group; one
// that fails leaves nothing. Unique values need no index of the engine: the
// values that a group takes are asked about in a few statements at its end
// (Check), which is sound where no other writer can come in between: in a
// serializable transaction (Spanner), or with one writer only (ClickHouse).
package overlay
