package store

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/populate"
)

const (
	// chunkSize is the size in bytes from which a chunk is handed on.
	chunkSize = 256 << 10
	// pageSize is how many records have their relations filled in together.
	pageSize = 500
	// maxIdle is how long a stream that nobody reads keeps its snapshot.
	maxIdle = time.Minute
)

// stream is op stream: every record that the filter leaves, one JSON object a
// line, or as Arrow if the request's format says so, in one state of the database
// and in constant memory. It takes filter, sort, limit (absent: all), skip,
// select, exclude and relations, and what form has.
func (c *call) stream(ctx context.Context) (*mesh.Reply, error) {
	where, err := c.where(mesh.Read)
	if err != nil {
		return nil, err
	}
	limit := c.args.limit
	c.args.limit = nil
	f, err := c.page(where)
	if err != nil {
		return nil, err
	}
	f.q.Limit, f.fingerprint = 0, [8]byte{}
	if limit != nil {
		if f.q.Limit, err = strconv.Atoi(string(limit.MarshalTo(nil))); err != nil || f.q.Limit < 0 {
			return nil, invalid("limit must be an integer from 0 (all)")
		}
	}
	if !c.args.form.arrow {
		return c.chunks(ctx, f.produce, nil)
	}
	t, err := f.table()
	if err != nil {
		return nil, err
	}
	return c.chunks(ctx, t.produce, t.encoder.Close)
}

// chunks is the reply that producer makes, in one state of the database. When it
// has ended, free is called, which may be nil. Errors: OVERLOADED.
func (c *call) chunks(ctx context.Context, produce producer, free func()) (*mesh.Reply, error) {
	seat, err := c.store.streams.stand()
	if err != nil {
		if free != nil {
			free()
		}
		return nil, err
	}
	// The reader outlives the call: the stream ends with its Close, or the Store's.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	out := &chunks{
		conn: c.store.conn, seat: seat, produce: produce, cancel: cancel, free: free,
		full: make(chan []byte), empty: make(chan []byte, 2), done: make(chan struct{}),
	}
	outlived := context.AfterFunc(c.store.life, func() { cancel(driver.ErrClosed) })
	go func() {
		defer outlived()
		out.run(ctx)
	}()
	return &mesh.Reply{Chunks: out}, nil
}

// producer reads records and hands what it makes of them on.
type producer func(ctx context.Context, r driver.Reader, to *chunks) error

// chunks is a stream on its way: a goroutine reads the database into one buffer
// while the consumer has the other.
type chunks struct {
	conn    driver.Conn
	seat    *seat
	produce producer
	cancel  context.CancelCauseFunc
	free    func()

	full, empty chan []byte
	done        chan struct{} // closed when the goroutine has ended, with err set
	err         error
	lent        []byte // what Next returned last
	once        sync.Once
}

// Next returns the next chunk; io.EOF after the last.
func (c *chunks) Next(ctx context.Context) ([]byte, error) {
	if c.lent != nil {
		c.empty <- c.lent[:0] // has room for both buffers: never blocks
		c.lent = nil
	}
	select {
	case b := <-c.full:
		c.lent = b
		return b, nil
	case <-c.done:
		if c.err != nil {
			return nil, c.err
		}
		return nil, io.EOF
	case <-ctx.Done():
		return nil, fault.From(ctx.Err())
	}
}

// Close ends the stream and gives its snapshot back; it returns when that is
// done.
func (c *chunks) Close() error {
	c.once.Do(func() {
		c.cancel(nil)
		<-c.done
	})
	return nil
}

func (c *chunks) run(ctx context.Context) {
	defer close(c.done)
	defer c.cancel(nil)
	if c.free != nil {
		defer c.free()
	}
	err := c.read(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.err = fault.From(err)
	}
}

// read reads the database once the stream has a seat.
func (c *chunks) read(ctx context.Context) error {
	if err := c.seat.wait(ctx); err != nil {
		return err
	}
	defer c.seat.leave()
	return c.conn.Stream(ctx, func(r driver.Reader) error {
		// Not before: of a thousand streams most wait for a seat.
		for len(c.empty) < cap(c.empty) {
			c.empty <- make([]byte, 0, chunkSize+chunkSize/4)
		}
		return guarded(func() error { return c.produce(ctx, r, c) })
	})
}

// guarded makes INTERNAL of a panic: nothing above a stream's goroutines would
// catch it.
func guarded(work func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fault.Wrap(fmt.Errorf("panic: %v\n%s", v, debug.Stack()), fault.Internal, "something went wrong on our side")
		}
	}()
	return work()
}

// produce is the producer of op stream.
func (f *find) produce(ctx context.Context, r driver.Reader, to *chunks) error {
	var (
		plan = f.plan
		q    = query.Select(f.q)
		buf  = <-to.empty
		page *populate.Page
		err  error
	)
	if plan.Populates() {
		page = populate.NewPage(plan)
	}
	fill := func() error {
		if err := page.Fill(ctx, f.call.source(r)); err != nil {
			return err
		}
		for i := range page.Len() {
			buf = append(page.Append(buf, i, maxReply), '\n')
			if len(buf) > maxReply {
				return errLargeRecord
			}
			if buf, err = to.hand(ctx, buf, chunkSize); err != nil {
				return err
			}
		}
		page.Reset()
		return nil
	}
	err = r.Select(ctx, &q, func(row driver.Row) error {
		if page == nil {
			buf = append(plan.Append(buf, row), '\n')
			buf, err = to.hand(ctx, buf, chunkSize)
			return err
		}
		page.Add(row)
		if page.Len() == pageSize || page.Size() > chunkSize {
			return fill()
		}
		return nil
	})
	if err == nil && page != nil && page.Len() > 0 {
		err = fill()
	}
	if err == nil {
		_, err = to.hand(ctx, buf, 1)
	}
	return err
}

// hand gives the buffer to the consumer once it holds enough, and returns the
// one to go on with.
func (c *chunks) hand(ctx context.Context, buf []byte, enough int) ([]byte, error) {
	if len(buf) < enough {
		return buf, nil
	}
	idle := time.NewTimer(maxIdle)
	defer idle.Stop()
	select {
	case c.full <- buf:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-idle.C:
		return nil, fault.New(fault.Timeout, "nobody read the stream for %s", maxIdle)
	}
	select {
	case buf = <-c.empty:
		return buf, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-idle.C:
		return nil, fault.New(fault.Timeout, "nobody read the stream for %s", maxIdle)
	}
}
