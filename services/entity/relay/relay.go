package relay

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// Log is the change log of a project, as a driver.Conn has it.
type Log interface {
	// Changes gives the changes after a seq in order, at most limit, and stops
	// before a hole that may still be filled.
	Changes(ctx context.Context, after int64, limit int, each func(*mesh.Change) error) error
	// Oldest is the lowest seq that is kept; 0 when there is none.
	Oldest(ctx context.Context) (int64, error)
	// Committed is the highest seq.
	Committed(ctx context.Context) (int64, error)
	Epoch() string
	NewEpoch(ctx context.Context) (string, error)
}

// Options are what a Relay works with. Project, Log and Conn are required.
type Options struct {
	Project string // slug
	Log     Log
	// Conn publishes; the relays of a process share it.
	Conn *Conn
	// Owner names this process where several serve the project: they take the
	// lead by a lease. Empty for an engine that one process alone can open.
	Owner    string
	Replicas int // of the stream when it is created
	Logger   *slog.Logger
	Metrics  *telemetry.Metrics
}

// The pace of a relay.
const (
	batchSize   = 256                    // changes in flight
	maxPending  = 1 << 16                // of all relays of a process
	tick        = 250 * time.Millisecond // between looks at the log without a bell
	ackWait     = 5 * time.Second        // for the acknowledgement of a message
	askWait     = time.Second            // for what the stream tells; a request lost in a restart is asked again
	staleLease  = 1300 * time.Millisecond
	retryFirst  = 10 * time.Millisecond
	retryMost   = time.Second
	headerBytes = 4096 // of a message's limit left for subject and headers
)

// Conn is a connection in the role of a relay.
type Conn struct {
	nc *nats.Conn
	js jetstream.JetStream
}

// Connect opens a Conn; Close it. Errors: UNAVAILABLE.
func Connect(d bus.Dialer) (*Conn, error) {
	// Nothing is kept for after a reconnect: what was written before it may be
	// lost, and later messages would then be stored before it.
	nc, err := d.Dial("relay", nats.ReconnectBufSize(-1))
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the mesh cannot be reached to publish events")
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(maxPending), jetstream.WithPublishAsyncTimeout(ackWait))
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &Conn{nc, js}, nil
}

// Close closes the connection.
func (c *Conn) Close() { c.nc.Close() }

// Relay publishes one project's changes.
type Relay struct {
	o       Options
	js      jetstream.JetStream
	filter  string
	bell    chan struct{}
	started chan struct{}
	once    sync.Once

	published atomic.Int64 // everything up to here is in the stream

	// Of the goroutine that runs.
	lease    *bus.Lease
	seq      int64  // everything up to here is acknowledged
	sequence uint64 // of the project's last message in the stream
	epoch    string
	limit    int
}

// New returns a Relay that does not run yet.
func New(o Options) *Relay {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = o.Logger.With(telemetry.KeyProject, o.Project)
	return &Relay{o: o, js: o.Conn.js, filter: subject.Events(o.Project), bell: make(chan struct{}, 1), started: make(chan struct{})}
}

// Ring tells the relay that something was committed. It never waits.
func (r *Relay) Ring() {
	select {
	case r.bell <- struct{}{}:
	default:
	}
}

// Started is closed when the relay, as the leader, first knows where to go on:
// from then on the log has the epoch that it keeps.
func (r *Relay) Started() <-chan struct{} { return r.started }

// Published is the seq up to which every change is known to be in the stream;
// 0 before the relay has started. The log may be trimmed up to it.
func (r *Relay) Published() int64 { return r.published.Load() }

// Run publishes until ctx ends; with a lease, whenever this process holds it.
func (r *Relay) Run(ctx context.Context) error {
	sub, err := r.o.Conn.nc.Subscribe(subject.Bell(r.o.Project), func(*nats.Msg) { r.Ring() })
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if r.o.Owner == "" {
		r.lead(ctx)
		return nil
	}
	leases, err := bus.OpenBucket(ctx, r.o.Conn.nc, bus.BucketLeases, bus.LeaseConfig(r.o.Replicas))
	if err != nil {
		return err
	}
	bus.Hold(ctx, leases, "relay."+r.o.Project, r.o.Owner, bus.LeaseOptions{}, func(ctx context.Context, l *bus.Lease) {
		r.lease = l
		r.lead(ctx)
	})
	return nil
}

