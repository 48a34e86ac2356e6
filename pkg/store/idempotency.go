package store

import (
	"bytes"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/changelog"
)

// replayed looks whether the request's idempotency key has done its work
// already, and takes the outcome from there. The caller's rights are asked
// again: they may have changed since. Errors: CONFLICT when the key did
// something else.
func (w *work) replayed(t writing) (bool, error) {
	stored, err := w.tx.Replay(w.call.principal(), w.call.request.IdempotencyKey)
	if err != nil || stored == nil {
		return false, err
	}
	w.known = true
	if !bytes.Equal(stored.Hash, w.hash) {
		return false, fault.New(fault.Conflict, "the idempotency key was used for another request: make a new key for each new request")
	}
	w.seq, w.replay = stored.Seq, true
	if stored.Change == nil {
		w.outcome, err = w.recall(stored.Body, t)
		return true, err
	}
	if stored.Change.Verb == mesh.Deleted {
		w.outcome = outcome{call: w.call, kind: truthOutcome, n: 1}
		return true, nil
	}
	row, err := changelog.Row(w.call.model.entity, stored.Change.After)
	if err == nil {
		err = w.stillAllowed(w.call, row)
	}
	w.outcome = w.call.recordOf(row)
	return true, err
}

// stillAllowed refuses the replay of a record that the caller could not have
// written today.
func (w *work) stillAllowed(c *call, row schema.Row) error {
	if query.Eval(c.allowed(c.model.entity, mesh.Write), row) {
		return nil
	}
	return fault.New(fault.Forbidden, "the record is no longer yours to change")
}

// carry lets the run's one change carry the idempotency key, if the reply can
// be made of that change; it reports whether it does. Else the outcome has to
// be kept by itself.
func (w *work) carry() bool {
	if len(w.changes) != 1 {
		return false
	}
	c := w.changes[0]
	switch w.outcome.kind {
	case recordOutcome:
		if c.Verb == mesh.Deleted {
			return false
		}
	case truthOutcome:
		if w.outcome.n != 1 || c.Verb != mesh.Deleted {
			return false
		}
	default:
		return false
	}
	c.IdempotencyKey, c.RequestHash = w.call.request.IdempotencyKey, w.hash
	return true
}
