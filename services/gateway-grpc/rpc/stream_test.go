package rpc_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// begun is a call that has sent the length of its message, and a part of it; of a
// small one that is all.
func begun(ctx context.Context, t *testing.T, c *http.Client, cc *grpc.ClientConn, key string, length uint32) (code, message string) {
	body, rest := io.Pipe()
	defer rest.Close()
	go func() {
		_, _ = rest.Write(append(binary.BigEndian.AppendUint32([]byte{0}, length), "the beginning"...))
		if length <= rpc.SmallMessage {
			_ = rest.Close()
		}
	}()
	r, err := http.NewRequestWithContext(ctx, "POST", "http://"+cc.Target()+"/x.Y/Z", body)
	if err != nil {
		t.Error(err)
		return "", ""
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("X-Api-Key", key)
	if key == "" {
		r.Header.Del("X-Api-Key")
	}
	res, err := c.Do(r)
	if err != nil {
		return "", err.Error()
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	at := res.Header
	if at.Get("Grpc-Status") == "" {
		at = res.Trailer
	}
	return at.Get("Grpc-Status"), at.Get("Grpc-Message")
}

// plain speaks HTTP/2 without TLS, and a client's own frames.
func plain(t *testing.T) *http.Client {
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// echo answers with the message that came, and tells how the receiving ended.
func echo(ended chan error) func(*rpc.Entrance, grpc.ServerStream) error {
	return func(e *rpc.Entrance, ss grpc.ServerStream) error {
		var in rpc.Message
		err := ss.RecvMsg(&in)
		if ended != nil {
			ended <- err
		}
		if err != nil {
			return err
		}
		defer in.Free()
		return ss.SendMsg(&rpc.Message{Bytes: append([]byte(nil), in.Bytes...)})
	}
}

// TestRoom: large messages find room for as many as there is, from the moment at
// which their length is known; small ones always do, and what ends gives its room
// back.
func TestRoom(t *testing.T) {
	const places = 32
	ended := make(chan error, 4*places)
	cc := serve(t, echo(ended))
	c := plain(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answers := make(chan [2]string, places+1)
	for range places + 1 {
		go func() {
			status, message := begun(ctx, t, c, cc, "good", rpc.MaxMessage)
			answers <- [2]string{status, message}
		}()
	}
	if a := <-answers; a[0] != "14" || !strings.Contains(a[1], "large") {
		t.Errorf("one too many: %q", a)
	}
	if err := <-ended; fault.CodeOf(err) != fault.Overloaded {
		t.Error(err)
	}
	large := strings.Repeat("x", 1<<20)
	if _, _, err := ask(t, cc, large, nil, "x-api-key: good"); reason(t, err) != "OVERLOADED" {
		t.Errorf("a large one among them: %v", err)
	}
	if got, _, err := ask(t, cc, "small", nil); got != "small" || err != nil {
		t.Errorf("a small one among them: %q, %v", got, err)
	}
	if _, _, err := ask(t, cc, large, []grpc.CallOption{grpc.UseCompressor(gzip.Name)}, "x-api-key: good"); reason(t, err) != "OVERLOADED" {
		t.Errorf("one that is large once unpacked: %v", err)
	}
	for range 3 {
		<-ended
	}
	cancel()
	for range places {
		<-answers
		if err := <-ended; status.Code(err) != codes.Canceled {
			t.Errorf("a call that its client gave up ended with %v", err)
		}
	}
	for {
		got, _, err := ask(t, cc, large, nil, "x-api-key: good")
		<-ended
		if reason(t, err) == "OVERLOADED" { // the last of them is just leaving
			continue
		}
		if len(got) != len(large) || err != nil {
			t.Errorf("afterwards: %d bytes, %v", len(got), err)
		}
		break
	}
}

// TestLarge: what is large needs a credential before any of it is let in, arrives
// within its time, and is no larger than it may be.
func TestLarge(t *testing.T) {
	cc := serve(t, echo(nil), func(e *rpc.Entrance) { e.Arrival = 50 * time.Millisecond })
	c := plain(t)
	for _, at := range []struct {
		key          string
		length       uint32
		status, says string
	}{
		{"", 1 << 20, "16", "API key"},
		{"bad", 1 << 20, "16", "who is that"},
		{"good", 1 << 20, "4", "arrive within"},
		{"good", rpc.MaxMessage + 1, "8", "at most"},
		{"", 1 << 31, "8", "at most"},
		{"", 100, "3", "within a message"},
	} {
		if status, message := begun(t.Context(), t, c, cc, at.key, at.length); status != at.status || !strings.Contains(message, at.says) {
			t.Errorf("%+v: %s %q", at, status, message)
		}
	}
	packed := []grpc.CallOption{grpc.UseCompressor(gzip.Name)}
	for _, at := range []struct {
		size      int
		key, want string
	}{{1 << 20, "good", ""}, {1 << 20, "bad", "UNAUTHORIZED"}, {rpc.MaxMessage + 1, "good", "PAYLOAD_TOO_LARGE"}, {1 << 10, "bad", ""}} {
		got, _, err := ask(t, cc, strings.Repeat("x", at.size), packed, "x-api-key: "+at.key)
		if reason(t, err) != at.want || err == nil && len(got) != at.size {
			t.Errorf("%+v: %d bytes, %v", at, len(got), err)
		}
	}
}

// TestPatience: a client that takes nothing of a stream does not keep its handler,
// and is told why once it reads again; one that reads is left alone.
func TestPatience(t *testing.T) {
	ended := make(chan error, 1)
	cc := serve(t, func(_ *rpc.Entrance, ss grpc.ServerStream) error {
		for {
			if err := ss.SendMsg(wrapperspb.Bytes(make([]byte, 16<<10))); err != nil {
				ended <- err
				return err
			}
		}
	}, func(e *rpc.Entrance) { e.Patience = 50 * time.Millisecond })
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "good")
	s, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/x.Y/Z")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendMsg(wrapperspb.String("")); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; fault.CodeOf(err) != fault.Overloaded {
		t.Errorf("the handler got %v", err)
	}
	for err = nil; err == nil; {
		err = s.RecvMsg(&wrapperspb.BytesValue{})
	}
	if errors.Is(err, io.EOF) || reason(t, err) != "OVERLOADED" {
		t.Errorf("the client got %v", err)
	}
}

// TestPatienceOfUnread: who need not take what it is sent is not hurried, until it
// is waited for.
func TestPatienceOfUnread(t *testing.T) {
	began, ended := make(chan *rpc.Exchange, 3), make(chan error, 3)
	cc := serve(t, func(_ *rpc.Entrance, ss grpc.ServerStream) error {
		x := rpc.ExchangeOf(ss.Context())
		x.Unread.Store(x.RequestID == "unread")
		began <- x
		for {
			if err := ss.SendMsg(wrapperspb.Bytes(make([]byte, 16<<10))); err != nil {
				ended <- fault.New(fault.CodeOf(err), "%s: %v", x.RequestID, err)
				return err
			}
		}
	}, func(e *rpc.Entrance) { e.Patience = 50 * time.Millisecond })
	call := func(id string) *rpc.Exchange {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "good", "x-request-id", id)
		s, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/x.Y/Z")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SendMsg(wrapperspb.String("")); err != nil {
			t.Fatal(err)
		}
		return <-began
	}
	x := call("unread")
	for range 2 { // which take their time one after the other
		call("other")
		if err := <-ended; fault.CodeOf(err) != fault.Overloaded || !strings.Contains(err.Error(), "other: ") {
			t.Fatal(err)
		}
	}
	x.Unread.Store(false)
	if err := <-ended; fault.CodeOf(err) != fault.Overloaded {
		t.Error(err)
	}
}
