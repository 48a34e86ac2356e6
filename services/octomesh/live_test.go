package octomesh

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	client "github.com/octomesh/octomesh/clients/go"
)

// creates keeps creating entries at a rate until the returned stop is called,
// which returns how many were acknowledged and the last position.
func creates(t *testing.T, s *server, perSecond int) (stop func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var n int
	var m client.Meta
	done, c := make(chan struct{}), s.client()
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second / time.Duration(perSecond))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			var one client.Meta
			if _, err := client.Create[entry](context.Background(), c, "Entry", entry{Text: fmt.Sprint(n)}, client.WithMeta(&one)); err != nil {
				t.Errorf("create %d: %v", n, err)
				return
			}
			n, m = n+1, one
		}
	}()
	return func() (int, string) {
		cancel()
		<-done
		return n, m.Position
	}
}

// start of the log, for readers that want everything.
func beginning(t *testing.T, s *server) string {
	t.Helper()
	var m client.Meta
	if _, err := client.Create[entry](t.Context(), s.client(), "Entry", entry{Text: "first"}, client.WithMeta(&m)); err != nil {
		t.Fatal(err)
	}
	return m.Position
}

// reader reads some events from a position over one connection and tells how
// far it came.
type reader func(ctx context.Context, s *server, from string, most int, each func(id, position string)) error

func readSSE(ctx context.Context, s *server, from string, most int, each func(id, position string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for ev, err := range s.client().Watch(ctx, client.Watching{Entities: []string{"Entry"}, Position: from}) {
		if err != nil {
			return err
		}
		each(ev.ID, ev.Position)
		if most--; most == 0 {
			return nil
		}
	}
	return ctx.Err()
}

func readWS(ctx context.Context, s *server, from string, most int, each func(id, position string)) error {
	ws, err := dialWS(ctx, s, s.Key)
	if err != nil {
		return err
	}
	defer ws.Close()
	stop := context.AfterFunc(ctx, func() { _ = ws.Close() })
	defer stop()
	if err := ws.WriteJSON(map[string]any{"type": "subscribe", "reqId": "1", "entity": "Entry", "position": from}); err != nil {
		return err
	}
	for most > 0 {
		var f struct{ Type, Event, ID, Position, Sub string }
		if err := ws.ReadJSON(&f); err != nil {
			return errors.Join(ctx.Err(), err)
		}
		switch {
		case f.Type == "gap":
			return errors.New("gap at " + f.Position)
		case f.Type == "event" && f.Sub != "":
			each(f.ID, f.Position)
			most--
		}
	}
	return nil
}

func dialWS(ctx context.Context, s *server, key string) (*websocket.Conn, error) {
	ws, resp, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+s.HTTP+"/ws?events=0", http.Header{"X-Api-Key": {key}})
	if err != nil && resp != nil {
		return nil, fmt.Errorf("%w: status %d", err, resp.StatusCode)
	}
	return ws, err
}

// TestLiveResume reconnects at random moments under load and misses nothing.
func TestLiveResume(t *testing.T) {
	reconnects := 20
	if long() {
		reconnects = 200
	}
	for name, read := range map[string]reader{"sse": readSSE, "ws": readWS} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, schemaFile(t, ledgerSchema))
			from := beginning(t, s)
			stop := creates(t, s, 500)
			ctx := within(t, 5*time.Minute)
			seen := map[string]int{}
			total := 0
			note := func(id, position string) { seen[id]++; total++; from = position }
			for range reconnects {
				if err := read(ctx, s, from, 1+rand.IntN(25), note); err != nil {
					t.Fatal(err)
				}
			}
			made, last := stop()
			if left := made - total; left > 0 {
				if err := read(ctx, s, from, left, note); err != nil {
					t.Fatal(err)
				}
			}
			double := 0
			for _, n := range seen {
				double += n - 1
			}
			if total != made || double > 0 || from != last {
				t.Errorf("%d created, %d seen, %d of them twice; at %s, last is %s", made, total, double, from, last)
			}
			figure(map[string]any{"transport": name, "reconnects": reconnects, "creates": made, "gaps": made - len(seen), "doubles": double})
		})
	}
}

// TestLiveExpiredPositionIsAGap answers a position of another log with GAP.
func TestLiveExpiredPositionIsAGap(t *testing.T) {
	s := serve(t, schemaFile(t, ledgerSchema))
	beginning(t, s)
	for _, err := range s.client().Watch(within(t, 10*time.Second), client.Watching{Position: "zzzzzzzz-1"}) {
		if !errors.Is(err, client.ErrGap) {
			t.Errorf("SSE answered %v", err)
		}
		break
	}
	if err := readWS(within(t, 10*time.Second), s, "zzzzzzzz-1", 1, func(string, string) {}); err == nil || !strings.HasPrefix(err.Error(), "gap at ") {
		t.Errorf("WebSocket answered %v", err)
	}
	figure(map[string]any{"expired_position": "GAP"})
}

