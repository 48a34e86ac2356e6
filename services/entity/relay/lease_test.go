package relay_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/entity/relay"
)

// Two workers on one database: one of them publishes, and when it stops the
// other goes on, without a change lost or doubled.
func TestLeadershipPassesOn(t *testing.T) {
	t.Parallel()
	srv := start(t, t.TempDir())
	defer srv.Shutdown()
	log := &memoryLog{epoch: "e1"}
	l := watch(t, dial(t, srv.Dialer(bus.RoleGateway)))
	stops := map[string]func(){}
	for _, owner := range []string{"a", "b"} {
		r, stop := run(t, relay.Options{Project: "p", Log: log, Owner: owner, Conn: connect(t, srv.Dialer(bus.RoleRelay))})
		stops[owner] = stop
		if owner == "a" {
			<-r.Started()
		}
	}
	log.fill(700)
	l.until(t, "e1", 700)
	stops["a"]()
	log.fill(1400)
	chained(t, l.until(t, "e1", 1400), 0)
	if got := stored(t, srv); got != 1400 {
		t.Fatalf("the stream has %d messages, not 1400", got)
	}
}

// A leader that was frozen finds that somebody else has published meanwhile: the
// stream refuses the first message of its batch, and it begins anew.
func TestStaleLeaderIsRefusedByTheStream(t *testing.T) {
	t.Parallel()
	srv := start(t, t.TempDir())
	defer srv.Shutdown()
	log := &memoryLog{epoch: "e1"}
	log.fill(10)
	l := watch(t, dial(t, srv.Dialer(bus.RoleGateway)))
	run(t, relay.Options{Project: "p", Log: log, Owner: "a", Conn: connect(t, srv.Dialer(bus.RoleRelay))})
	l.until(t, "e1", 10)

	// Another relay, of which the first knows nothing, publishes the next one.
	js, err := jetstream.New(dial(t, srv.Dialer(bus.RoleRelay)))
	if err != nil {
		t.Fatal(err)
	}
	next := mesh.Change{Seq: 11, Entity: "Article", ID: "a", Verb: mesh.Deleted, At: time.Now()}
	if _, err := js.PublishMsg(t.Context(), event.NewMessage("p", "e1", 10, &next, 1<<20)); err != nil {
		t.Fatal(err)
	}
	log.fill(300)
	chained(t, l.until(t, "e1", 300), 0)
	if got := stored(t, srv); got != 300 {
		t.Fatalf("the stream has %d messages, not 300", got)
	}
}

// The doorbell of another worker makes the leader look at once.
func TestBellOverNATS(t *testing.T) {
	t.Parallel()
	srv := start(t, t.TempDir())
	defer srv.Shutdown()
	log := &memoryLog{epoch: "e1"}
	l := watch(t, dial(t, srv.Dialer(bus.RoleGateway)))
	r, _ := run(t, relay.Options{Project: "p", Log: log, Conn: connect(t, srv.Dialer(bus.RoleRelay))})
	<-r.Started()
	worker := dial(t, srv.Dialer(bus.RoleEntity))
	log.fill(1)
	if err := worker.Publish(subject.Bell("p"), nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := worker.FlushWithContext(ctx); err != nil {
		t.Fatal(err)
	}
	l.until(t, "e1", 1)
}
