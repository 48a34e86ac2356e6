package event

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// source is where a project's changes come from.
type source interface {
	// live delivers messages as they come, some perhaps never or twice, until
	// stop. resync receives when messages may have been lost.
	live(project string, out chan<- *Message) (resync <-chan struct{}, stop func(), err error)
	// recent returns up to max of the newest messages of the stream, oldest
	// first.
	recent(ctx context.Context, project string, max int) ([]*Message, error)
	// tail is the stream's newest position, zero if it has none.
	tail(ctx context.Context, project string) (mesh.Position, error)
	// log reads changes after a position from the change log. Errors: GAP, also
	// where the next change is there but cannot be understood.
	log(ctx context.Context, project string, after mesh.Position, limit int) ([]*Message, error)
	// head is the change log's newest position.
	head(ctx context.Context, project string) (mesh.Position, error)
}

// natsSource reads the live subjects and the stream over NATS, and the log
// through a Caller.
type natsSource struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	caller mesh.Caller
	token  func() string
	logger *slog.Logger

	mu     sync.Mutex
	stream jetstream.Stream
	resync map[chan struct{}]struct{}
}

func newNATSSource(d bus.Dialer, o *FeedOptions) (*natsSource, error) {
	s := &natsSource{caller: o.Caller, token: o.Token, logger: o.Log, resync: map[chan struct{}]struct{}{}}
	nc, err := d.Dial("events", nats.ReconnectHandler(func(*nats.Conn) { s.lost() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrSlowConsumer) {
				s.lost()
			}
			s.logger.Warn("events: the connection reports", "err", err.Error())
		}))
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the mesh cannot be reached for events")
	}
	if s.js, err = jetstream.New(nc); err != nil {
		nc.Close()
		return nil, err
	}
	s.nc = nc
	return s, nil
}

func (s *natsSource) close() { s.nc.Close() }

// lost tells all projects to compare with the stream.
func (s *natsSource) lost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.resync {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (s *natsSource) live(project string, out chan<- *Message) (<-chan struct{}, func(), error) {
	done := make(chan struct{})
	sub, err := s.nc.Subscribe(subject.Lives(project), func(msg *nats.Msg) {
		m, ok := FromLive(msg)
		if !ok || m.Project != project {
			s.logger.Warn("events: a live message was refused that the stream has not stored", "subject", msg.Subject)
			return
		}
		select {
		case out <- m:
		case <-done:
		}
	})
	if err != nil {
		return nil, nil, err
	}
	_ = sub.SetPendingLimits(1<<16, 64<<20) // beyond it the log is the cheaper buffer
	if err := s.nc.Flush(); err != nil {
		_ = sub.Unsubscribe()
		return nil, nil, err
	}
	resync := make(chan struct{}, 1)
	s.mu.Lock()
	s.resync[resync] = struct{}{}
	s.mu.Unlock()
	return resync, func() {
		close(done)
		_ = sub.Unsubscribe()
		s.mu.Lock()
		delete(s.resync, resync)
		s.mu.Unlock()
	}, nil
}

// last is the stream's newest message of the project. The handle of the stream
// is kept, since asking for it costs more than the message.
func (s *natsSource) last(ctx context.Context, project string) (*jetstream.RawStreamMsg, error) {
	s.mu.Lock()
	stream := s.stream
	s.mu.Unlock()
	var err error
	if stream == nil {
		if stream, err = s.js.Stream(ctx, bus.StreamEvents); err != nil {
			return nil, err
		}
	}
	raw, err := stream.GetLastMsgForSubject(ctx, subject.Events(project))
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		stream = nil // perhaps it is there no more
	}
	s.mu.Lock()
	s.stream = stream
	s.mu.Unlock()
	return raw, err
}

func (s *natsSource) tail(ctx context.Context, project string) (mesh.Position, error) {
	raw, err := s.last(ctx, project)
	if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return mesh.Position{}, nil
	}
	if err != nil {
		return mesh.Position{}, err
	}
	_, p, _ := ParseMessageID(raw.Header.Get(IDHeader))
	return p, nil
}

