package relay

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// newest is the project's last message in the stream: its position and its
// sequence in the stream, both zero if there is none. It makes the stream if
// that is not there.
func (r *Relay) newest(ctx context.Context) (mesh.Position, uint64, error) {
	s, err := bus.EnsureEvents(ctx, r.js, r.o.Replicas)
	if err != nil {
		return mesh.Position{}, 0, err
	}
	raw, err := s.GetLastMsgForSubject(ctx, r.filter)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return mesh.Position{}, 0, nil
	}
	if err != nil {
		return mesh.Position{}, 0, err
	}
	project, p, ok := event.ParseMessageID(raw.Header.Get(event.IDHeader))
	if !ok || project != r.o.Project {
		return mesh.Position{}, 0, errors.New("the stream's last message of the project was not made by a relay")
	}
	return p, raw.Sequence, nil
}
