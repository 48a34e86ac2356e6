package sql

import (
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// What statements keep of rows (groups, sorts, DISTINCT), in bytes.
const (
	// memoryLimit is the most of one statement.
	memoryLimit = 64 << 20
	// totalLimit is the most of all statements of the process.
	totalLimit = 256 << 20
	// grain is in what parts a statement takes of the total.
	grain = 1 << 20
)

var total atomic.Int64

// kept is the memory that one statement keeps. The zero value is ready.
type kept struct {
	used  int64
	taken int64 // of the total
}

// row takes memory for a row. Errors: PAYLOAD_TOO_LARGE, OVERLOADED.
func (k *kept) row(row []schema.Value) error { return k.take(sizeOf(row)) }

// sizeOf is what a row takes, in bytes, about.
func sizeOf(row []schema.Value) int64 {
	n := int64(64)
	for _, v := range row {
		n += int64(40 + len(v.Text()))
	}
	return n
}

func (k *kept) take(n int64) error {
	if k.used += n; k.used > memoryLimit {
		return fault.New(fault.PayloadTooLarge, "the groups, the DISTINCT rows or the sort of the statement take more than %d MB: narrow it with WHERE, or order by fields of the first entity", memoryLimit>>20)
	}
	for k.used > k.taken {
		if total.Add(grain) > totalLimit {
			total.Add(-grain)
			return fault.New(fault.Overloaded, "the statements that run now take more than %d MB: try again", totalLimit>>20).After(5 * time.Second)
		}
		k.taken += grain
	}
	return nil
}

// back gives memory back to the statement.
func (k *kept) back(n int64) { k.used -= n }

// free ends the statement.
func (k *kept) free() {
	total.Add(-k.taken)
	k.used, k.taken = 0, 0
}
