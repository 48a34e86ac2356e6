package store

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// Options are a Store's settings. The zero value is usable.
type Options struct {
	// CursorKey signs cursors; all workers of a project need the same one. Empty
	// means a random one: cursors then end with the process.
	CursorKey []byte
	// Limits bounds queries; members that are zero have query.DefaultLimits.
	Limits query.Limits
	// Retention is how long Trim keeps changes and stored replies; 0 = 24 h.
	Retention time.Duration
	// OnCommit is told the seq of the last change of each write that made one,
	// after its commit: the relay's doorbell. It must return at once.
	OnCommit func(seq int64)
	// StreamWait is how long a stream waits for its place when no other one ends or
	// begins meanwhile; 0 = 5 s.
	StreamWait time.Duration
	// Now and NewID replace the clock and the making of ids (UUIDv7).
	Now   func() time.Time
	NewID func() string
}

// Store is one project's records. It is safe for concurrent use.
type Store struct {
	conn    driver.Conn
	options Options
	streams *seats
	life    context.Context // of the streams: it ends with Close
	end     context.CancelFunc
	state   atomic.Pointer[state]
}

// Open makes a Store of an open database whose tables fit the catalog (the
// driver has seen to that).
func Open(_ context.Context, conn driver.Conn, cat *schema.Catalog, o Options) (*Store, error) {
	o.Limits = o.Limits.OrDefault()
	if o.Retention == 0 {
		o.Retention = 24 * time.Hour
	}
	if o.StreamWait == 0 {
		o.StreamWait = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = newID
	}
	if len(o.CursorKey) == 0 {
		o.CursorKey = make([]byte, 32)
		_, _ = rand.Read(o.CursorKey) // it never fails, by its own documentation
	}
	s := &Store{conn: conn, options: o, streams: newSeats(conn.Capabilities().Streams, o.StreamWait)}
	st, err := newState(cat, o.Limits)
	if err != nil {
		return nil, err
	}
	s.state.Store(st)
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

func newID() string {
	id, err := uuid.NewV7()
	if err != nil { // the system has no randomness left: nothing may be stored
		panic(fault.Wrap(err, fault.Internal, "no random id could be made"))
	}
	return id.String()
}

// Catalog returns the catalog in force.
func (s *Store) Catalog() *schema.Catalog { return s.state.Load().catalog }

// SwapCatalog brings the database in line with another catalog and puts it in
// force for the calls that begin afterwards. Errors: those of driver.Conn.Apply.
func (s *Store) SwapCatalog(ctx context.Context, cat *schema.Catalog) error {
	st, err := newState(cat, s.options.Limits)
	if err != nil {
		return err
	}
	if err := s.conn.Apply(ctx, cat); err != nil {
		return err
	}
	s.state.Store(st)
	return nil
}

// Conn returns the database.
func (s *Store) Conn() driver.Conn { return s.conn }

// Position is where the change log ends.
func (s *Store) Position(ctx context.Context) (mesh.Position, error) {
	seq, err := s.conn.Committed(ctx)
	if err != nil {
		return mesh.Position{}, err
	}
	return s.position(seq), nil
}

func (s *Store) position(seq int64) mesh.Position {
	return mesh.Position{Epoch: s.conn.Epoch(), Seq: seq}
}

// Changes gives the changes after a seq in order, at most limit, for the relay;
// see driver.Reader.
func (s *Store) Changes(ctx context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	return s.conn.Changes(ctx, after, limit, each)
}

// Trim deletes changes and stored replies that are older than the retention,
// but no change above upTo (what the relay has published), and returns how many.
func (s *Store) Trim(ctx context.Context, upTo int64) (int, error) {
	return s.conn.Trim(ctx, s.options.Now().Add(-s.options.Retention), upTo)
}

// Close ends the streams that are open, with DB_NOT_CONNECTED, and closes the
// database. It waits for what else has begun; of streams it would for as long as
// their readers like.
func (s *Store) Close() error {
	s.end()
	return s.conn.Close()
}
