package relay

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// The bounds of the stream EVENTS (contract.md).
const (
	maxAge    = 24 * time.Hour
	maxBytes  = 1 << 30
	duplicate = 2 * time.Minute
)

// streamConfig is the stream of all projects' events. What it stores goes on to
// the live subjects.
func streamConfig(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        bus.StreamEvents,
		Description: "The events of all projects: a copy of their change logs, which may be wiped.",
		Subjects:    []string{subject.AllEvents},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		MaxAge:      maxAge,
		MaxBytes:    maxBytes,
		Duplicates:  duplicate,
		Replicas:    max(1, replicas),
		AllowDirect: true,
		RePublish:   &jetstream.RePublish{Source: subject.EventsToLives, Destination: subject.LivesOfEvents},
	}
}

// ensure creates the stream if it is not there.
func (r *Relay) ensure(ctx context.Context) error {
	_, err := r.js.Stream(ctx, bus.StreamEvents)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	_, err = r.js.CreateStream(ctx, streamConfig(r.o.Replicas))
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return nil // another relay was first
	}
	return err
}

// newest is the project's last message in the stream: its position and its
// sequence in the stream, both zero if there is none.
func (r *Relay) newest(ctx context.Context) (mesh.Position, uint64, error) {
	s, err := r.js.Stream(ctx, bus.StreamEvents)
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
