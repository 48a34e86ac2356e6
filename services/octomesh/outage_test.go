package octomesh

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/octomesh/octomesh/clients/go"
)

// rounds is how often an outage is repeated.
func rounds(short, long_ int) int {
	if long() {
		return long_
	}
	return short
}

// TestApartWorkerDrained restarts the worker in good order under 64 requesters,
// alone and with a second one that stands by.
func TestApartWorkerDrained(t *testing.T) {
	h := newApart(t, ledgerSchema).up()
	r := request(t, h.client(nil))
	r.pass(300)
	for range rounds(2, 20) {
		h.entity.stop()
		h.entity.again()
		r.pass(500)
	}
	second := h.start("entity").ready()
	first := h.entity
	for range rounds(2, 20) {
		first.stop()
		r.pass(500) // the stand-by has taken over
		first.again()
		first.ready()
		first, second = second, first
	}
	r.close("worker drained", nil)
}

// TestApartWorkerKilled does the same without warning.
func TestApartWorkerKilled(t *testing.T) {
	together(t)
	h := newApart(t, ledgerSchema).up()
	s := h.server()
	watch := followAll(t, s)
	r := request(t, h.client(nil))
	r.pass(300)
	for range rounds(3, 30) {
		h.entity.kill()
		h.entity.again()
		r.pass(500)
	}
	second := h.start("entity").ready()
	first := h.entity
	for range rounds(2, 10) {
		first.kill()
		r.pass(500)
		first.again()
		first.ready()
		first, second = second, first
	}
	r.close("worker killed", nil)
	figure(map[string]any{"what": "worker killed", "events": watch.complete(t, s), "gaps": 0, "doubled": 0})
}

// TestApartNATSRestarted stops, kills and wipes the NATS server.
func TestApartNATSRestarted(t *testing.T) {
	h := newApart(t, ledgerSchema).up()
	s := h.server()
	watch := followAll(t, s)
	r := request(t, h.client(nil))
	r.pass(300)
	var worst time.Duration
	for round := range rounds(3, 21) {
		if round%3 == 0 {
			h.nats.stop()
		} else {
			h.nats.kill()
		}
		if round%3 == 2 {
			if err := os.RemoveAll(filepath.Join(h.dir, "volumes/nats/jetstream")); err != nil {
				t.Fatal(err)
			}
		}
		h.nats.again()
		worst = max(worst, r.everyone())
		r.pass(300)
		for _, p := range []*process{h.auth, h.entity, h.gateway} {
			p.ready()
		}
	}
	r.close("NATS restarted", map[string]any{"reconnect_ms": worst.Milliseconds()})
	figure(map[string]any{"what": "NATS restarted", "events": watch.complete(t, s), "gaps": 0, "doubled": 0})
	// What lies in the wiped server again is enough for a gateway that knows nothing.
	fresh := h.start("gateway").ready()
	if _, err := client.FindByID[account](within(t, callDeadline), h.client([]*process{fresh}), "Account", "r00", nil); err != nil {
		t.Errorf("over a gateway that was started after the wipe: %v", err)
	}
	native(t, s, h.Key).Close()
	if judged() && worst > 5*time.Second {
		t.Errorf("all requesters were answered %v after the restart", worst)
	}
}

// TestApartNATSAway keeps NATS away for longer than anybody trusts what he knew
// before: nothing is answered meanwhile, and everything afterwards.
func TestApartNATSAway(t *testing.T) {
	if !long() {
		t.Skip("skipped: NATS away for 35 s (OCTOMESH_TEST=long)")
	}
	h := newApart(t, ledgerSchema).up()
	r := request(t, h.client(nil))
	r.pass(300)
	r.close("before NATS went away", nil)
	h.nats.kill()
	for until := time.Now().Add(35 * time.Second); time.Now().Before(until); {
		_, err := client.FindByID[account](within(t, 5*time.Second), h.client(nil), "Account", "r00", nil)
		if known := (&client.Error{}); err == nil || errors.As(err, &known) && known.Code != "UNAVAILABLE" && known.Code != "TIMEOUT" {
			t.Fatalf("without NATS: %v", err)
		}
	}
	h.nats.again()
	began := time.Now()
	r = request(t, h.client(nil))
	back := time.Since(began)
	r.pass(300)
	r.close("NATS away for 35 s", map[string]any{"reconnect_ms": back.Milliseconds()})
}

// TestApartAuthDown takes the auth service away: who was known goes on, who was
// not is told to come again, and does.
func TestApartAuthDown(t *testing.T) {
	together(t)
	h := newApart(t, ledgerSchema).up()
	c := h.client(nil)
	key, err := c.CreateKey(within(t, callDeadline), client.NewKey{Label: "new", Permissions: client.Permissions{Scopes: map[string][]string{
		"projects": {"*"}, "operations": {"read"}, "transports": {"*"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	r := request(t, c)
	r.pass(300)
	h.auth.kill()
	ask := func() (int, string) {
		req, err := http.NewRequestWithContext(within(t, callDeadline), http.MethodGet, "http://"+h.gateway.HTTP+"/api/v1/accounts", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", key.Secret)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode, body(t, resp)
	}
	if status, code := ask(); status != http.StatusServiceUnavailable || code != "UNAVAILABLE" {
		t.Errorf("a key that was never seen, without the auth service: %d %s", status, code)
	}
	r.pass(300)
	h.auth.again()
	h.auth.ready()
	if status, code := ask(); status != http.StatusOK {
		t.Errorf("the same key after the restart: %d %s", status, code)
	}
	r.pass(100)
	r.close("auth service killed", nil)
}

// TestApartStopsWithoutNATS ends every service in good order while there is no
// NATS server to tell.
func TestApartStopsWithoutNATS(t *testing.T) {
	together(t)
	h := newApart(t, ledgerSchema).up()
	// The health check is that of the compose file; its last word is the address.
	check := h.compose.Services["auth"].Health.Test
	doctor := func(p *process) (string, int) {
		_, said, status := run(t, nil, append(slices.Clone(check[2:len(check)-1]), p.probes)...)
		return said, status
	}
	all := []*process{h.gateway, h.entity, h.auth}
	for _, p := range all {
		if said, status := doctor(p); status != exitOK || said != "" {
			t.Errorf("the health check of %s: %d %s", p.name, status, said)
		}
	}
	h.nats.kill()
	for _, p := range all {
		eventually(t, p.name+" notices that NATS is away", func(context.Context) error {
			if said, status := doctor(p); status != exitFailed || !strings.Contains(said, "there is no connection to NATS") {
				return fmt.Errorf("%d %s", status, said)
			}
			return nil
		})
	}
	took := map[string]any{"what": "stopped without NATS"}
	for _, p := range all {
		began := time.Now()
		p.stop()
		took[p.name+"_ms"] = time.Since(began).Milliseconds()
		if said, status := doctor(p); status != exitUnreachable {
			t.Errorf("the health check of %s after its end: %d %s", p.name, status, said)
		}
	}
	figure(took)
}
