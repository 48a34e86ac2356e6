// Package stdio carries MCP messages between a program that started us, by lines
// of JSON on stdin and stdout, and a server's /mcp, by HTTP. It understands just
// enough of them to keep a session: what they mean is the server's affair.
package stdio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// maxLine is the longest message that is taken, in bytes.
	maxLine = 16 << 20
	// maxBusy bounds the requests that are under way at a time.
	maxBusy = 32
	// sessionless is the first revision of the protocol without sessions; its
	// requests name it themselves.
	sessionless = "2026-07-28"
)

// Bridge is the way between the two sides.
type Bridge struct {
	// URL is that of /mcp; Key the API key, Project the project or "".
	URL, Key, Project string
	HTTP              *http.Client
	In                io.Reader
	Out               io.Writer
	// Say tells a person what is wrong; stdout is not for people.
	Say func(format string, args ...any)

	out  sync.Mutex
	root context.Context // Run's: streams outlive the messages that began them

	mu         sync.Mutex
	opening    sync.Mutex
	session    string
	version    string // negotiated
	initialize []byte // the program's own message, to open the session anew
	listening  context.CancelFunc
	work       sync.WaitGroup
}

// message is what the bridge reads of one.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name string `json:"name"`
		URI  string `json:"uri"`
		Meta struct {
			Version string `json:"io.modelcontextprotocol/protocolVersion"`
		} `json:"_meta"`
	} `json:"params"`
}

// Run carries messages until stdin ends, and answers what is under way then, or
// until ctx does. Either way it ends the session, and writes nothing more once it
// has returned.
func (b *Bridge) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	b.root = ctx
	var requests sync.WaitGroup
	defer func() {
		requests.Wait()
		cancel()
		b.work.Wait() // a stream that is followed still would open another session
		b.close()
	}()
	lines := make(chan []byte)
	ended := make(chan error, 1)
	go func() {
		in := bufio.NewScanner(b.In)
		in.Buffer(make([]byte, 64<<10), maxLine)
		for in.Scan() {
			select {
			case lines <- bytes.Clone(in.Bytes()):
			case <-ctx.Done():
				return
			}
		}
		ended <- in.Err()
	}()
	busy := make(chan struct{}, maxBusy)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return err
		case line := <-lines:
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			var m message
			if err := json.Unmarshal(line, &m); err != nil {
				b.fail(nil, -32700, "PARSE_ERROR: "+err.Error())
				continue
			}
			// What has no reply, and what opens the session, keeps its order.
			if m.ID == nil || m.Method == "" || m.Method == "initialize" {
				b.carry(ctx, line, m)
				continue
			}
			if m.Method == "subscriptions/listen" { // lasts as long as the program
				b.work.Go(func() { b.carry(ctx, line, m) })
				continue
			}
			busy <- struct{}{}
			requests.Go(func() {
				defer func() { <-busy }()
				b.carry(ctx, line, m)
			})
		}
	}
}

// carry sends a message and writes what comes back.
func (b *Bridge) carry(ctx context.Context, line []byte, m message) {
	if m.Method == "initialize" {
		b.mu.Lock()
		b.initialize, b.session, b.version = line, "", ""
		b.mu.Unlock()
	}
	session := b.current()
	res, err := b.post(ctx, line, m, session)
	if err == nil && res.StatusCode == http.StatusNotFound && session != "" && m.Method != "initialize" {
		// The server forgot the session: it was restarted, or nothing was asked
		// for long.
		_ = res.Body.Close()
		if err = b.reopen(ctx, session); err == nil {
			res, err = b.post(ctx, line, m, b.current())
		}
	}
	if err != nil {
		if ctx.Err() == nil {
			b.Say("the server cannot be reached: %v", err)
			b.fail(m.ID, -32000, "UNAVAILABLE: the server at "+b.URL+" cannot be reached")
		}
		return
	}
	defer func() { _ = res.Body.Close() }()
	if m.Method == "initialize" && res.StatusCode == http.StatusOK {
		b.opened(res)
	}
	b.answer(ctx, res, m)
	if m.Method == "notifications/initialized" {
		b.listen()
	}
}

// answer writes the reply to a message.
func (b *Bridge) answer(ctx context.Context, res *http.Response, m message) {
	switch {
	case res.StatusCode == http.StatusAccepted || res.StatusCode == http.StatusNoContent:
		return
	case isStream(res):
		if err := b.events(res.Body, func(string) {}); err != nil && ctx.Err() == nil {
			b.Say("a reply broke off: %v", err)
		}
		return
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		if ctx.Err() == nil {
			b.fail(m.ID, -32000, "UNAVAILABLE: the reply broke off")
		}
		return
	}
	if res.StatusCode == http.StatusOK {
		if m.Method == "initialize" {
			b.negotiated(body)
		}
		b.write(body)
		return
	}
	var refusal struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &refusal) != nil || len(refusal.Error) == 0 || refusal.Error[0] != '{' {
		b.fail(m.ID, -32000, fmt.Sprintf("the server answered %s", res.Status))
		return
	}
	b.Say("refused: %s", refusal.Error)
	if m.ID != nil {
		b.write(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":%s}`, m.ID, refusal.Error))
	}
}

// fail answers a request that got no answer; nobody waits for one without an id.
func (b *Bridge) fail(id json.RawMessage, code int, text string) {
	if id == nil && code != -32700 {
		return
	}
	if id == nil {
		id = json.RawMessage("null")
	}
	said, err := json.Marshal(text)
	if err == nil {
		b.write(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%s}}`, id, code, said))
	}
}

// write writes one message as a line of its own.
func (b *Bridge) write(msg []byte) {
	var line bytes.Buffer
	if err := json.Compact(&line, msg); err != nil {
		b.Say("the server sent no JSON: %v", err)
		return
	}
	line.WriteByte('\n')
	b.out.Lock()
	defer b.out.Unlock()
	if _, err := b.Out.Write(line.Bytes()); err != nil {
		b.Say("stdout: %v", err)
	}
}

// close ends the session on the server.
func (b *Bridge) close() {
	session := b.current()
	if session == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := b.request(ctx, http.MethodDelete, nil, session)
	if err != nil {
		return
	}
	if res, err := b.HTTP.Do(req); err == nil {
		_ = res.Body.Close()
	}
}

func (b *Bridge) current() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session
}
