package bus

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/deadline"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// ControlRequest is a request of the control plane.
type ControlRequest struct {
	Verb   string // exchange, keys.list, …
	Body   []byte
	Header mesh.Header
}

// ControlFunc answers a request of the control plane with the body of the reply
// or an error, which the Client's Control returns on the other side.
type ControlFunc func(ctx context.Context, r *ControlRequest) ([]byte, error)

// The bounds of a control service: how many requests run at once and how many
// more may wait.
const (
	controlPlaces = 64
	controlQueue  = 1024
)

// ServeControl answers octo.<service>.<verb> on nc, in a queue group named
// after the service, so that several processes share the work. An unknown verb
// is answered with UNKNOWN_OP, a panic with INTERNAL. stop takes no further
// requests, waits for those that have arrived, and leaves nc open.
func ServeControl(nc *nats.Conn, service string, verbs map[string]ControlFunc) (stop func(), err error) {
	if subject.Control(service, "x") == "" {
		return nil, fault.New(fault.InvalidRequest, "%.80q cannot be the name of a service", service)
	}
	o := HostOptions{Concurrency: controlPlaces, Queue: controlQueue, Single: int(nc.MaxPayload()) - MaxHeader, Log: slog.Default()}
	o.defaults()
	h := &Host{o: o, nc: nc, bulk: nc}
	h.pool = pool{run: h.run, limit: o.Concurrency, maxQueue: o.Queue, maxBytes: o.QueueBytes}
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.deadlines = deadline.NewGroup(h.ctx)
	s := &served{share: h.pool.join(), caller: mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
		f := verbs[r.Op]
		if f == nil {
			return nil, fault.New(fault.UnknownOp, "octo.%s has no verb %s", service, r.Op)
		}
		body, err := f(ctx, &ControlRequest{Verb: r.Op, Body: r.Args, Header: r.Header})
		if err != nil {
			return nil, err
		}
		return &mesh.Reply{Body: body}, nil
	})}
	sub, err := nc.QueueSubscribe("octo."+service+".>", service, func(m *nats.Msg) {
		h.accept(s, m.Subject, m.Reply, m.Header, m.Data)
	})
	if err == nil {
		err = nc.FlushTimeout(5 * time.Second)
	}
	if err != nil {
		h.stop()
		return nil, fault.Wrap(err, fault.Unavailable, "the control subjects of %s cannot be served", service)
	}
	return func() {
		defer h.pool.close()
		defer h.stop()
		if sub.Drain() != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), o.Timeout)
		defer cancel()
		// Nothing tells when a subscription is drained, except that it is not
		// valid any more.
		if until(ctx, nc, func() bool { return !sub.IsValid() }) != nil {
			return
		}
		select {
		case <-h.pool.quiet():
			_ = flush(ctx, nc)
		case <-ctx.Done():
		}
	}, nil
}
