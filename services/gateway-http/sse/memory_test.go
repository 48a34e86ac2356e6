//go:build !race

package sse_test

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

// TestMemoryPerSubscriber holds an idle subscriber to 25 kB.
func TestMemoryPerSubscriber(t *testing.T) {
	house(t, time.Minute, 5*time.Second).MemoryPer(t, 1000, 25<<10, "GET /events HTTP/1.1\r\nHost: a\r\n", func(r *bufio.Reader) error {
		for {
			line, err := r.ReadSlice('\n')
			if err != nil || strings.HasPrefix(string(line), "data: ") {
				return err
			}
		}
	})
}