func (s *natsSource) recent(ctx context.Context, project string, most int) ([]*Message, error) {
	ctx, cancel := context.WithTimeout(ctx, checkMost)
	defer cancel()
	raw, err := s.last(ctx, project)
	if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	first := uint64(1)
	if raw.Sequence > uint64(most) {
		first = raw.Sequence - uint64(most) + 1
	}
	c, err := s.js.OrderedConsumer(ctx, bus.StreamEvents, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{subject.Events(project)},
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy, OptStartSeq: first,
		InactiveThreshold: 5 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	it, err := c.Messages(jetstream.PullMaxMessages(512))
	if err != nil {
		return nil, err
	}
	defer it.Stop()
	var out []*Message
	for {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return out, err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return out, err
		}
		if m, ok := fromStored(msg.Headers(), msg.Data()); ok {
			out = append(out, m)
		}
		if meta.Sequence.Stream >= raw.Sequence {
			return out, nil
		}
	}
}

func (s *natsSource) log(ctx context.Context, project string, after mesh.Position, limit int) ([]*Message, error) {
	args := append([]byte(`{"position":"`), after.String()...)
	args = append(args, `","limit":`...)
	args = append(strconv.AppendInt(args, int64(limit), 10), '}')
	body, err := s.changes(ctx, project, args)
	if err != nil {
		return nil, err
	}
	page, err := decodeLog(body, after)
	if err != nil {
		s.logger.Error("events: the change log cannot be read", "project", project, "after", after.String(), "err", err.Error())
	}
	return page, err
}

func (s *natsSource) head(ctx context.Context, project string) (mesh.Position, error) {
	body, err := s.changes(ctx, project, []byte(`{"position":"tail"}`))
	if err != nil {
		return mesh.Position{}, err
	}
	var position string
	members(body, func(key string, v []byte) {
		if key == "metadata" {
			members(v, func(key string, v []byte) {
				if key == "position" {
					position, _ = text(v)
				}
			})
		}
	})
	p, err := mesh.ParsePosition(position)
	if err != nil {
		return p, fault.Wrap(err, fault.Internal, "the change log of %s tells no position", project)
	}
	return p, nil
}

// maxPage bounds the changes of one read, in bytes; a worker ends a page at much
// less.
const maxPage = 64 << 20

func (s *natsSource) changes(ctx context.Context, project string, args []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r := &mesh.Request{Project: project, Entity: mesh.ProjectEntity, Op: "changes", Args: args}
	r.Transport = "feed"
	if s.token != nil {
		r.Token = s.token()
	}
	reply, err := s.caller.Call(ctx, r)
	if err != nil {
		return nil, err
	}
	return reply.Whole(ctx, func(held, more int) error {
		if held+more > maxPage {
			return fault.New(fault.PayloadTooLarge, "the changes are over %d MB", maxPage>>20)
		}
		return nil
	})
}

// decodeLog takes a reply of op changes apart, up to a change that it cannot
// read: to skip that one would be a loss that nobody is told of, and to ask for it
// again would not help.
func decodeLog(body []byte, after mesh.Position) ([]*Message, error) {
	var out []*Message
	var bad *fault.Error
	prev := after.Seq
	ok := members(body, func(key string, list []byte) {
		if key != "data" {
			return
		}
		values(list, func(v []byte) {
			if bad != nil {
				return
			}
			m, err := Decode(bytes.Clone(v))
			if err != nil || m.Position.Epoch != after.Epoch || m.Position.Seq <= prev {
				bad = fault.Wrap(err, fault.Gap, "the change after %s cannot be read", mesh.Position{Epoch: after.Epoch, Seq: prev})
				return
			}
			m.Prev, prev = prev, m.Position.Seq
			out = append(out, m)
		})
	})
	switch {
	case !ok:
		return nil, fault.New(fault.Internal, "the change log's answer could not be understood")
	case bad != nil && len(out) == 0:
		return nil, bad
	}
	return out, nil
}
