package relay_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/entity/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memoryLog is a change log in memory, with the holes that a test puts in.
type memoryLog struct {
	mu      sync.Mutex
	epoch   string
	changes []mesh.Change
}

func (l *memoryLog) add(seq int64, id string, version int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = append(l.changes, mesh.Change{
		Seq: seq, Entity: "Article", ID: id, Verb: mesh.Updated, Version: version, Changed: []string{"n"},
		After: fmt.Appendf(nil, `{"id":%q,"_version":%d}`, id, version), Old: []byte(`{"n":1}`), At: time.Now().UTC(),
	})
}

// fill adds changes up to seq, spread over ten records.
func (l *memoryLog) fill(upTo int64) {
	l.mu.Lock()
	last := int64(len(l.changes))
	if last > 0 {
		last = l.changes[last-1].Seq
	}
	l.mu.Unlock()
	for seq := last + 1; seq <= upTo; seq++ {
		l.add(seq, "r"+strconv.FormatInt(seq%10, 10), seq/10+1)
	}
}

func (l *memoryLog) Changes(_ context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, _ := slices.BinarySearchFunc(l.changes, after+1, func(c mesh.Change, seq int64) int { return cmp.Compare(c.Seq, seq) })
	for i := first; i < min(len(l.changes), first+limit); i++ {
		if err := each(&l.changes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (l *memoryLog) Oldest(context.Context) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.changes) == 0 {
		return 0, nil
	}
	return l.changes[0].Seq, nil
}

func (l *memoryLog) Committed(context.Context) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.changes) == 0 {
		return 0, nil
	}
	return l.changes[len(l.changes)-1].Seq, nil
}

func (l *memoryLog) Epoch() string { l.mu.Lock(); defer l.mu.Unlock(); return l.epoch }

func (l *memoryLog) NewEpoch(context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch += "x"
	return l.epoch, nil
}

