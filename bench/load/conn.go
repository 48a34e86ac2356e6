package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// patience bounds a burst's every answer: a connection's deadline is set once.
const patience = 20 * time.Second

// conn is a keep-alive connection that reads of an answer only what a
// comparison needs. The generator shares the machine with what it measures: a
// whole HTTP client costs as much as a good server and blurs every ratio.
type conn struct {
	net net.Conn
	in  *bufio.Reader
	out *bufio.Writer
}

func (l *Load) connect() ([]*conn, error) {
	conns := make([]*conn, l.Conns)
	for i := range conns {
		c, err := net.Dial("tcp", l.Addr)
		if err != nil {
			for _, c := range conns[:i] {
				c.net.Close()
			}
			return nil, err
		}
		conns[i] = &conn{c, bufio.NewReaderSize(c, 16<<10), bufio.NewWriter(c)}
	}
	return conns, nil
}

func (l *Load) loop(c *conn, end time.Time) (lat []time.Duration, body int, err error) {
	if err := c.net.SetDeadline(end.Add(patience)); err != nil {
		return nil, 0, err
	}
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	req.URI().DisablePathNormalizing = true
	for {
		begin := time.Now()
		if begin.After(end) {
			return lat, body, nil
		}
		req.Header.Reset()
		req.ResetBody()
		l.Request(l.count.Add(1)-1, req)
		req.SetHost(l.Addr)
		if err := req.Write(c.out); err != nil {
			return lat, body, err
		}
		if err := c.out.Flush(); err != nil {
			return lat, body, err
		}
		status := 0
		if status, body, err = c.answer(); err != nil {
			return lat, body, err
		}
		if status != l.Status {
			return lat, body, fmt.Errorf("%s %s: status %d", req.Header.Method(), req.RequestURI(), status)
		}
		lat = append(lat, time.Since(begin))
	}
}

var length = []byte("content-length:")

// answer reads an answer: its status and how long its body is.
func (c *conn) answer() (status, body int, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	if len(line) < 12 {
		return 0, 0, fmt.Errorf("no status line: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, err
	}
	body = -1
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, 0, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		if len(line) > len(length) && bytes.EqualFold(line[:len(length)], length) {
			if body, err = strconv.Atoi(string(bytes.TrimSpace(line[len(length):]))); err != nil {
				return 0, 0, err
			}
		}
	}
	if body < 0 {
		return 0, 0, errors.New("an answer without Content-Length")
	}
	_, err = c.in.Discard(body)
	return status, body, err
}
