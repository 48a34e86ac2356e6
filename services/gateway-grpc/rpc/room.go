package rpc

import (
	"sync"
	"sync/atomic"

	"github.com/octomesh/octomesh/pkg/fault"
)

const (
	// SmallMessage is how large a message may always be, however many there are, in
	// bytes.
	SmallMessage = 64 << 10
	// allMessages is what all that are larger may have together.
	allMessages = 32 * MaxMessage
)

// Room counts the bytes of all messages over SmallMessage that arrive or are worked
// on, over whatever protocol. The zero value is empty.
type Room struct{ used atomic.Int64 }

// Share is what one call holds of a Room.
type Share struct {
	room  *Room
	held  atomic.Int64
	mu    sync.Mutex // held while held changes
	ended bool
}

// Open makes s a share of r.
func (s *Share) Open(r *Room) { s.room = r }

// Hold makes n what the call holds, unless there is no room, or the call has ended;
// what is small needs none.
func (s *Share) Hold(n int64) bool {
	if n <= SmallMessage {
		n = 0
	}
	if n == s.held.Load() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	more := n - s.held.Load()
	if more > 0 && s.ended {
		return false
	}
	if s.room.used.Add(more) > allMessages && more > 0 {
		s.room.used.Add(-more)
		return false
	}
	s.held.Store(n)
	return true
}

// Keep gives back what the call holds beyond n.
func (s *Share) Keep(n int64) { s.Hold(min(n, s.held.Load())) }

// End gives all back for good.
func (s *Share) End() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.Hold(0)
}

// Crowded refuses a call for whose message there is no room.
func Crowded() error {
	return fault.New(fault.Overloaded, "too many large requests are being worked on: try again").After(crowdedFor)
}