func start(t testing.TB, dir string) *embedded.Server {
	t.Helper()
	srv, err := embedded.Start(embedded.Options{StoreDir: dir, Port: embedded.NoListen})
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

func dial(t testing.TB, d bus.Dialer) *nats.Conn {
	t.Helper()
	nc, err := d.Dial("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// run starts a relay; the returned function stops it.
func run(t testing.TB, o relay.Options) (*relay.Relay, func()) {
	t.Helper()
	r := relay.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("the relay ended with %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return r, stop
}

func connect(t testing.TB, d bus.Dialer) *relay.Conn {
	t.Helper()
	c, err := relay.Connect(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// live collects what arrives on the live subjects.
type live struct {
	mu   sync.Mutex
	msgs []*event.Message
	more chan struct{}
}

func watch(t testing.TB, nc *nats.Conn) *live {
	t.Helper()
	l := &live{more: make(chan struct{}, 1)}
	_, err := nc.Subscribe(subject.Lives("p"), func(msg *nats.Msg) {
		m, ok := event.FromLive(msg)
		if !ok {
			t.Errorf("a live message that is none: %s %v", msg.Data, msg.Header)
			return
		}
		l.mu.Lock()
		l.msgs = append(l.msgs, m)
		l.mu.Unlock()
		select {
		case l.more <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return l
}

// until waits for a message at that position.
func (l *live) until(t testing.TB, epoch string, seq int64) []*event.Message {
	t.Helper()
	late := time.After(60 * time.Second)
	for {
		l.mu.Lock()
		if n := len(l.msgs); n > 0 && l.msgs[n-1].Position == (mesh.Position{Epoch: epoch, Seq: seq}) {
			defer l.mu.Unlock()
			return append([]*event.Message(nil), l.msgs...)
		}
		l.mu.Unlock()
		select {
		case <-l.more:
		case <-late:
			l.mu.Lock()
			defer l.mu.Unlock()
			t.Fatalf("no message %s-%d among %d", epoch, seq, len(l.msgs))
		}
	}
}

// chained checks that each message follows the one before it.
func chained(t testing.TB, msgs []*event.Message, prev int64) {
	t.Helper()
	for _, m := range msgs {
		if m.Prev != prev || m.Position.Seq <= prev {
			t.Fatalf("message %v says that %d was before it, it was %d", m.Position, m.Prev, prev)
		}
		prev = m.Position.Seq
	}
}

func TestPublishesInOrder(t *testing.T) {
	t.Parallel()
	const n = 20_000
	srv := start(t, t.TempDir())
	defer srv.Shutdown()
	log := &memoryLog{epoch: "e1"}
	log.fill(n / 2)
	l := watch(t, dial(t, srv.Dialer(bus.RoleGateway)))
	r, _ := run(t, relay.Options{Project: "p", Log: log, Conn: connect(t, srv.Dialer(bus.RoleRelay))})
	for seq := int64(n/2 + 1); seq <= n; seq++ {
		log.add(seq, "r"+strconv.FormatInt(seq%10, 10), seq/10+1)
		r.Ring()
	}
	msgs := l.until(t, "e1", n)
	if len(msgs) != n {
		t.Fatalf("%d messages for %d changes", len(msgs), n)
	}
	chained(t, msgs, 0)
	versions := map[string]int64{}
	for i, m := range msgs {
		version := int64(i+1)/10 + 1
		if version <= versions[m.ID] {
			t.Fatalf("record %s: version %d after %d", m.ID, version, versions[m.ID])
		}
		versions[m.ID] = version
	}
	waitPublished(t, r, n)
}

func waitPublished(t testing.TB, r *relay.Relay, seq int64) {
	t.Helper()
	late, look := time.After(60*time.Second), time.NewTicker(time.Millisecond)
	defer look.Stop()
	for r.Published() < seq {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("published up to %d, not %d", r.Published(), seq)
		}
	}
}

func TestHolesInTheLogAreTold(t *testing.T) {
	t.Parallel()
	srv := start(t, t.TempDir())
	defer srv.Shutdown()
	log := &memoryLog{epoch: "e1"}
	for _, seq := range []int64{501, 502, 510, 511} { // trimmed before 501, rolled back from 503
		log.add(seq, "a", seq)
	}
	l := watch(t, dial(t, srv.Dialer(bus.RoleGateway)))
	run(t, relay.Options{Project: "p", Log: log, Conn: connect(t, srv.Dialer(bus.RoleRelay))})
	chained(t, l.until(t, "e1", 511), 500)
}

func TestRestartGoesOnWhereTheStreamEnds(t *testing.T) {
	t.Parallel()
	srv := start(t, t.TempDir())
	defer srv.Shutdown()
	log := &memoryLog{epoch: "e1"}
	log.fill(1000)
	l := watch(t, dial(t, srv.Dialer(bus.RoleGateway)))
	conn := connect(t, srv.Dialer(bus.RoleRelay))
	_, stop := run(t, relay.Options{Project: "p", Log: log, Conn: conn, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	l.until(t, "e1", 1000)
	stop()
	log.fill(1500)
	run(t, relay.Options{Project: "p", Log: log, Conn: conn, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	msgs := l.until(t, "e1", 1500)
	chained(t, msgs, 0)
	if got := stored(t, srv); got != 1500 {
		t.Fatalf("the stream has %d messages, not 1500", got)
	}
}

func stored(t testing.TB, srv *embedded.Server) uint64 {
	t.Helper()
	js, err := jetstream.New(dial(t, srv.Dialer(bus.RoleRelay)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func TestWipedStreamIsANormalStart(t *testing.T) {
	t.Parallel()
	log := &memoryLog{epoch: "e1"}
	log.fill(300)
	for round := range 2 { // each round has a JetStream directory of its own
		srv := start(t, t.TempDir())
		l := watch(t, dial(t, srv.Dialer(bus.RoleGateway)))
		_, stop := run(t, relay.Options{Project: "p", Log: log, Conn: connect(t, srv.Dialer(bus.RoleRelay))})
		log.fill(int64(300 * (round + 1)))
		chained(t, l.until(t, "e1", int64(300*(round+1))), 0)
		stop()
		srv.Shutdown()
	}
}

func TestStreamAheadBeginsANewEpoch(t *testing.T) {
	t.Parallel()
	srv := start(t, t.TempDir())
	defer srv.Shutdown()
	l := watch(t, dial(t, srv.Dialer(bus.RoleGateway)))
	conn := connect(t, srv.Dialer(bus.RoleRelay))
	log := &memoryLog{epoch: "e1"}
	log.fill(80)
	_, stop := run(t, relay.Options{Project: "p", Log: log, Conn: conn, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	l.until(t, "e1", 80)
	stop()
	restored := &memoryLog{epoch: "e1"}
	restored.fill(50)
	r, _ := run(t, relay.Options{Project: "p", Log: restored, Conn: conn})
	waitPublished(t, r, 50)
	restored.fill(51)
	r.Ring()
	msgs := l.until(t, "e1x", 51)
	if last := msgs[len(msgs)-1]; last.Prev != 50 || len(msgs) != 81 {
		t.Fatalf("%d messages, the last after %d", len(msgs), last.Prev)
	}
}

func TestTwoPublishersAtOnceStoreOnce(t *testing.T) {
	t.Parallel()
	const n = 5000
	srv := start(t, t.TempDir())
	defer srv.Shutdown()
	log := &memoryLog{epoch: "e1"}
	log.fill(n)
	l := watch(t, dial(t, srv.Dialer(bus.RoleGateway)))
	for range 2 {
		run(t, relay.Options{Project: "p", Log: log, Conn: connect(t, srv.Dialer(bus.RoleRelay))})
	}
	chained(t, l.until(t, "e1", n), 0)
	if got := stored(t, srv); got != n {
		t.Fatalf("the stream has %d messages, not %d", got, n)
	}
}

func TestServerRestartLosesNothing(t *testing.T) {
	t.Parallel()
	const n = 6000
	o := embedded.Options{StoreDir: t.TempDir()}
	srv, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	if o.Port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	o.Seeds = map[string]string{}
	for _, role := range bus.Roles() {
		o.Seeds[role] = srv.Seed(role)
	}
	conn := connect(t, bus.URL{
		Addr: srv.ClientURL(), Service: "relay", Role: bus.RoleRelay, Seed: srv.Seed(bus.RoleRelay),
		Options: []nats.Option{nats.ReconnectWait(2 * time.Millisecond), nats.ReconnectJitter(0, 0)},
	})
	log := &memoryLog{epoch: "e1"}
	r, _ := run(t, relay.Options{Project: "p", Log: log, Conn: conn, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	for round := range 3 { // each shutdown finds messages without an acknowledgement
		log.fill(int64((round + 1) * n / 3))
		r.Ring()
		waitPublished(t, r, int64(round*n/3)+1)
		srv.Shutdown()
		if srv, err = embedded.Start(o); err != nil {
			t.Fatal(err)
		}
	}
	defer srv.Shutdown()
	waitPublished(t, r, n)
	var prev int64
	for _, m := range messages(t, srv) {
		if m.Prev != prev {
			t.Fatalf("message %v says that %d was before it, it was %d", m.Position, m.Prev, prev)
		}
		prev = m.Position.Seq
	}
	if prev != n {
		t.Fatalf("the stream ends at %d, not at %d", prev, n)
	}
}

// messages reads the whole stream.
func messages(t testing.TB, srv *embedded.Server) []*event.Message {
	t.Helper()
	js, err := jetstream.New(dial(t, srv.Dialer(bus.RoleGateway)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.OrderedConsumer(t.Context(), bus.StreamEvents, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	it, err := c.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer it.Stop()
	var out []*event.Message
	for n := stored(t, srv); uint64(len(out)) < n; {
		msg, err := it.Next()
		if err != nil {
			t.Fatal(err)
		}
		m, ok := event.FromLive(&nats.Msg{Data: msg.Data(), Header: withSequence(msg.Headers())})
		if !ok {
			t.Fatalf("a stored message that is none: %s", msg.Data())
		}
		out = append(out, m)
	}
	return out
}

func withSequence(h nats.Header) nats.Header {
	h.Set(event.SequenceHeader, "1")
	return h
}

func TestDeletedStreamIsMadeAgain(t *testing.T) {
	t.Parallel()
	// A server without accounts, since no role may delete the stream.
	srv, err := server.NewServer(&server.Options{DontListen: true, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	defer srv.WaitForShutdown()
	defer srv.Shutdown()
	d := bus.URL{Service: "test", Options: []nats.Option{nats.InProcessServer(srv)}}
	conn := dial(t, d)
	log := &memoryLog{epoch: "e1"}
	log.fill(100)
	l := watch(t, conn)
	r, _ := run(t, relay.Options{Project: "p", Log: log, Conn: connect(t, d)})
	l.until(t, "e1", 100)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), bus.StreamEvents); err != nil {
		t.Fatal(err)
	}
	log.fill(150)
	r.Ring()
	l.until(t, "e1", 150)
}

func TestLargeRecordIsTruncated(t *testing.T) {
	t.Parallel()
	srv := start(t, t.TempDir())
	defer srv.Shutdown()
	nc := dial(t, srv.Dialer(bus.RoleRelay))
	big, _ := json.Marshal(map[string]string{"text": string(make([]byte, nc.MaxPayload()))})
	log := &memoryLog{epoch: "e1", changes: []mesh.Change{{Seq: 1, Entity: "Article", ID: "a", Verb: mesh.Created, After: big, At: time.Now()}}}
	l := watch(t, dial(t, srv.Dialer(bus.RoleGateway)))
	run(t, relay.Options{Project: "p", Log: log, Conn: connect(t, srv.Dialer(bus.RoleRelay))})
	if m := l.until(t, "e1", 1)[0]; !m.Truncated || m.ID != "a" {
		t.Fatalf("%+v", m)
	}
}

// BenchmarkCommitToLive is the way of one change from the bell to a live
// subscriber.
func BenchmarkCommitToLive(b *testing.B) {
	srv := start(b, b.TempDir())
	defer srv.Shutdown()
	log := &memoryLog{epoch: "e1"}
	l := watch(b, dial(b, srv.Dialer(bus.RoleGateway)))
	r, _ := run(b, relay.Options{Project: "p", Log: log, Conn: connect(b, srv.Dialer(bus.RoleRelay))})
	b.ResetTimer()
	for i := range b.N {
		log.add(int64(i+1), "a", int64(i+1))
		r.Ring()
		<-l.more
	}
}
