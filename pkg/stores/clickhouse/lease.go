package clickhouse

import (
	"context"
	crypto "crypto/rand"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
)

const (
	claimsTable = "_octo_claims"
	redoTable   = "_octo_redo"
	// leaseTime is how long a claim counts after it was renewed last.
	leaseTime = 10 * time.Second
	renewal   = 3 * time.Second
	// margin is kept from the end of the lease: no write begins then.
	margin = 3 * time.Second
)

// lease is the claim of one process to serve the database. ClickHouse has no
// lock and no compare-and-set, but on one server an insert that was answered is
// seen by every read after it. So whoever wants the database inserts a claim
// first and then looks for others: of two who do so at once at least one sees
// the other, and who sees another goes. The server's clock alone counts.
type lease struct {
	db     *DB
	owner  string
	until  atomic.Int64 // by our own monotonic clock, nanoseconds since start
	start  time.Time
	stop   context.CancelFunc
	closed chan struct{}
}

var errTaken = fault.New(fault.DBNotConnected, "another process serves this ClickHouse database; stop it, or let this one use another database (a ClickHouse project belongs to one process, for 10 seconds after its end if it did not end by itself)")

// own makes the tables that only this engine has.
func (db *DB) own(ctx context.Context) error {
	for _, sql := range []string{
		"CREATE TABLE IF NOT EXISTS `" + claimsTable + "` (`owner` String, `at` DateTime64(9, 'UTC'), `gone` UInt8) ENGINE = ReplacingMergeTree(`at`, `gone`) ORDER BY `owner`",
		"CREATE TABLE IF NOT EXISTS `" + redoTable + "` (`id` Int64, `body` String, `" + revColumn + "` UInt64) ENGINE = ReplacingMergeTree(`" + revColumn + "`) ORDER BY `id`",
	} {
		if err := db.exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// acquire claims the database. A claim that nobody renews any more is waited
// for. Errors: DB_NOT_CONNECTED when another process serves it.
func (db *DB) acquire(ctx context.Context) error {
	l := &lease{db: db, owner: crypto.Text(), start: time.Now(), closed: make(chan struct{})}
	db.lease = l
	patience := time.NewTimer(db.patience)
	defer patience.Stop()
	for {
		free, err := l.claim(ctx)
		if err != nil {
			return err
		}
		if free {
			break
		}
		if err := l.put(ctx, 1); err != nil { // or two who wait would see each other for ever
			return err
		}
		again := time.NewTimer(leaseTime/50 + rand.N(leaseTime/20)) // two who wait fall out of step
		select {
		case <-again.C:
		case <-patience.C:
			again.Stop()
			return errTaken
		case <-ctx.Done():
			again.Stop()
			return ctx.Err()
		}
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.keep(life)
	return nil
}

// claim puts our claim and reports whether there is no other.
func (l *lease) claim(ctx context.Context) (free bool, err error) {
	asked := time.Now()
	if err := l.put(ctx, 0); err != nil {
		return false, err
	}
	free = true
	err = l.db.query(ctx, "SELECT `owner` FROM `"+claimsTable+"` FINAL WHERE `owner` <> '"+l.owner+"' AND `at` > now64(9, 'UTC') - toIntervalMillisecond("+*num(leaseTime.Milliseconds())+")", nil, nil, func(*row) error {
		free = false
		return nil
	})
	if err == nil && free {
		l.until.Store(int64(asked.Add(leaseTime - margin).Sub(l.start)))
	}
	return free, err
}

func (l *lease) put(ctx context.Context, gone int64) error {
	return l.db.exec(ctx, "INSERT INTO `"+claimsTable+"` (`owner`, `at`, `gone`) SELECT '"+l.owner+"', now64(9, 'UTC'), "+*num(gone))
}

// keep renews the claim until it ends. A lease that was lost, since the server
// could not be reached for long, comes back when nobody else has taken it.
func (l *lease) keep(ctx context.Context) {
	defer close(l.closed)
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = l.renew(ctx) // held tells
		}
	}
}

// renew puts the claim again. While it counts nobody else can get in, so there
// is no need to look; once it may have lapsed, all begins anew.
func (l *lease) renew(ctx context.Context) error {
	if l.held() == nil {
		asked := time.Now()
		if err := l.put(ctx, 0); err != nil || l.held() == nil {
			if err == nil {
				l.until.Store(int64(asked.Add(leaseTime - margin).Sub(l.start)))
			}
			return err
		}
	}
	l.db.doubtful.Store(true) // somebody else may have written
	free, err := l.claim(ctx)
	if err == nil && !free {
		err = l.put(ctx, 1)
	}
	return err
}

// held refuses work without the lease.
func (l *lease) held() error {
	if int64(time.Since(l.start)) < l.until.Load() {
		return nil
	}
	return fault.New(fault.DBNotConnected, "the lease on the ClickHouse database could not be renewed; the next requests go through when it is reached again").After(time.Second)
}

// release gives the claim back.
func (l *lease) release() {
	if l.stop == nil {
		return
	}
	l.stop()
	<-l.closed
	ctx, cancel := context.WithTimeout(context.Background(), renewal)
	defer cancel()
	_ = l.put(ctx, 1) // else it ends by itself
}
