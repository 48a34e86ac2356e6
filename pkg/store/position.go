package store

import (
	"context"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// maxWait bounds how long a read waits for its minPosition.
const maxWait = 5 * time.Second

// reach waits until the database has committed what the position names: a
// caller then reads its own writes, whoever serves it. Errors: GAP for another
// epoch, TIMEOUT.
func (s *Store) reach(ctx context.Context, p mesh.Position) error {
	if p.IsZero() {
		return nil
	}
	if p.Epoch != s.conn.Epoch() {
		return otherEpoch()
	}
	deadline := time.NewTimer(maxWait)
	defer deadline.Stop()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		seq, err := s.conn.Committed(ctx)
		if err != nil || seq >= p.Seq {
			return err
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-deadline.C:
			return fault.New(fault.Timeout, "the position %s was not reached within %s", p, maxWait)
		case <-ctx.Done():
			again.Stop()
			return fault.From(ctx.Err())
		}
	}
}

func otherEpoch() error {
	return fault.New(fault.Gap, "the position belongs to another change log: read the state anew")
}
