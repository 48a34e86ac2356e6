// Package run carries plans out: it calls the mesh once for each root field and
// once more for each relation whose records come by a call of their own, for all
// parents at once, and appends the response. Rows pass as the bytes that they
// came in; no row becomes a map.
package run
