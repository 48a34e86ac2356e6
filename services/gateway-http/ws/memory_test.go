//go:build !race

package ws_test

import (
	"bufio"
	"io"
	"testing"
)

// TestMemoryPerSubscriber holds an idle connection with one subscription to
// 40 kB; an SSE subscriber takes less.
func TestMemoryPerSubscriber(t *testing.T) {
	const request = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	house(t, nil).MemoryPer(t, 500, 40<<10, request, func(r *bufio.Reader) error {
		for line := ""; line != "\r\n"; {
			b, err := r.ReadSlice('\n')
			if err != nil {
				return err
			}
			line = string(b)
		}
		_, err := io.ReadFull(r, make([]byte, 40))
		return err
	})
}
