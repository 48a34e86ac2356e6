package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// session is a connection with its prepared statements. One goroutine at a time
// uses it.
type session struct {
	*wire
	stmts   map[string]*prepared
	plans   map[*sqlgen.Plan]*prepared
	ring    prepared // next: most recently used
	parsing []*prepared
	latest  *prepared // that the server has parsed
	names   int       // given so far
	portals int
	most    int       // bytes of an answer
	since   time.Time // of its last use, in a pool
}

// prepared is a statement that the server keeps for the session.
type prepared struct {
	name       string
	sql        string
	plans      []*sqlgen.Plan // those with this text, usually one
	prev, next *prepared
	there      bool   // the server has said so
	formats    []byte // of its columns; nil = not known, or all text
}

// statements is how many statements a session keeps prepared.
const statements = 256

func (db *DB) connect(ctx context.Context, role role) (*session, error) {
	w, err := dial(ctx, db.config(role), db.patience())
	if err != nil {
		return nil, unreachable(err)
	}
	s := &session{wire: w, stmts: make(map[string]*prepared), plans: make(map[*sqlgen.Plan]*prepared), most: db.options.most}
	s.ring.next, s.ring.prev = &s.ring, &s.ring
	return s, nil
}

// prepare returns the plan's statement; one that is new is parsed first.
func (s *session) prepare(p *sqlgen.Plan) *prepared {
	st := s.plans[p]
	if st == nil {
		if st = s.stmts[p.SQL]; st != nil {
			st.plans = append(st.plans, p)
			s.plans[p] = st
		}
	}
	if st != nil {
		if s.ring.next != st {
			st.unlink()
			s.front(st)
		}
		return st
	}
	if len(s.stmts) >= statements {
		s.evict()
	}
	s.names++
	st = &prepared{name: "s" + strconv.Itoa(s.names), sql: p.SQL, plans: []*sqlgen.Plan{p}}
	s.stmts[p.SQL], s.plans[p] = st, st
	s.front(st)
	s.parse(st.name, p.SQL)
	if slices.ContainsFunc(p.Kinds, binaryKind) {
		s.describe(st.name)
	}
	s.parsing = append(s.parsing, st)
	return st
}

// evict gives up the statement that was not used for longest.
func (s *session) evict() {
	for st := s.ring.prev; st != &s.ring; st = st.prev {
		if st.there {
			s.drop(st)
			s.forget('S', st.name)
			return
		}
	}
}

func (s *session) drop(st *prepared) {
	st.unlink()
	delete(s.stmts, st.sql)
	for _, p := range st.plans {
		delete(s.plans, p)
	}
}

func (s *session) front(st *prepared) {
	st.prev, st.next = &s.ring, s.ring.next
	s.ring.next.prev = st
	s.ring.next = st
}

func (st *prepared) unlink() {
	st.prev.next, st.next.prev = st.next, st.prev
}

// command adds a statement without values to the pipeline.
func (s *session) command(p *sqlgen.Plan) {
	s.bind("", s.prepare(p).name, []byte{0, 0}, nil)
	s.execute("", 0)
}

// put adds a request to the pipeline.
func (s *session) put(r *request) {
	s.ask("", r)
	s.execute("", 0)
}

// ask binds a request to a portal. What the server says fast in binary comes so
// once the types of the columns are known: from the second time on.
func (s *session) ask(portal string, r *request) {
	st := s.prepare(r.plan)
	r.formats = nil
	if r.plan.Kinds != nil {
		r.formats = st.formats
	}
	s.bind(portal, st.name, r.params, r.formats)
}

// The types whose text costs the server more than it costs us to make
// (https://www.postgresql.org/docs/current/catalog-pg-type.html).
const (
	typeFloat8      = 701
	typeTimestamp   = 1114
	typeTimestamptz = 1184
)

func binaryKind(k schema.Kind) bool { return k == schema.KindFloat || k == schema.KindTime }

// described takes note of a statement's columns.
func (st *prepared) described(body []byte) {
	kinds := st.plans[0].Kinds
	if len(body) < 2 || int(binary.BigEndian.Uint16(body)) != len(kinds) {
		return
	}
	formats := make([]byte, len(kinds))
	body = body[2:]
	for i := range formats {
		end := bytes.IndexByte(body, 0)
		if end < 0 || len(body) < end+19 {
			return
		}
		switch binary.BigEndian.Uint32(body[end+7:]) {
		case typeFloat8:
			if kinds[i] == schema.KindFloat {
				formats[i] = 1
			}
		case typeTimestamp, typeTimestamptz:
			if kinds[i] == schema.KindTime {
				formats[i] = 1
			}
		}
		body = body[end+19:]
	}
	st.formats = formats
}

// most is how large an answer may grow in memory, in bytes: more than any reply.
const most = 64 << 20

// answer reads the answer of the next request of the pipeline: of each what put
// has put. The error is the server's, or the connection's (then broken is set);
// after one of the server's the rest of the pipeline is void.
func (s *session) answer(r *request) (suspended bool, err error) {
	r.clear()
	for {
		kind, body, err := s.receive()
		if err != nil {
			return false, err
		}
		switch kind {
		case dataRow:
			r.keep(body, s.most)
		case parseComplete:
			s.parsed()
		case rowDescription:
			if s.latest != nil {
				s.latest.described(body)
			}
		case commandComplete:
			r.affected, r.word = tag(body), body[0]
			return false, nil
		case emptyQuery:
			return false, nil
		case portalSuspended:
			return true, nil
		case errorResponse:
			return false, refusal(body)
		case readyForQuery:
			return false, s.failed(errMissing)
		}
	}
}

func (s *session) parsed() {
	if len(s.parsing) > 0 {
		s.latest = s.parsing[0]
		s.latest.there = true
		s.parsing = s.parsing[1:]
	}
}

// settle reads to the end of the pipeline, and forgets the statements that the
// server did not come to prepare.
func (s *session) settle() error {
	var first error
	for {
		kind, body, err := s.receive()
		if err != nil {
			return err
		}
		switch kind {
		case parseComplete:
			s.parsed()
		case errorResponse:
			if first == nil {
				first = refusal(body)
			}
		case readyForQuery:
			for _, st := range s.parsing {
				s.drop(st)
			}
			s.parsing = s.parsing[:0]
			return first
		}
	}
}

// forgetAll gives up what was prepared: another program has changed the tables
// behind it, or the server lost it.
func (s *session) forgetAll() {
	for st := s.ring.next; st != &s.ring; st = s.ring.next {
		s.drop(st)
		s.forget('S', st.name)
	}
}
