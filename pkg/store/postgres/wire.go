package postgres

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// wire is a connection as the extended query protocol sees it
// (https://www.postgresql.org/docs/current/protocol-flow.html): messages are
// gathered in one buffer and leave together, answers are read in their order.
// pgconn makes the connection (addresses, TLS, passwords) and hands it over.
type wire struct {
	net   net.Conn
	in    *bufio.Reader
	out   []byte
	large []byte // a message that in does not hold
	// status is what the server said last about its transaction: 'I' idle, 'T' in
	// one, 'E' in one that has failed.
	status byte
	// patience is how long an answer may take; 0 = for ever.
	patience time.Duration
	broken   error
	origin   *pgconn.PgConn // only to cancel by
}

// The kinds of messages that a backend sends.
const (
	parseComplete   = '1'
	bindComplete    = '2'
	closeComplete   = '3'
	commandComplete = 'C'
	dataRow         = 'D'
	errorResponse   = 'E'
	emptyQuery      = 'I'
	noticeResponse  = 'N'
	notification    = 'A'
	parameterStatus = 'S'
	portalSuspended = 's'
	rowDescription  = 'T'
	readyForQuery   = 'Z'
)

const (
	readBuffer = 32 << 10
	keptBuffer = 256 << 10
	// cancelPatience bounds the request to give up a statement.
	cancelPatience = time.Second
)

func dial(ctx context.Context, c *pgconn.Config, patience time.Duration) (*wire, error) {
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	err = conn.SyncConn(ctx) // or a reader that it keeps in the background takes our first answer
	var h *pgconn.HijackedConn
	if err == nil {
		h, err = conn.Hijack()
	}
	if err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return &wire{net: h.Conn, in: bufio.NewReaderSize(h.Conn, readBuffer), status: 'I', patience: patience, origin: conn}, nil
}

// cancel asks the server, on a connection of its own, to give up the statement
// that it is at: it would not notice by itself that nobody reads the answer. Then
// it ends the connection. The server may have finished meanwhile.
func (w *wire) cancel() {
	ctx, stop := context.WithTimeout(context.Background(), cancelPatience)
	defer stop()
	_ = w.origin.CancelRequest(ctx)
	_ = w.net.Close()
}

// close ends the connection, with the server's knowledge if it still listens.
func (w *wire) close() {
	if w.broken == nil {
		_ = w.net.SetDeadline(time.Now().Add(time.Second))
		_, _ = w.net.Write([]byte{'X', 0, 0, 0, 4})
		w.broken = net.ErrClosed
	}
	_ = w.net.Close()
}

// open begins a message; end puts its length in.
func (w *wire) open(kind byte) int {
	w.out = append(w.out, kind, 0, 0, 0, 0)
	return len(w.out) - 4
}

func (w *wire) end(at int) {
	binary.BigEndian.PutUint32(w.out[at:], uint32(len(w.out)-at))
}

func (w *wire) text(s string) { w.out = append(append(w.out, s...), 0) }

func (w *wire) parse(name, sql string) {
	at := w.open('P')
	w.text(name)
	w.text(sql)
	w.out = append(w.out, 0, 0)
	w.end(at)
}

// describe asks for the columns of a statement.
func (w *wire) describe(name string) {
	at := w.open('D')
	w.out = append(w.out, 'S')
	w.text(name)
	w.end(at)
}

// bind binds params (see request.params) to a statement, in text; formats are
// those of the results, nil = text.
func (w *wire) bind(portal, name string, params []byte, formats []byte) {
	at := w.open('B')
	w.text(portal)
	w.text(name)
	w.out = append(w.out, 0, 0)
	w.out = append(w.out, params...)
	w.out = binary.BigEndian.AppendUint16(w.out, uint16(len(formats)))
	for _, f := range formats {
		w.out = append(w.out, 0, f)
	}
	w.end(at)
}

// execute asks for at most rows rows of a portal; 0 = all.
func (w *wire) execute(portal string, rows int) {
	at := w.open('E')
	w.text(portal)
	w.out = binary.BigEndian.AppendUint32(w.out, uint32(rows))
	w.end(at)
}

// forget closes a statement ('S') or a portal ('P').
func (w *wire) forget(what byte, name string) {
	at := w.open('C')
	w.out = append(w.out, what)
	w.text(name)
	w.end(at)
}

// query is a statement without parameters of the simple protocol.
func (w *wire) query(sql string) {
	at := w.open('Q')
	w.text(sql)
	w.end(at)
}

// sync ends the pipeline: the server answers with what it stands at, and takes
// up work again that it had dropped after an error.
func (w *wire) sync() { w.end(w.open('S')) }

// flush sends what was gathered.
func (w *wire) flush() error {
	if w.broken != nil {
		return w.broken
	}
	var deadline time.Time
	if w.patience > 0 {
		deadline = time.Now().Add(w.patience)
	}
	_ = w.net.SetDeadline(deadline)
	_, err := w.net.Write(w.out)
	if w.out = w.out[:0]; cap(w.out) > keptBuffer {
		w.out = nil
	}
	return w.failed(err)
}

// failed notes an error of the connection, after which nothing can be said of
// what the server does.
func (w *wire) failed(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if w.broken == nil {
		w.broken = err
		_ = w.net.Close()
	}
	return w.broken
}

// receive returns the next message, valid until the one after it. Notices and
// changed parameters are passed over.
func (w *wire) receive() (kind byte, body []byte, err error) {
	for {
		head, err := w.in.Peek(5)
		if err != nil {
			return 0, nil, w.failed(err)
		}
		kind = head[0]
		n := int(int32(binary.BigEndian.Uint32(head[1:]))) - 4
		if n < 0 {
			return 0, nil, w.failed(errors.New("postgres: a message without length"))
		}
		_, _ = w.in.Discard(5)
		if n <= readBuffer {
			if body, err = w.in.Peek(n); err == nil {
				_, err = w.in.Discard(n)
			}
		} else {
			if cap(w.large) < n {
				w.large = make([]byte, n)
			}
			body = w.large[:n]
			_, err = io.ReadFull(w.in, body)
			if n > keptBuffer {
				w.large = nil
			}
		}
		if err != nil {
			return 0, nil, w.failed(err)
		}
		switch kind {
		case noticeResponse, notification, parameterStatus:
			continue
		case readyForQuery:
			if n == 1 {
				w.status = body[0]
			}
		}
		return kind, body, nil
	}
}

// refusal reads an error that the server sent.
func refusal(body []byte) error {
	var m pgproto3.ErrorResponse
	if err := m.Decode(body); err != nil {
		return err
	}
	return pgconn.ErrorResponseToPgError(&m)
}

// ready reads up to the end of a pipeline. It returns the first error of the
// server that it meets.
func (w *wire) ready() error {
	var first error
	for {
		kind, body, err := w.receive()
		switch {
		case err != nil:
			return err
		case kind == errorResponse && first == nil:
			first = refusal(body)
		case kind == readyForQuery:
			return first
		}
	}
}

// exec runs statements without parameters and results.
func (w *wire) exec(sql string) error {
	w.query(sql)
	if err := w.flush(); err != nil {
		return err
	}
	return w.ready()
}
