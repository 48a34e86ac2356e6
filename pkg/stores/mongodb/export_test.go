package mongodb

import (
	"time"

	"github.com/octomesh/octomesh/pkg/store/driver"
)

// SetPatience shortens how long writes are tried, before the first of them.
func SetPatience(conn driver.Conn, d time.Duration) { conn.(*DB).writer.patience = d }

// Waiting is how many units wait for the writer.
func Waiting(conn driver.Conn) int { return conn.(*DB).writer.queue.Waiting() }
