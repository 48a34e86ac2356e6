package bus

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/fault"
)

// EnsureEvents makes the stream EVENTS, or binds to the
// one that is there: the events of all projects, a replayable copy of their
// change logs, which hands what it has stored on to the live subjects. On three
// nodes or more it wants three replicas. It may be wiped; the relays fill it
// again. Errors: UNAVAILABLE.
func EnsureEvents(ctx context.Context, js jetstream.JetStream, replicas int) (jetstream.Stream, error) {
	s, err := js.Stream(ctx, StreamEvents)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = js.CreateStream(ctx, jetstream.StreamConfig{
			Name:        StreamEvents,
			Description: "The events of all projects: a copy of their change logs, which may be wiped.",
			Subjects:    []string{subject.AllEvents},
			Storage:     jetstream.FileStorage,
			Retention:   jetstream.LimitsPolicy,
			Discard:     jetstream.DiscardOld,
			MaxAge:      24 * time.Hour,
			MaxBytes:    1 << 30,
			Duplicates:  2 * time.Minute,
			Replicas:    max(1, replicas),
			AllowDirect: true,
			RePublish:   &jetstream.RePublish{Source: subject.EventsToLives, Destination: subject.LivesOfEvents},
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another was first
			s, err = js.Stream(ctx, StreamEvents)
		}
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the stream of events is out of reach")
	}
	return s, nil
}
