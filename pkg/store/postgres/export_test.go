package postgres

import "testing"

// WithMost sets how many bytes of an answer are kept in memory.
func WithMost(o Options, most int) Options {
	o.most = most
	return o
}

func TestNextBlock(t *testing.T) {
	for _, c := range []struct{ n, size, want int }{
		{16, 0, 64},
		{16, 1600, 64},
		{64, 6400, 256},
		{256, 25600, 256},
		{256, 16 << 20, 16},
		{16, 128 << 20, 1},
		{1, 8 << 20, 1},
		{1, 1000, 4},
	} {
		if n := nextBlock(c.n, c.size); n != c.want {
			t.Errorf("after %d rows of %d bytes: %d, not %d", c.n, c.size, n, c.want)
		}
	}
}
