package httpserver

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// smallBody is what a request may always send, however many do so.
const smallBody = 64 << 10

// budget bounds the memory of all bodies that are arriving or being worked on.
// Without it, anybody could make the server set aside MaxBody bytes with a
// request head of a hundred, before it is even asked for a key. Requests over
// the budget may still send a small body.
type budget struct {
	limit, body int64         // bytes of all, and of one
	life        time.Duration // no request lasts longer
	used        atomic.Int64
	held        sync.Map // *fasthttp.RequestHeader -> *reservation
	entries     atomic.Int64
}

// reservation is one request's part of the budget. It ends with the request; if
// that breaks off in a way that nobody is told of, with its time.
type reservation struct {
	bytes   int64 // 0: the budget was spent
	expires *time.Timer
	over    atomic.Bool
}

// take is called when a head has arrived, before room for the body is made.
func (b *budget) take(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	b.give(h) // of a request that used the same memory before and broke off
	n := int64(h.ContentLength())
	switch {
	case n == -1: // chunked: it may become as large as any
		n = b.body
	case n <= smallBody || n > b.body: // the latter is refused unread
		return fasthttp.RequestConfig{}
	}
	r := &reservation{bytes: n}
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		b.keep(h, &reservation{})
		return fasthttp.RequestConfig{MaxRequestBodySize: smallBody}
	}
	r.expires = time.AfterFunc(b.life, func() { b.end(r) })
	b.keep(h, r)
	return fasthttp.RequestConfig{}
}

func (b *budget) keep(h *fasthttp.RequestHeader, r *reservation) {
	b.entries.Add(1)
	b.held.Store(h, r)
}

// give ends a request's reservation and reports whether the budget was spent
// when it arrived.
func (b *budget) give(h *fasthttp.RequestHeader) (spent bool) {
	if b.entries.Load() == 0 { // as a rule, and cheaper than to look
		return false
	}
	v, ok := b.held.LoadAndDelete(h)
	if !ok {
		return false
	}
	b.entries.Add(-1)
	r := v.(*reservation)
	if r.bytes == 0 {
		return true
	}
	r.expires.Stop()
	b.end(r)
	return false
}

func (b *budget) end(r *reservation) {
	if !r.over.Swap(true) {
		b.used.Add(-r.bytes)
	}
}
