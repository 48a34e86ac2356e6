package credit

import (
	"context"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/octomesh/octomesh/pkg/fault"
)

// Queue is how many messages of one stream a receiver must be able to hold: a
// sender's credit, its start and its end.
const Queue = Cap + 8

// Source is where a receiver's messages come from.
type Source struct {
	Conn *nats.Conn
	// Messages are those that came to the reply subject after the start
	// message; of beats none needs to be kept while others wait.
	Messages <-chan *nats.Msg
	// Broken is set when a message could not be kept.
	Broken *atomic.Bool
	// Release is called once when the receiver takes no more messages.
	Release func()
	// Idle is how long the sender may show no sign of life (5 s).
	Idle time.Duration
}

// Receiver is the receiving side of a stream; it is a mesh.Chunks, for one
// goroutine. Errors of Next: that of the sender; TIMEOUT, when the sender shows
// no sign of life; UNAVAILABLE, when the connection broke; CANCELLED.
type Receiver struct {
	src    Source
	credit string
	taken  int // chunks since credit was last given
	err    error
	timer  *time.Timer
}

// NewReceiver goes on after the start message, which it reads.
func NewReceiver(start *nats.Msg, src Source) *Receiver {
	if src.Idle == 0 {
		src.Idle = 5 * time.Second
	}
	t := time.NewTimer(src.Idle)
	t.Stop()
	return &Receiver{src: src, credit: start.Reply, timer: t}
}

// Next returns the next chunk, io.EOF after the last.
func (r *Receiver) Next(ctx context.Context) ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.taken >= Initial/2 {
		_ = r.src.Conn.Publish(r.credit, strconv.AppendInt(nil, int64(r.taken), 10))
		r.taken = 0
	}
	r.timer.Reset(r.src.Idle)
	defer r.timer.Stop()
	for {
		if r.src.Broken.Load() {
			return nil, r.fail(true, fault.New(fault.Internal, "the reply came faster than it may"))
		}
		select {
		case m := <-r.src.Messages:
			r.timer.Reset(r.src.Idle)
			switch Part(m) {
			case "":
				if len(m.Data) == 0 {
					continue
				}
				r.taken++
				return m.Data, nil
			case End:
				if e := Fault(m.Header, nil); e != nil {
					return nil, r.fail(false, e)
				}
				return nil, r.fail(false, io.EOF)
			case lost:
				return nil, r.fail(false, fault.New(fault.Unavailable, "the connection to the mesh broke in the middle of the reply"))
			}
		case <-ctx.Done():
			return nil, r.fail(true, fault.From(ctx.Err()))
		case <-r.timer.C:
			return nil, r.fail(true, fault.New(fault.Timeout, "the worker was lost in the middle of the reply"))
		}
	}
}

// fail ends the stream; all further calls of Next return err.
func (r *Receiver) fail(tell bool, err error) error {
	if r.err == nil {
		r.err = err
		if tell {
			Cancel(r.src.Conn, r.credit)
		}
		r.src.Release()
	}
	return err
}

// Close gives the sender up, if it has not ended.
func (r *Receiver) Close() error {
	if r.err == nil {
		_ = r.fail(true, fault.New(fault.Cancelled, "the reply was closed"))
	}
	return nil
}
