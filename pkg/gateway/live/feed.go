package live

import (
	"context"
	"errors"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// Stream is an open subscription, read by one goroutine; it is *event.Stream.
type Stream interface {
	// Ready receives when Pop may have something, or when the stream has ended.
	Ready() <-chan struct{}
	Pop() (event.Event, bool)
	// Err is why the stream ended, nil while it is open: *event.Slow, or a
	// *fault.Error.
	Err() error
	// Position is where the reader stands.
	Position() mesh.Position
	Close()
}

// Opened is a Stream with where it began. Gap tells that this is not where it
// was asked to begin.
type Opened struct {
	Stream
	Start mesh.Position
	Gap   bool
}

// Feed gives streams; it is *event.Feed behind FromEvents.
type Feed interface {
	// Subscribe opens a stream. Errors: those of event.Feed.Subscribe.
	Subscribe(ctx context.Context, s event.Subscription) (*Opened, error)
	// Renew checks a principal's streams against its present rights.
	Renew(now *mesh.Principal)
}

// FromEvents makes a Feed of the house's own.
func FromEvents(f *event.Feed) Feed { return adapter{f} }

type adapter struct{ *event.Feed }

func (a adapter) Subscribe(ctx context.Context, s event.Subscription) (*Opened, error) {
	st, err := a.Feed.Subscribe(ctx, s)
	if err != nil {
		return nil, err
	}
	return &Opened{Stream: st, Start: st.Start, Gap: st.Gap}, nil
}

// Ending is why a connection ends, in the words of both protocols.
type Ending struct {
	Reason   string // shutdown, slow, revoked, heartbeat, renew, ended
	Code     fault.Code
	Position mesh.Position
}

// EndingOf explains the end of a stream. at is the reader's position.
func EndingOf(err error, at mesh.Position) Ending {
	var slow *event.Slow
	if errors.As(err, &slow) {
		return Ending{Reason: "slow", Code: fault.Overloaded, Position: slow.Position}
	}
	e := Ending{Reason: "ended", Code: fault.CodeOf(err), Position: at}
	switch e.Code {
	case fault.Unauthorized, fault.AuthError, fault.Forbidden:
		e.Reason = "revoked"
	case fault.Unavailable:
		e.Reason = "shutdown"
	}
	return e
}
