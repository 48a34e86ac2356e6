package stdio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

func (b *Bridge) request(ctx context.Context, method string, body []byte, session string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	h := req.Header
	h.Set("Accept", "application/json, text/event-stream")
	if body != nil {
		h.Set("Content-Type", "application/json")
	}
	if b.Key != "" {
		h.Set("X-API-Key", b.Key)
	}
	if b.Project != "" {
		h.Set("X-Project", b.Project)
	}
	if session != "" {
		h.Set("Mcp-Session-Id", session)
		b.mu.Lock()
		if b.version != "" {
			h.Set("Mcp-Protocol-Version", b.version)
		}
		b.mu.Unlock()
	}
	return req, nil
}

// post sends a message. One of a revision without sessions names its revision
// and what it asks for in headers.
func (b *Bridge) post(ctx context.Context, line []byte, m message, session string) (*http.Response, error) {
	if m.Params.Meta.Version >= sessionless {
		session = ""
	}
	req, err := b.request(ctx, http.MethodPost, line, session)
	if err != nil {
		return nil, err
	}
	if m.Params.Meta.Version >= sessionless {
		req.Header.Set("Mcp-Protocol-Version", m.Params.Meta.Version)
		req.Header.Set("Mcp-Method", m.Method)
		if name := m.Params.Name + m.Params.URI; name != "" {
			req.Header.Set("Mcp-Name", name)
		}
	}
	return b.HTTP.Do(req)
}

// opened takes the session that an initialize opened.
func (b *Bridge) opened(res *http.Response) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.session = res.Header.Get("Mcp-Session-Id")
}

// negotiated takes the revision that the server chose.
func (b *Bridge) negotiated(body []byte) {
	var r struct {
		Result struct {
			ProtocolVersion string `json:"protocolVersion"`
		} `json:"result"`
	}
	if json.Unmarshal(body, &r) == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.version = r.Result.ProtocolVersion
	}
}

var errNoSession = errors.New("the session could not be opened again")

// reopen opens the session anew with the program's own initialize, whose second
// reply it does not see. Of those who found the session gone one does it.
func (b *Bridge) reopen(ctx context.Context, gone string) error {
	b.opening.Lock()
	defer b.opening.Unlock()
	b.mu.Lock()
	line, session := b.initialize, b.session
	b.mu.Unlock()
	if session != gone {
		return nil
	}
	if line == nil {
		return errNoSession
	}
	res, err := b.post(ctx, line, message{Method: "initialize"}, "")
	if err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	_ = res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s", errNoSession, res.Status)
	}
	b.opened(res)
	b.negotiated(body)
	res, err = b.post(ctx, []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`), message{Method: "notifications/initialized"}, b.current())
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	b.listen()
	return nil
}

// listen follows the session's own stream, by which the server tells of changes,
// in place of a former one.
func (b *Bridge) listen() {
	session := b.current()
	if session == "" {
		return
	}
	ctx, cancel := context.WithCancel(b.root)
	b.mu.Lock()
	if b.listening != nil {
		b.listening()
	}
	b.listening = cancel
	b.mu.Unlock()
	b.work.Go(func() {
		defer cancel()
		last := ""
		for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 10*time.Second) {
			if b.follow(ctx, session, &last) {
				wait = 100 * time.Millisecond
			}
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
			if b.current() != session {
				return
			}
		}
	})
}

// follow reads the stream until it ends, and reports whether it began.
func (b *Bridge) follow(ctx context.Context, session string, last *string) bool {
	req, err := b.request(ctx, http.MethodGet, nil, session)
	if err != nil {
		return false
	}
	if *last != "" {
		req.Header.Set("Last-Event-ID", *last)
	}
	res, err := b.HTTP.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusNotFound {
		if err := b.reopen(ctx, session); err != nil {
			b.Say("%v", err)
		}
		return false
	}
	if res.StatusCode != http.StatusOK || !isStream(res) {
		return false
	}
	_ = b.events(res.Body, func(id string) { *last = id })
	return true
}

func isStream(res *http.Response) bool {
	return strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")
}

// events writes the messages of a stream of server-sent events (HTML standard,
// section 9.2) and tells of their ids.
func (b *Bridge) events(r io.Reader, seen func(id string)) error {
	in := bufio.NewReader(r)
	var data []byte
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		line = strings.TrimRight(line, "\r\n")
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && len(data) > 0:
			b.write(data)
			data = data[:0]
		case field == "data":
			if len(data)+len(value) > maxLine {
				return errors.New("an event is too long")
			}
			data = append(append(data, value...), '\n')
		case field == "id" && value != "":
			seen(value)
		}
	}
}
