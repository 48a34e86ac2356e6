package event

import (
	"sort"

	"github.com/octomesh/octomesh/pkg/mesh"
)

// ring holds a project's newest messages, bounded by number and bytes, without
// a hole between them.
type ring struct {
	buf       []*Message
	head, n   int
	bytes     int
	most, max int // messages, bytes
}

func (r *ring) at(i int) *Message { return r.buf[(r.head+i)%len(r.buf)] }

func (r *ring) add(m *Message) {
	for r.n > 0 && (r.n >= r.most || r.bytes+m.size > r.max) {
		r.drop()
	}
	if r.n == len(r.buf) {
		grown := make([]*Message, min(max(64, 2*r.n), r.most))
		for i := range r.n {
			grown[i] = r.at(i)
		}
		r.buf, r.head = grown, 0
	}
	r.buf[(r.head+r.n)%len(r.buf)] = m
	r.n++
	r.bytes += m.size
}

func (r *ring) drop() {
	r.bytes -= r.buf[r.head].size
	r.buf[r.head] = nil
	r.head = (r.head + 1) % len(r.buf)
	r.n--
}

func (r *ring) clear() {
	for r.n > 0 {
		r.drop()
	}
}

// covers reports whether the ring has every message after the position.
func (r *ring) covers(p mesh.Position) bool {
	return r.n > 0 && r.at(0).Prev <= p.Seq && r.at(0).Position.Epoch == p.Epoch
}

// after returns the index of the first message after seq.
func (r *ring) after(seq int64) int {
	return sort.Search(r.n, func(i int) bool { return r.at(i).Position.Seq > seq })
}
