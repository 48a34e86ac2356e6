package mongotest

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Options are the settings of Start.
type Options struct {
	// Standalone makes it a server without transactions, which is no member of a
	// replica set.
	Standalone bool
	// Before, if set, sees each command before it is run, and may answer it with
	// a Failure instead.
	Before func(command string, body bson.Raw) *Failure
}

// Failure is an answer that a test wants instead of the right one.
type Failure struct {
	Code   int32
	Text   string
	Labels []string
	// Hangup closes the connection without an answer; After runs the command
	// first.
	Hangup, After bool
}

// Server is a running peer.
type Server struct {
	o        Options
	listener net.Listener
	done     sync.WaitGroup

	mu       sync.Mutex
	released *sync.Cond // locks of transactions were released
	conns    map[net.Conn]bool
	now      state
	clock    uint32           // of commits; the cluster's time
	history  map[uint32]state // what snapshot reads were promised
	txs      map[string]*txn  // by session
	over     map[string]int64 // the last transaction that a session has committed
	locks    map[string]*txn  // by namespace and key
	cursors  map[int64][]bson.Raw
	nextID   int64
}

// Start listens on a free port of this machine until the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		o: o, listener: l, conns: map[net.Conn]bool{}, now: state{}, clock: 1, history: map[uint32]state{},
		txs: map[string]*txn{}, over: map[string]int64{}, locks: map[string]*txn{}, cursors: map[int64][]bson.Raw{},
	}
	s.released = sync.NewCond(&s.mu)
	s.done.Go(s.accept)
	t.Cleanup(s.Stop)
	return s
}

// URI is the address of a database of that name.
func (s *Server) URI(database string) string {
	if s.o.Standalone {
		return fmt.Sprintf("mongodb://%s/%s?directConnection=true", s.listener.Addr(), database)
	}
	return fmt.Sprintf("mongodb://%s/%s?replicaSet=rs0", s.listener.Addr(), database)
}

// Stop ends it as a crash does: connections break.
func (s *Server) Stop() {
	_ = s.listener.Close()
	s.Hangup()
	s.done.Wait()
}

// Hangup breaks all connections.
func (s *Server) Hangup() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.done.Go(func() {
			defer func() {
				_ = c.Close()
				s.mu.Lock()
				delete(s.conns, c)
				s.mu.Unlock()
			}()
			s.serve(c)
		})
	}
}

func (s *Server) serve(c net.Conn) {
	for {
		m, err := readMessage(c)
		if err != nil {
			return
		}
		reply, hangup := s.handle(m)
		if hangup || m.answer(c, reply) != nil {
			return
		}
	}
}

// refusal is a command's error.
type refusal struct {
	code   int32
	text   string
	labels []string
	extra  bson.D
}

func (r *refusal) Error() string { return r.text }

func refuse(code int32, format string, args ...any) error {
	return &refusal{code: code, text: fmt.Sprintf(format, args...)}
}

func (r *refusal) reply() bson.D {
	d := bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: r.text}, {Key: "code", Value: r.code}, {Key: "codeName", Value: fmt.Sprintf("Code%d", r.code)}}
	if len(r.labels) > 0 {
		d = append(d, bson.E{Key: "errorLabels", Value: r.labels})
	}
	return append(d, r.extra...)
}

// handle runs one command.
func (s *Server) handle(m *message) (reply bson.Raw, hangup bool) {
	elements, err := m.body.Elements()
	if err != nil || len(elements) == 0 {
		return marshal((&refusal{code: 9, text: "an empty command"}).reply()), false
	}
	name := elements[0].Key()
	var f *Failure
	if s.o.Before != nil {
		f = s.o.Before(name, m.body)
	}
	if f != nil && !f.After {
		if f.Hangup {
			return nil, true
		}
		s.mu.Lock()
		s.forget(m)
		s.mu.Unlock()
		return marshal((&refusal{code: f.Code, text: f.Text, labels: f.Labels}).reply()), false
	}
	d, err := s.run(name, m)
	if err != nil {
		var r *refusal
		if !errors.As(err, &r) {
			r = &refusal{code: 1, text: err.Error()}
		}
		d = r.reply()
	}
	if f != nil {
		if f.Hangup {
			return nil, true
		}
		d = (&refusal{code: f.Code, text: f.Text, labels: f.Labels}).reply()
	}
	return marshal(d), false
}

func marshal(d bson.D) bson.Raw {
	b, err := bson.Marshal(d)
	if err != nil {
		panic(err) // an answer of our own making
	}
	return b
}

// run finds the command. Everything happens under one lock.
func (s *Server) run(name string, m *message) (bson.D, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch name {
	case "hello", "isMaster", "ismaster":
		return s.hello(), nil
	case "ping", "endSessions", "killCursors":
		return s.session(name, m), nil
	case "saslStart", "saslContinue":
		return nil, refuse(18, "Authentication failed.")
	case "commitTransaction", "abortTransaction":
		return s.finish(name, m)
	case "getMore":
		return s.getMore(m)
	}
	c, err := s.begin(name, m)
	if err != nil {
		return nil, err
	}
	run, ok := commands[name]
	if !ok {
		return nil, refuse(59, "no such command: '%s' (mongotest)", name)
	}
	d, err := run(c)
	return c.end(d, err)
}

func (s *Server) hello() bson.D {
	addr := s.listener.Addr().String()
	d := bson.D{
		{Key: "helloOk", Value: true},
		{Key: "ismaster", Value: true},
		{Key: "isWritablePrimary", Value: true},
		{Key: "maxBsonObjectSize", Value: int32(16 << 20)},
		{Key: "maxMessageSizeBytes", Value: int32(maxMessage)},
		{Key: "maxWriteBatchSize", Value: int32(100_000)},
		{Key: "localTime", Value: bson.NewDateTimeFromTime(time.Now())},
		{Key: "logicalSessionTimeoutMinutes", Value: int32(30)},
		{Key: "connectionId", Value: int32(1)},
		{Key: "minWireVersion", Value: int32(0)},
		{Key: "maxWireVersion", Value: int32(21)},
		{Key: "readOnly", Value: false},
	}
	if !s.o.Standalone {
		d = append(d, bson.D{
			{Key: "setName", Value: "rs0"},
			{Key: "setVersion", Value: int32(1)},
			{Key: "secondary", Value: false},
			{Key: "hosts", Value: bson.A{addr}},
			{Key: "primary", Value: addr},
			{Key: "me", Value: addr},
		}...)
	}
	return append(d, bson.E{Key: "ok", Value: 1.0})
}

func (s *Server) session(name string, m *message) bson.D {
	switch name {
	case "endSessions":
		if a, ok := m.body.Lookup("endSessions").ArrayOK(); ok {
			values, _ := a.Values()
			for _, v := range values {
				if d, ok := v.DocumentOK(); ok {
					s.abort(string(d))
				}
			}
		}
	case "killCursors":
		if a, ok := m.body.Lookup("cursors").ArrayOK(); ok {
			values, _ := a.Values()
			for _, v := range values {
				if id, ok := v.AsInt64OK(); ok {
					delete(s.cursors, id)
				}
			}
		}
	}
	return bson.D{{Key: "ok", Value: 1.0}}
}
