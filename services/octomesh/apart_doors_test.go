package octomesh

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	client "github.com/octomesh/octomesh/clients/go"
)

// TestApartDoors puts the script of all doors through separate processes; the
// native one means that the auth callout works on a server of its own.
func TestApartDoors(t *testing.T) {
	together(t)
	for name, open := range map[string]func(*testing.T, *server) door{"rest": restDoor, "nats": natsDoor, "ws": wsDoor} {
		t.Run(name, func(t *testing.T) {
			h := newApart(t, deskSchema).up()
			s := h.server()
			nc := native(t, s, s.Key)
			told, err := nc.SubscribeSync("mostajs.events.Team.created")
			if err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			ask := open(t, s)
			for _, st := range script {
				got := plain(ask(t, st))
				if strings.HasPrefix(st.want, "{") && got != st.want || !strings.Contains(got, st.want) {
					t.Errorf("%s\n got  %s\n want %s", st.name, got, st.want)
				}
			}
			m, err := told.NextMsg(10 * time.Second)
			if err != nil || !strings.Contains(string(m.Data), `"id":"t1"`) || m.Header.Get("Nats-Sequence") == "" {
				t.Errorf("the live subject told %v, %v", m, err)
			}
		})
	}
}

const tree = `{
  "shop": {"dialect":"sqlite","uri":"sqlite:shop.db","schemas":[{"name":"Team","collection":"teams","fields":{"name":{"type":"string","required":true}}}]},
  "lab":  {"dialect":"sqlite","uri":"sqlite:lab.db","schemas":[{"name":"Team","collection":"teams","fields":{"name":{"type":"string","required":true}}},{"name":"Probe","collection":"probes","fields":{"n":{"type":"number"}}}]}%s
}`

