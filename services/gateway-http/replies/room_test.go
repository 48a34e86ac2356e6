package replies_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway/scripted"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/replies"
)

// chunked is a reply of a head and parts, and a channel that is closed with it.
func chunked(head string, err error, parts ...string) (*mesh.Reply, chan struct{}) {
	closed := make(chan struct{})
	return &mesh.Reply{Body: []byte(head), Chunks: &scripted.Chunks{Parts: parts, Err: err, Closed: closed}}, closed
}

// TestWhole: what does not fit, or breaks, is closed and takes no room.
func TestWhole(t *testing.T) {
	broken := errors.New("broken")
	var room replies.Room
	room.Open(10, nil)
	for _, c := range []struct {
		head  string
		err   error
		parts []string
		want  string
		code  error
	}{
		{"12345", nil, []string{"678", "901"}, "", fault.New(fault.PayloadTooLarge, "")},
		{"1", broken, []string{"2345678"}, "", broken},
		{"12345678901", nil, nil, "", fault.New(fault.PayloadTooLarge, "")},
		{"12", nil, []string{"345", "678"}, "12345678", nil},
		{"", nil, []string{"1"}, "1", nil},
		{"", nil, []string{"12"}, "", fault.New(fault.PayloadTooLarge, "")},
		{"", nil, []string{"1"}, "", fault.New(fault.PayloadTooLarge, "")}, // it would fit, but too much was asked for in vain
	} {
		reply, closed := chunked(c.head, c.err, c.parts...)
		got, err := room.Whole(t.Context(), reply)
		if fault.CodeOf(err) != fault.CodeOf(c.code) || err == nil && string(got) != c.want {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
		select {
		case <-closed:
		default:
			t.Errorf("%+v is not closed", c)
		}
	}
	if _, err := room.Whole(t.Context(), &mesh.Reply{Body: []byte("x")}); fault.CodeOf(err) != fault.PayloadTooLarge {
		t.Errorf("a reply of one message: %v", err)
	}
}

// TestWithin: side by side, rooms within another have its bytes together, and
// give back what they took.
func TestWithin(t *testing.T) {
	var all replies.Room
	all.Open(100, nil)
	var taken atomic.Int64
	var work sync.WaitGroup
	rooms := make([]replies.Room, 8)
	for i := range rooms {
		rooms[i].Open(30, &all)
		work.Go(func() {
			for rooms[i].Take(1) == nil {
				taken.Add(1)
			}
		})
	}
	work.Wait()
	if n := taken.Load(); n != 100 {
		t.Errorf("%d bytes are taken", n)
	}
	for i := range rooms {
		rooms[i].Leave()
	}
	var one replies.Room
	one.Open(200, &all)
	if _, err := one.Whole(t.Context(), &mesh.Reply{Body: []byte(strings.Repeat("x", 101))}); err == nil {
		t.Error("more than all is taken")
	}
	if _, err := one.Whole(t.Context(), &mesh.Reply{Body: []byte(strings.Repeat("x", 100))}); err != nil {
		t.Errorf("what was taken is not given back: %v", err)
	}
}
