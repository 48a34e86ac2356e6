// Command floor is what a good developer writes in a day: the same table behind
// REST, NATS and SQLite (or PostgreSQL) as the product's benchmark schema, with
// structs, encoding/json and database/sql (or pgx), an event for each write in a JetStream
// stream, and an SSE stream of them; no keys, no validation, no change log.
// bench/versus measures the product against it, both in one sitting.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/valyala/fasthttp"
)

type message struct {
	ID     string          `json:"id,omitempty"`
	MinAge int             `json:"minAge,omitempty"`
	Limit  int             `json:"limit,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
}

type app struct {
	db      table
	gateway *nats.Conn
	js      jetstream.JetStream
	hub     hub
}

// hub hands every event to every subscriber that has room for it.
type hub struct {
	mu   sync.RWMutex
	subs map[chan []byte]struct{}
}

func (h *hub) add() chan []byte {
	c := make(chan []byte, 256)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs[c] = struct{}{}
	return c
}

func (h *hub) remove(c chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs, c)
}

func (h *hub) emit(b []byte) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for c := range h.subs {
		select {
		case c <- b:
		default: // lost: the measurement counts it
		}
	}
}

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "listen address; port 0 takes a free one")
	dir := flag.String("dir", "", "data folder (a temporary one when empty)")
	sync := flag.String("sync", "full", "SQLite's synchronous: full or normal")
	uri := flag.String("postgres", "", "address of an empty PostgreSQL database to use instead of SQLite")
	rows := flag.Int("rows", 10000, "rows to seed")
	flag.Parse()
	if err := run(*addr, *dir, *sync, *uri, *rows); err != nil {
		log.Fatal(err)
	}
}

func run(addr, dir, sync, uri string, rows int) error {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "floor")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(tmp) }()
		dir = tmp
	}
	db, err := open(dir, sync, uri, rows)
	if err != nil {
		return err
	}
	ns, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, JetStream: true, StoreDir: dir})
	if err != nil {
		return err
	}
	ns.Start()
	if !ns.ReadyForConnections(5 * time.Second) {
		return errors.New("NATS is not ready")
	}
	worker, err := nats.Connect("", nats.InProcessServer(ns))
	if err != nil {
		return err
	}
	gateway, err := nats.Connect("", nats.InProcessServer(ns))
	if err != nil {
		return err
	}
	a := &app{db: db, gateway: gateway, hub: hub{subs: map[chan []byte]struct{}{}}}
	if a.js, err = jetstream.New(worker); err != nil {
		return err
	}
	_, err = a.js.CreateOrUpdateStream(context.Background(), jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"floor.events.>"}, Storage: jetstream.FileStorage, MaxAge: 24 * time.Hour})
	if err != nil {
		return err
	}
	if _, err := gateway.Subscribe("floor.events.>", func(m *nats.Msg) { a.hub.emit(m.Data) }); err != nil {
		return err
	}
	if err := a.serve(worker); err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", l.Addr())
	return (&fasthttp.Server{Handler: a.handle, NoDefaultServerHeader: true}).Serve(l)
}

func open(dir, sync, uri string, rows int) (table, error) {
	if uri != "" {
		return openPostgres(uri, rows)
	}
	return openSQLite(dir+"/floor.db", sync, rows)
}

// serve answers the mesh side: a goroutine for each request, at most 256.
func (a *app) serve(worker *nats.Conn) error {
	svc, err := micro.AddService(worker, micro.Config{Name: "entity", Version: "1.0.0"})
	if err != nil {
		return err
	}
	group, slots := svc.AddGroup("floor.User"), make(chan struct{}, 256)
	on := func(op string, do func(*message) ([]byte, error)) {
		err = errors.Join(err, group.AddEndpoint(op, micro.HandlerFunc(func(r micro.Request) {
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				var m message
				if err := json.Unmarshal(r.Data(), &m); err != nil {
					_ = r.Error("400", err.Error(), nil)
					return
				}
				b, err := do(&m)
				if err != nil {
					_ = r.Error("500", err.Error(), nil)
					return
				}
				_ = r.Respond(b)
			}()
		})))
	}
	on("findById", func(m *message) ([]byte, error) { return a.db.get(m.ID) })
	on("findAll", func(m *message) ([]byte, error) { return a.db.list(m.MinAge, m.Limit) })
	on("create", func(m *message) ([]byte, error) { return a.publish("created")(a.db.create(m.Data)) })
	on("update", func(m *message) ([]byte, error) { return a.publish("updated")(a.db.update(m.ID, m.Data)) })
	return err
}

func (a *app) publish(verb string) func([]byte, error) ([]byte, error) {
	return func(b []byte, err error) ([]byte, error) {
		if err == nil {
			_, err = a.js.Publish(context.Background(), "floor.events."+verb, b)
		}
		return b, err
	}
}

func (a *app) call(op string, m message) ([]byte, error) {
	b, err := json.Marshal(&m)
	if err != nil {
		return nil, err
	}
	r, err := a.gateway.Request("floor.User."+op, b, 5*time.Second)
	if err != nil {
		return nil, err
	}
	if r.Header.Get("Nats-Service-Error-Code") != "" {
		return nil, errors.New(r.Header.Get("Nats-Service-Error"))
	}
	return r.Data, nil
}

func (a *app) handle(c *fasthttp.RequestCtx) {
	path := string(c.Path())
	id, one := strings.CutPrefix(path, "/users/")
	var b []byte
	var err error
	switch {
	case path == "/events":
		a.stream(c)
		return
	case path == "/users" && c.IsGet():
		args := c.QueryArgs()
		b, err = a.call("findAll", message{MinAge: args.GetUintOrZero("minAge"), Limit: args.GetUintOrZero("limit")})
	case path == "/users" && c.IsPost():
		b, err = a.call("create", message{Data: c.PostBody()})
		c.SetStatusCode(fasthttp.StatusCreated)
	case one && c.IsGet():
		b, err = a.call("findById", message{ID: id})
	case one && c.IsPut():
		b, err = a.call("update", message{ID: id, Data: c.PostBody()})
	default:
		c.SetStatusCode(fasthttp.StatusNotFound)
		return
	}
	if err != nil {
		c.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	c.SetContentType("application/json")
	c.SetBody(b)
}

func (a *app) stream(c *fasthttp.RequestCtx) {
	c.SetContentType("text/event-stream")
	events := a.hub.add()
	c.SetBodyStreamWriter(func(w *bufio.Writer) {
		defer a.hub.remove(events)
		fmt.Fprint(w, ": hi\n\n")
		for w.Flush() == nil {
			select {
			case b := <-events:
				fmt.Fprintf(w, "data: %s\n\n", b)
			case <-time.After(15 * time.Second):
				fmt.Fprint(w, ": still here\n\n")
			}
		}
	})
}