// TestApartProjects serves two projects beside the default one and holds them
// apart, however they are named; a third comes and goes while all others run.
func TestApartProjects(t *testing.T) {
	a := newApart(t, deskSchema)
	a.write("projects-tree.json", fmt.Sprintf(tree, ""))
	a.extra["auth"] = map[string]string{"OCTOMESH_PROJECTS": filepath.Join(a.dir, "projects-tree.json")}
	h := a.up()
	s := h.server()
	call := func(key, method, path, project, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(within(t, callDeadline), method, "http://"+s.HTTP+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", key)
		req.Header.Set("Content-Type", "application/json")
		if project != "" {
			req.Header.Set("X-Project", project)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b struct {
			Data  struct{ Name string }
			Error struct{ Code string }
		}
		_ = json.NewDecoder(resp.Body).Decode(&b)
		return resp.StatusCode, b.Data.Name + b.Error.Code
	}
	// The same id in all three, created in three ways.
	for _, c := range []struct{ path, project, name string }{
		{"/api/v1/teams", "", "default"}, {"/api/v1/teams", "shop", "shop"}, {"/lab/api/v1/teams", "", "lab"},
	} {
		if status, got := call(s.Key, "POST", c.path, c.project, `{"id":"t","name":"`+c.name+`"}`); status != 201 || got != c.name {
			t.Errorf("create %+v: %d %s", c, status, got)
		}
	}
	for _, c := range []struct{ path, project, name string }{
		{"/api/v1/teams/t", "", "default"},
		{"/api/v1/teams/t", "default", "default"},
		{"/api/v1/teams/t", "shop", "shop"},
		{"/shop/api/v1/teams/t", "", "shop"},
		{"/api/v1/shop/teams/t", "", "shop"},
		{"/api/v1/teams/t", "lab", "lab"},
		{"/lab/api/v1/teams/t", "", "lab"},
		{"/api/v1/lab/Team/t", "", "lab"},
	} {
		if status, got := call(s.Key, "GET", c.path, c.project, ""); status != 200 || got != c.name {
			t.Errorf("%+v: %d %s", c, status, got)
		}
	}
	nc := native(t, s, s.Key)
	for subj, want := range map[string]string{"mostajs.Team.findById": "default", "mostajs.shop.Team.findById": "shop", "mostajs.lab.Team.findById": "lab"} {
		m, err := nc.Request(subj, []byte(`{"id":"t"}`), callDeadline)
		if err != nil || !strings.Contains(string(m.Data), `"name":"`+want+`"`) {
			t.Errorf("%s: %v %v", subj, m, err)
		}
	}
	for _, c := range []struct {
		path, project string
		status        int
		code          string
	}{
		{"/api/v1/probes/x", "shop", 404, "UNKNOWN_ENTITY"}, {"/api/v1/desks/x", "lab", 404, "UNKNOWN_ENTITY"}, {"/api/v1/teams/t", "nobody", 404, "UNKNOWN_PROJECT"},
	} {
		if status, got := call(s.Key, "GET", c.path, c.project, ""); status != c.status || got != c.code {
			t.Errorf("%+v: %d %s", c, status, got)
		}
	}
	narrow, err := h.client(nil).CreateKey(within(t, callDeadline), client.NewKey{Label: "shop", Permissions: client.Permissions{Scopes: map[string][]string{
		"projects": {"shop"}, "operations": {"*"}, "transports": {"*"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/shop/api/v1/teams/t": 200, "/lab/api/v1/teams/t": 403, "/api/v1/teams/t": 403} {
		if status, got := call(narrow.Secret, "GET", path, "", ""); status != want {
			t.Errorf("%s with the key of shop: %d %s", path, status, got)
		}
	}
	if _, err := native(t, s, narrow.Secret, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})).Request("mostajs.lab.Team.findById", []byte(`{"id":"t"}`), 300*time.Millisecond); err == nil {
		t.Error("the key of shop reads lab over native NATS")
	}
	// Another list at the auth service reaches the running worker and gateway.
	a.write("projects-tree.json", fmt.Sprintf(tree, `,"late":{"dialect":"sqlite","uri":"sqlite:late.db","schemas":[{"name":"Team","collection":"teams","fields":{"name":{"type":"string","required":true}}}]}`))
	h.auth.stop()
	h.auth.again()
	eventually(t, "the project late is served", func(context.Context) error {
		if status, got := call(s.Key, "POST", "/late/api/v1/teams/upsert", "", `{"filter":{"id":"t"},"data":{"name":"late"}}`); status != 200 || got != "late" {
			return fmt.Errorf("%d %s", status, got)
		}
		return nil
	})
	a.write("projects-tree.json", fmt.Sprintf(tree, ""))
	h.auth.stop()
	h.auth.again()
	// A call between the worker's withdrawal and the gateway's knowledge of it
	// waits for a worker until its deadline: ask with a short patience.
	eventually(t, "the project late is withdrawn", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.HTTP+"/late/api/v1/teams/t", nil)
		if err != nil {
			return err
		}
		req.Header.Set("X-API-Key", s.Key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && !strings.Contains(string(body), `"UNKNOWN_PROJECT"`) {
			err = fmt.Errorf("%d %s", resp.StatusCode, body)
		}
		return err
	})
	figure(map[string]any{"what": "projects", "projects": 3, "added_while_running": 1, "removed_while_running": 1})
}

// TestApartGatewayRestarted drains one of two gateways after the other, then
// restarts a lone one.
func TestApartGatewayRestarted(t *testing.T) {
	together(t)
	h := newApart(t, ledgerSchema).up()
	other := h.start("gateway").ready()
	both := []*process{h.gateway, other}
	s := h.server()
	watch := followAll(t, &server{t: t, HTTP: h.gateway.HTTP + ",http://" + other.HTTP, Key: h.Key})
	r := request(t, h.client(both))
	r.pass(300)
	for i := range rounds(2, 20) {
		g := both[i%2]
		bye := listen(t, g.HTTP, h.Key)
		g.stop()
		if err := bye(); err != nil {
			t.Errorf("an SSE client of a drained gateway: %v", err)
		}
		r.pass(300)
		g.again()
		g.ready()
	}
	r.close("one of two gateways drained", nil)

	r = request(t, h.client(nil))
	r.pass(300)
	for i := range rounds(2, 20) {
		if i%2 == 0 {
			h.gateway.stop()
		} else {
			h.gateway.kill()
		}
		h.gateway.again()
		r.pass(300)
	}
	r.close("a lone gateway drained and killed", nil)
	figure(map[string]any{"what": "gateway restarted", "events": watch.complete(t, s), "gaps": 0, "doubled": 0})
}

// listen opens /events, and returns a function that reads to the end and tells
// whether the server said good-bye with a position.
func listen(t *testing.T, addr, key string) func() error {
	t.Helper()
	req, err := http.NewRequestWithContext(within(t, time.Minute), http.MethodGet, "http://"+addr+"/events?entity=Account", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || resp.StatusCode != http.StatusOK {
		t.Fatalf("/events: %d %v", resp.StatusCode, lines.Err())
	}
	return func() error {
		defer resp.Body.Close()
		for lines.Scan() {
			if lines.Text() != "event: bye" {
				continue
			}
			if lines.Scan(); !strings.Contains(lines.Text(), `"reason":"shutdown"`) || !strings.Contains(lines.Text(), `"position":"`) {
				return errors.New(lines.Text())
			}
			return nil
		}
		return fmt.Errorf("the stream ended without bye: %w", errors.Join(lines.Err(), errors.New("end")))
	}
}

// TestApartServeOnExternalNATS runs the all-in-one against a NATS server of its
// own, named second of two addresses, and restarts that server under it.
func TestApartServeOnExternalNATS(t *testing.T) {
	a := newApart(t, deskSchema)
	ns := a.start("nats")
	data := filepath.Join(a.dir, "data")
	if err := os.MkdirAll(data, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(a.dir, "keys"), filepath.Join(data, "nats")); err != nil {
		t.Fatal(err)
	}
	s := &server{
		t: t, dir: data, HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", NATS: "127.0.0.1:0",
		args: []string{"--schemas", schemaFile(t, deskSchema), "--nats-url", "nats://127.0.0.1:" + freePort(t) + ",nats://127.0.0.1:" + a.port},
	}
	s.start()
	t.Cleanup(s.stop)
	key, err := os.ReadFile(filepath.Join(data, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	s.Key, s.NATS = strings.TrimSpace(string(key)), "127.0.0.1:"+a.port
	ask := func(op, args, want string) {
		t.Helper()
		m, err := native(t, s, s.Key).Request("mostajs.Team."+op, []byte(args), callDeadline)
		if err != nil || !strings.Contains(string(m.Data), want) {
			t.Errorf("%s: %v %v", op, m, err)
		}
	}
	ask("create", `{"data":{"id":"t1","name":"Red"}}`, `"_version":1`)
	ns.kill()
	ns.again()
	if err := s.client().WaitReady(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Update[map[string]any](within(t, callDeadline), s.client(), "Team", "t1", map[string]string{"name": "Blue"}); err != nil {
		t.Fatal(err)
	}
	ask("findById", `{"id":"t1"}`, `"name":"Blue"`)
}
