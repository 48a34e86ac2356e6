package postgres

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/octomesh/octomesh/pkg/testserver"
)

// slowConn is a connection whose first write takes so long that somebody reads
// the answer meanwhile, and begins to wait for more.
type slowConn struct {
	net.Conn
	once    sync.Once
	mu      sync.Mutex
	reading int // calls of Read
	more    *sync.Cond
}

func (c *slowConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	c.reading++
	c.more.Broadcast()
	c.mu.Unlock()
	return c.Conn.Read(p)
}

func (c *slowConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.once.Do(func() {
		c.mu.Lock()
		for c.reading < 2 {
			c.more.Wait()
		}
		c.mu.Unlock()
	})
	return n, err
}

// While a write is slow, pgconn reads in the background. What it leaves behind
// when it hands the connection over must not take the first answer for itself:
// on a busy machine a connection in a thousand waited for it for ever.
func TestSlowStart(t *testing.T) {
	t.Parallel()
	base, err := pgconn.ParseConfig(testserver.PostgreSQL(t))
	if err != nil {
		t.Fatal(err)
	}
	base.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		c := &slowConn{Conn: conn}
		c.more = sync.NewCond(&c.mu)
		return c, nil
	}
	w, err := dial(t.Context(), base, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for range 3 {
		if err := w.exec("SELECT 1"); err != nil {
			t.Fatal(err)
		}
	}
}
