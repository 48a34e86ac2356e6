package driver

import "time"

// Border finds the first seq, from low to high, whose change is not older than
// before; high+1 if all are. The log is in the order of time, or nearly, so it
// halves the range. next gives seq and time (ms) of the first change from a seq
// on; seq 0 if there is none.
func Border(low, high int64, before time.Time, next func(from int64) (seq, at int64, err error)) (int64, error) {
	limit := before.UnixMilli()
	for high++; low < high; {
		middle := low + (high-low)/2
		seq, at, err := next(middle)
		switch {
		case err != nil:
			return 0, err
		case seq == 0 || at >= limit:
			high = middle
		default:
			low = seq + 1
		}
	}
	return low, nil
}

// Drain repeats a deletion of at most step rows until it finds fewer, and returns
// how many it deleted.
func Drain(step int, some func() (int, error)) (total int, err error) {
	for {
		n, err := some()
		total += n
		if err != nil || n < step {
			return total, err
		}
	}
}