// TestLiveLeave tells a filtered subscriber what a change is to it.
func TestLiveLeave(t *testing.T) {
	s := serve(t, schemaFile(t, ledgerSchema))
	from, c := beginning(t, s), s.client()
	for _, step := range []float64{1, 5, 6, 2} { // outside, enter, stay, leave
		var err error
		if step == 1 {
			_, err = client.Create[account](t.Context(), c, "Account", account{ID: "x", Owner: "o", Step: step})
		} else {
			_, err = client.Update[account](t.Context(), c, "Account", "x", map[string]float64{"step": step})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for ev, err := range c.Watch(within(t, 10*time.Second), client.Watching{Entities: []string{"Account"}, Filter: client.Filter{"step": client.Filter{"$gte": 5}}, Position: from}) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Match == "leave" && len(ev.Data) > 0 && string(ev.Data) != "null" {
			t.Errorf("leave shows the record: %s", ev.Data)
		}
		if got = append(got, ev.Match); len(got) == 3 {
			break
		}
	}
	if strings.Join(got, " ") != "enter stay leave" {
		t.Errorf("matches %v", got)
	}
	figure(map[string]any{"matches": got})
}

// TestLiveSlowReader connects readers that never read; they are cut off, and the
// healthy ones beside them see everything.
func TestLiveSlowReader(t *testing.T) {
	together(t)
	healthy := 20
	if long() {
		healthy = 1000
	}
	s := serve(t, schemaFile(t, blobSchema))
	c := s.client()
	slow, err := net.Dial("tcp", s.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_ = slow.(*net.TCPConn).SetReadBuffer(4096)
	fmt.Fprintf(slow, "GET /events?entity=Blob HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n\r\n", s.Key)
	answer, err := bufio.NewReaderSize(slow, 16).ReadString('\n')
	if err != nil || !strings.Contains(answer, " 200 ") {
		t.Fatalf("the slow reader was answered %q, %v", answer, err)
	}

	const events, perEvent = 600, 32 << 10
	var received atomic.Int64
	var ready, done sync.WaitGroup
	ctx := within(t, 3*time.Minute)
	for range healthy {
		ready.Add(1)
		done.Go(func() { count(t, ctx, s, events, ready.Done, &received) })
	}
	ready.Wait()
	body := strings.Repeat("x", perEvent)
	for i := range events {
		if _, err := client.Create[map[string]any](ctx, c, "Blob", map[string]any{"n": i, "body": body}); err != nil {
			t.Fatal(err)
		}
	}
	done.Wait()
	// The socket of the slow one ends: drain what the kernel holds and see it.
	_ = slow.SetReadDeadline(time.Now().Add(30 * time.Second))
	rest, total, bye := make([]byte, 64<<10), 0, ""
	for {
		n, err := slow.Read(rest)
		total += n
		bye = lastOf(bye+string(rest[:n]), 256)
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Error("the reader that never read was not cut off")
			}
			break
		}
	}
	if want := int64(healthy * events); received.Load() != want {
		t.Errorf("the healthy readers got %d events, want %d", received.Load(), want)
	}
	figure(map[string]any{"healthy": healthy, "events": events, "delivered": received.Load(), "slow_reader_got_kb": total >> 10, "sent_kb": events * perEvent >> 10})
}

func lastOf(s string, n int) string { return s[max(0, len(s)-n):] }

// count reads events off a plain connection, without decoding them.
func count(t *testing.T, ctx context.Context, s *server, want int, ready func(), got *atomic.Int64) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.HTTP)
	if err != nil {
		t.Error(err)
		ready()
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	fmt.Fprintf(conn, "GET /events?entity=Blob HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n\r\n", s.Key)
	r, begun := bufio.NewReaderSize(conn, 32<<10), false
	for n := 0; n < want; {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			t.Errorf("a healthy reader was cut off after %d events: %v", n, err)
			if !begun {
				ready()
			}
			return
		}
		if !begun && strings.HasPrefix(string(line), "event: connected") {
			begun = true
			ready()
		}
		if strings.HasPrefix(string(line), "event: entity.") {
			n++
			got.Add(1)
		}
	}
}

// TestLiveRevocation revokes a key: it is refused on every door within 100 ms,
// and its open streams end.
func TestLiveRevocation(t *testing.T) {
	s := serve(t, schemaFile(t, ledgerSchema))
	admin := s.client()
	k, err := admin.CreateKey(t.Context(), client.NewKey{Label: "short-lived", Permissions: client.Permissions{Scopes: map[string][]string{
		"projects": {"default"}, "operations": {"read"}, "transports": {"*"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	c := s.client(client.WithAPIKey(k.Secret))
	if _, err := c.Count(t.Context(), "Entry", nil); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 20*time.Second)
	ws, err := dialWS(ctx, s, k.Secret)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	ended := make(chan time.Time, 2)
	closed := make(chan int, 1)
	go func() {
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				var ce *websocket.CloseError
				if errors.As(err, &ce) {
					closed <- ce.Code
				} else {
					closed <- 0
				}
				ended <- time.Now()
				return
			}
		}
	}()
	open := make(chan struct{})
	go func() {
		u := "http://" + s.HTTP + "/events?" + url.Values{"entity": {"Entry"}}.Encode()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
		req.Header.Set("X-API-Key", k.Secret)
		resp, err := http.DefaultClient.Do(req)
		close(open)
		if err == nil {
			r := bufio.NewReader(resp.Body)
			for err == nil {
				_, err = r.ReadString('\n')
			}
			resp.Body.Close()
		}
		ended <- time.Now()
	}()
	<-open
	revoked := time.Now()
	if err := admin.RevokeKey(ctx, k.ID); err != nil {
		t.Fatal(err)
	}
	answered := time.Now()
	for {
		if _, err := c.Count(ctx, "Entry", nil); errors.Is(err, client.ErrUnauthorized) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	refused := time.Since(answered)
	first, second := <-ended, <-ended
	streams := max(first.Sub(answered), second.Sub(answered))
	if code := <-closed; code != 4003 {
		t.Errorf("the WebSocket closed with %d, want 4003", code)
	}
	figure(map[string]any{"revoke_ms": answered.Sub(revoked).Milliseconds(), "refused_after_ms": refused.Milliseconds(), "streams_ended_after_ms": streams.Milliseconds()})
	if judged() && (refused > 100*time.Millisecond || streams > 100*time.Millisecond) {
		t.Errorf("refused after %v, streams ended after %v", refused, streams)
	}
}
