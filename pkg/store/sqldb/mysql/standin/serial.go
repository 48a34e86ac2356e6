package standin

import (
	"context"
	"strings"
	"sync"

	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	querypb "github.com/dolthub/vitess/go/vt/proto/query"
)

// serial runs the emulator's transactions one after another: by itself it writes
// back, at each commit, every table that the session has looked at, so that of
// two at once the first one's work is gone. A snapshot does not wait, nor is
// waited for; it ends with a rollback, which writes nothing.
type serial struct {
	mysql.Handler
	turn sync.Mutex // who has it may touch tables

	mu    sync.Mutex
	holds map[uint32]mode // of connections in a transaction
}

// mode is what a connection is in.
type mode byte

const (
	idle mode = iota
	writes
	reads // a snapshot
)

func newSerial(h mysql.Handler) (mysql.Handler, error) {
	return &serial{Handler: h, holds: make(map[uint32]mode)}, nil
}

const (
	// snapshot is what MySQL takes and the emulator's parser does not.
	snapshot = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
	readOnly = "START TRANSACTION READ ONLY"
)

func (s *serial) mode(c *mysql.Conn) mode {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holds[c.ConnectionID]
}

// enter begins a transaction and leave ends it.
func (s *serial) enter(c *mysql.Conn, m mode) {
	if m == writes {
		s.turn.Lock()
	}
	s.mu.Lock()
	s.holds[c.ConnectionID] = m
	s.mu.Unlock()
}

func (s *serial) leave(c *mysql.Conn) {
	s.mu.Lock()
	m := s.holds[c.ConnectionID]
	delete(s.holds, c.ConnectionID)
	s.mu.Unlock()
	if m == writes {
		s.turn.Unlock()
	}
}

// around runs a statement when it is its turn.
func (s *serial) around(ctx context.Context, c *mysql.Conn, query string, do func(query string) error) error {
	m := s.mode(c)
	switch {
	case query == "START TRANSACTION" && m == idle:
		s.enter(c, writes)
		err := do(query)
		if err != nil {
			s.leave(c)
		}
		return err
	case m == writes && (query == "COMMIT" || query == "ROLLBACK"):
		defer s.leave(c)
		return do(query)
	case m == writes, strings.Contains(query, "GET_LOCK("), strings.Contains(query, "RELEASE_LOCK("):
		return do(query) // a named lock may be waited for
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	switch {
	case m == reads && query == "ROLLBACK":
		defer s.leave(c)
		return do(query)
	case m == reads:
		return do(query)
	}
	if err := s.forget(ctx, c); err != nil {
		return err
	}
	if query == snapshot {
		s.enter(c, reads)
		return do(readOnly)
	}
	return do(query)
}

// forget has the session forget what it has seen of tables, as when it prepared a
// statement: that may be old by now.
func (s *serial) forget(ctx context.Context, c *mysql.Conn) error {
	return s.Handler.ComQuery(ctx, c, "ROLLBACK", func(*sqltypes.Result, bool) error { return nil })
}

// ConnectionClosed implements mysql.Handler.
func (s *serial) ConnectionClosed(c *mysql.Conn) {
	s.Handler.ConnectionClosed(c)
	s.leave(c)
}

// Rows are sent when another's turn has come: a client may be slow to take them.

// ComQuery implements mysql.Handler.
func (s *serial) ComQuery(ctx context.Context, c *mysql.Conn, query string, callback mysql.ResultSpoolFn) error {
	_, err := s.spooled(ctx, c, query, callback, func(query string, callback mysql.ResultSpoolFn) (string, error) {
		return "", s.Handler.ComQuery(ctx, c, query, callback)
	})
	return err
}

// ComMultiQuery implements mysql.Handler.
func (s *serial) ComMultiQuery(ctx context.Context, c *mysql.Conn, query string, callback mysql.ResultSpoolFn) (rest string, err error) {
	return s.spooled(ctx, c, query, callback, func(query string, callback mysql.ResultSpoolFn) (string, error) {
		return s.Handler.ComMultiQuery(ctx, c, query, callback)
	})
}

// ComStmtExecute implements mysql.Handler.
func (s *serial) ComStmtExecute(ctx context.Context, c *mysql.Conn, prepare *mysql.PrepareData, callback func(*sqltypes.Result) error) error {
	send := func(r *sqltypes.Result, _ bool) error { return callback(r) }
	_, err := s.spooled(ctx, c, prepare.PrepareStmt, send, func(_ string, keep mysql.ResultSpoolFn) (string, error) {
		return "", s.Handler.ComStmtExecute(ctx, c, prepare, func(r *sqltypes.Result) error { return keep(r, false) })
	})
	return err
}

// ComPrepare implements mysql.Handler.
func (s *serial) ComPrepare(ctx context.Context, c *mysql.Conn, query string, prepare *mysql.PrepareData) (fields []*querypb.Field, err error) {
	err = s.around(ctx, c, "PREPARE "+query, func(string) error {
		fields, err = s.Handler.ComPrepare(ctx, c, query, prepare)
		return err
	})
	return fields, err
}

// spooled runs a statement and sends its rows behind it.
func (s *serial) spooled(ctx context.Context, c *mysql.Conn, query string, send mysql.ResultSpoolFn, do func(string, mysql.ResultSpoolFn) (string, error)) (rest string, err error) {
	type part struct {
		result *sqltypes.Result
		more   bool
	}
	var parts []part
	err = s.around(ctx, c, query, func(query string) error {
		rest, err = do(query, func(r *sqltypes.Result, more bool) error {
			parts = append(parts, part{r.Copy(), more})
			return nil
		})
		return err
	})
	for _, p := range parts {
		if err == nil {
			err = send(p.result, p.more)
		}
	}
	return rest, err
}