// lead publishes until ctx ends. After any failure it begins as at a start,
// except that it never begins behind the first change that may not be stored.
func (r *Relay) lead(ctx context.Context) {
	wait, upTo := retryFirst, int64(-1)
	for ctx.Err() == nil {
		before := r.seq
		err := r.begin(ctx, upTo)
		if err == nil {
			r.once.Do(func() { close(r.started) })
			err = r.follow(ctx)
			upTo = r.seq
		}
		if err == nil || ctx.Err() != nil {
			break
		}
		if r.seq > before {
			wait = retryFirst
		}
		r.o.Logger.Warn("relay: publishing failed, it begins again", "seq", r.seq, telemetry.KeyError, err.Error())
		pause(ctx, wait)
		wait = min(2*wait, retryMost)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// begin finds where to go on. upTo, if not negative, is where this relay's own
// acknowledged messages end: what lies behind it in the stream may lack some.
func (r *Relay) begin(ctx context.Context, upTo int64) error {
	short, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	at, sequence, err := r.newest(short)
	if err != nil {
		return err
	}
	r.sequence, r.epoch = sequence, r.o.Log.Epoch()
	r.limit = int(r.o.Conn.nc.MaxPayload()) - headerBytes
	if at.IsZero() {
		oldest, err := r.o.Log.Oldest(ctx)
		if err != nil {
			return err
		}
		r.seq = max(0, oldest-1)
		r.publishedUpTo(r.seq)
		return nil
	}
	top, err := r.o.Log.Committed(ctx)
	if err != nil {
		return err
	}
	if at.Epoch != r.epoch || at.Seq > top {
		return r.renew(ctx, at, top)
	}
	r.seq = at.Seq
	if upTo >= 0 {
		r.seq = min(r.seq, upTo)
	}
	r.publishedUpTo(r.seq)
	return nil
}

// renew gives the log a new epoch, because the stream tells of changes that the
// log does not have: the database was restored, or lost its end in a power cut.
// What the log holds now is not published again: a new epoch is a gap for
// everybody, and who begins inside it reads the log.
func (r *Relay) renew(ctx context.Context, stream mesh.Position, top int64) error {
	epoch, err := r.o.Log.NewEpoch(ctx)
	if err != nil {
		return err
	}
	oldest, err := r.o.Log.Oldest(ctx)
	if err != nil {
		return err
	}
	r.epoch, r.seq = epoch, max(0, oldest-1)
	for n := batchSize; n > 0; { // to the end, but past no hole
		n = 0
		err := r.o.Log.Changes(ctx, r.seq, batchSize, func(c *mesh.Change) error {
			r.seq, n = c.Seq, n+1
			return nil
		})
		if err != nil {
			return err
		}
	}
	r.publishedUpTo(r.seq)
	r.o.Logger.Warn("relay: the stream is ahead of the change log, which begins a new epoch",
		"stream", stream.String(), "log", top, "epoch", epoch)
	return nil
}

func (r *Relay) publishedUpTo(seq int64) { r.published.Store(seq) }

// follow publishes what the log has and what comes. It returns nil when ctx
// ends.
func (r *Relay) follow(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		n, err := r.batch(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if n == batchSize {
			continue
		}
		r.o.Metrics.RelayLag(r.o.Project, 0)
		select {
		case <-r.bell:
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

var (
	errStale       = errors.New("the lease was not renewed in time")
	errReconnected = errors.New("the connection was lost within a batch")
)

// batch publishes the next changes and waits for all acknowledgements. seq
// moves over those that are stored without one missing before them.
func (r *Relay) batch(ctx context.Context) (int, error) {
	if r.lease != nil && time.Since(r.lease.Renewed()) > staleLease {
		return 0, errStale
	}
	var futures []jetstream.PubAckFuture
	var seqs []int64
	prev, connected := r.seq, r.o.Conn.nc.Stats().Reconnects
	err := r.o.Log.Changes(ctx, prev, batchSize, func(c *mesh.Change) error {
		if r.o.Conn.nc.Stats().Reconnects != connected {
			return errReconnected
		}
		if len(futures) == 0 {
			r.o.Metrics.RelayLag(r.o.Project, time.Since(c.At))
		}
		opts := []jetstream.PublishOpt{jetstream.WithRetryAttempts(0)}
		if len(futures) == 0 && r.lease != nil {
			opts = append(opts, jetstream.WithExpectLastSequenceForSubject(r.sequence, r.filter))
		}
		f, err := r.js.PublishMsgAsync(event.NewMessage(r.o.Project, r.epoch, prev, c, r.limit), opts...)
		if err != nil {
			return err
		}
		futures, seqs, prev = append(futures, f), append(seqs, c.Seq), c.Seq
		return nil
	})
	return len(futures), errors.Join(r.acks(futures, seqs), err)
}

// acks waits for every outstanding acknowledgement, also after one has failed:
// what is republished later must not overtake what is still under way.
func (r *Relay) acks(futures []jetstream.PubAckFuture, seqs []int64) error {
	var failed error
	for i, f := range futures {
		select {
		case ack := <-f.Ok():
			if failed == nil {
				r.seq, r.sequence = seqs[i], max(r.sequence, ack.Sequence)
				r.o.Metrics.Events(1)
			}
		case err := <-f.Err():
			if failed == nil {
				failed = err
			}
		}
	}
	r.publishedUpTo(r.seq)
	return failed
}
