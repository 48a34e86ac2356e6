// Package replies bounds what one request of a client fetches from the mesh. A
// protocol in which a request becomes several calls (root fields and relations,
// batches, expansions) and which needs their replies whole opens one Room for the
// request and lets every reply of its calls pass through it.
package replies

import (
	"context"
	"sync/atomic"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// Limit is how many bytes the replies to one request have together, where a
// protocol has no smaller one: two responses of the largest kind, since what is
// fetched may say more than what is shown.
const Limit = 64 << 20

// inVain is how many times the limit a request may ask for, with what is refused.
const inVain = 4

// Room is how many bytes the replies to one request may have together. It is safe
// for concurrent use; Open comes before everything else.
type Room struct {
	limit  int64
	within *Room
	used   atomic.Int64
	asked  atomic.Int64 // what was given back, or refused, included
}

// Open sets the limit in bytes and empties the room. What it takes is taken from
// within too, if that is not nil: operations that go on side by side over one
// connection share what the connection may have.
func (r *Room) Open(limit int, within *Room) {
	r.limit, r.within = int64(limit), within
	r.used.Store(0)
	r.asked.Store(0)
}

// Take sets n bytes aside, all of them or none: where a reply does not fit, a
// smaller one still may. What is read in vain has an end too: with it, a request may
// ask for four times the limit. Errors: PAYLOAD_TOO_LARGE.
func (r *Room) Take(n int) error {
	if r.asked.Add(int64(n)) > inVain*r.limit {
		return r.full()
	}
	if err := r.hold(n); err != nil || r.within == nil {
		return err
	}
	err := r.within.hold(n)
	if err != nil {
		r.used.Add(-int64(n))
	}
	return err
}

func (r *Room) hold(n int) error {
	if r.used.Add(int64(n)) > r.limit {
		r.used.Add(-int64(n))
		return r.full()
	}
	return nil
}

func (r *Room) full() error {
	return fault.New(fault.PayloadTooLarge, "the replies to this request are over %d MB together: ask for pages, for fewer fields, or for fewer things at a time", r.limit>>20)
}

// Give takes n bytes back that were set aside.
func (r *Room) Give(n int) {
	r.used.Add(-int64(n))
	if r.within != nil {
		r.within.used.Add(-int64(n))
	}
}

// Leave gives back all that was taken: the request is over.
func (r *Room) Leave() { r.Give(int(r.used.Load())) }

// Whole returns the whole body of a reply, for which it sets bytes aside; those of
// one that fails are given back. Errors: PAYLOAD_TOO_LARGE, those of the chunks.
func (r *Room) Whole(ctx context.Context, reply *mesh.Reply) ([]byte, error) {
	body, err := reply.Whole(ctx, func(_, more int) error { return r.Take(more) })
	if err != nil {
		r.Give(len(body))
		return nil, err
	}
	return body, nil
}
