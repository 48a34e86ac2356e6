package load

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Unary is one kind of gRPC call against one server, as Load is one kind of HTTP
// request: so many connections, with so many calls on each at any time.
type Unary struct {
	Addr   string // host:port on the loopback
	PID    int    // the server's process
	Conns  int
	Each   int               // calls at a time on a connection
	Path   string            // /package.Service/Method
	Header map[string]string // metadata
	// Message appends the n-th request's message.
	Message func(n int64, dst []byte) []byte

	fleet
}

// Burst makes calls for d and fails on the first that is refused.
func (u *Unary) Burst(d time.Duration) (Result, error) {
	conns := make([]*h2conn, 0, u.Conns)
	for range u.Conns {
		c, err := net.Dial("tcp", u.Addr)
		if err != nil {
			for _, c := range conns {
				c.net.Close()
			}
			return Result{}, err
		}
		conns = append(conns, newH2(c))
	}
	return u.run(d, func() time.Duration { return CPU(u.PID) }, u.Conns, func(i int, end time.Time) ([]time.Duration, int, error) {
		defer conns[i].net.Close()
		return conns[i].loop(u, end)
	})
}

// h2conn speaks of HTTP/2 what unary calls need (RFC 9113), for the same reason
// for which conn is no HTTP client.
type h2conn struct {
	net     net.Conn
	in      *bufio.Reader
	out     *bufio.Writer
	frames  *http2.Framer
	encoder *hpack.Encoder
	decoder *hpack.Decoder
	head    bytes.Buffer
	message []byte
	stream  uint32
	began   map[uint32]time.Time // of the calls that are under way
	taken   uint32               // bytes of data since the last WINDOW_UPDATE
	size    int                  // of the latest message
	status  string               // grpc-status of the call that has just ended
}

func newH2(c net.Conn) *h2conn {
	h := &h2conn{net: c, in: bufio.NewReaderSize(c, 16<<10), out: bufio.NewWriter(c), stream: 1, began: map[uint32]time.Time{}}
	h.frames = http2.NewFramer(h.out, h.in)
	h.frames.SetReuseFrames()
	h.encoder = hpack.NewEncoder(&h.head)
	h.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == "grpc-status" {
			h.status = f.Value
		}
	})
	return h
}

func (h *h2conn) loop(u *Unary, end time.Time) (lat []time.Duration, body int, err error) {
	if err := h.net.SetDeadline(end.Add(patience)); err != nil {
		return nil, 0, err
	}
	if _, err := h.out.WriteString(http2.ClientPreface); err != nil {
		return nil, 0, err
	}
	if err := h.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}); err != nil {
		return nil, 0, err
	}
	for range u.Each {
		if err := h.ask(u); err != nil {
			return nil, 0, err
		}
	}
	for len(h.began) > 0 {
		if h.in.Buffered() == 0 { // all that has come is answered: let it go at once
			if err := h.out.Flush(); err != nil {
				return lat, body, err
			}
		}
		ended, err := h.read()
		if err != nil {
			return lat, body, err
		}
		if ended == 0 {
			continue
		}
		if h.status != "0" {
			return lat, body, fmt.Errorf("%s: status %q", u.Path, h.status)
		}
		now := time.Now()
		lat = append(lat, now.Sub(h.began[ended]))
		delete(h.began, ended)
		body, h.status = max(body, h.size), ""
		if now.Before(end) {
			if err := h.ask(u); err != nil {
				return lat, body, err
			}
		}
	}
	return lat, body, nil
}

// ask writes a call: a frame of headers, one of data.
func (h *h2conn) ask(u *Unary) error {
	h.head.Reset()
	for _, f := range [...][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", u.Path}, {":authority", u.Addr}, {"content-type", "application/grpc"}, {"te", "trailers"}, {"user-agent", "octomesh-bench"},
	} {
		if err := h.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return err
		}
	}
	for name, value := range u.Header {
		if err := h.encoder.WriteField(hpack.HeaderField{Name: name, Value: value}); err != nil {
			return err
		}
	}
	if err := h.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: h.stream, BlockFragment: h.head.Bytes(), EndHeaders: true}); err != nil {
		return err
	}
	h.message = u.Message(u.count.Add(1)-1, append(h.message[:0], 0, 0, 0, 0, 0))
	binary.BigEndian.PutUint32(h.message[1:], uint32(len(h.message)-5))
	if err := h.frames.WriteData(h.stream, true, h.message); err != nil {
		return err
	}
	h.began[h.stream] = time.Now()
	h.stream += 2
	return nil
}

// read reads a frame, and returns the stream that it ends; 0 for none.
func (h *h2conn) read() (ended uint32, err error) {
	f, err := h.frames.ReadFrame()
	if err != nil {
		return 0, err
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			err = h.frames.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			err = h.frames.WritePing(true, f.Data)
		}
	case *http2.DataFrame:
		h.size = len(f.Data()) - 5
		if h.taken += f.Length; h.taken > 16<<10 {
			err = h.frames.WriteWindowUpdate(0, h.taken)
			h.taken = 0
		}
	case *http2.HeadersFrame:
		if !f.HeadersEnded() {
			return 0, errors.New("headers in several frames")
		}
		if _, err := h.decoder.Write(f.HeaderBlockFragment()); err != nil {
			return 0, err
		}
		if f.StreamEnded() {
			return f.StreamID, h.decoder.Close()
		}
	case *http2.RSTStreamFrame:
		return 0, fmt.Errorf("a call was reset: %v", f.ErrCode)
	case *http2.GoAwayFrame:
		return 0, fmt.Errorf("the server goes away: %v", f.ErrCode)
	}
	return 0, err
}
