package flightsql

import (
	"context"
	"crypto/sha256"
	"sync"

	af "github.com/apache/arrow-go/v18/arrow/flight"
	pb "github.com/apache/arrow-go/v18/arrow/flight/gen/flight"
)

// running knows the statements that are sending rows, so that another call of the
// same caller can cancel one. The zero value is ready.
type running struct {
	mu   sync.Mutex
	list map[query]map[*context.CancelFunc]struct{}
}

// query is who runs a statement, and its ticket.
type query struct {
	principal string
	ticket    [sha256.Size]byte
}

// add begins a statement, which ends with done.
func (r *running) add(ctx context.Context, principal string, ticket []byte) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancel(ctx)
	q := query{principal, sha256.Sum256(ticket)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list == nil {
		r.list = map[query]map[*context.CancelFunc]struct{}{}
	}
	if r.list[q] == nil {
		r.list[q] = map[*context.CancelFunc]struct{}{}
	}
	r.list[q][&cancel] = struct{}{}
	return ctx, func() {
		cancel()
		r.mu.Lock()
		defer r.mu.Unlock()
		if delete(r.list[q], &cancel); len(r.list[q]) == 0 {
			delete(r.list, q)
		}
	}
}

// cancel ends the statements of a caller with that ticket, and reports whether
// there were any.
func (r *running) cancel(principal string, ticket []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.list[query{principal, sha256.Sum256(ticket)}]
	for cancel := range found {
		(*cancel)()
	}
	return len(found) > 0
}

// cancel cancels what a FlightInfo stands for. A statement runs while its rows are
// being sent, by the gateway that sends them; one that this gateway does not run
// cannot be cancelled here.
func (s *Server) cancel(ctx context.Context, info *af.FlightInfo) (pb.CancelStatus, error) {
	c, err := s.identify(ctx)
	if err != nil {
		return 0, err
	}
	out := pb.CancelStatus_CANCEL_STATUS_NOT_CANCELLABLE
	for _, e := range info.GetEndpoint() {
		if s.running.cancel(c.Principal.ID, e.GetTicket().GetTicket()) {
			out = pb.CancelStatus_CANCEL_STATUS_CANCELLED
		}
	}
	return out, nil
}
