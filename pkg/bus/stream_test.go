package bus_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/credit"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// source gives n chunks of a size and then end.
type source struct {
	n, size int
	end     error
	given   atomic.Int64
	closed  chan struct{}
	hang    <-chan struct{} // before each chunk after the first
}

func newSource(n, size int, end error) *source {
	return &source{n: n, size: size, end: end, closed: make(chan struct{})}
}

func (s *source) Next(ctx context.Context) ([]byte, error) {
	i := int(s.given.Load())
	if i > 0 && s.hang != nil {
		select {
		case <-s.hang:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if i == s.n {
		return nil, s.end
	}
	s.given.Add(1)
	return bytes.Repeat([]byte{byte('a' + i%26)}, s.size), nil
}

func (s *source) Close() error { close(s.closed); return nil }

func streaming(src mesh.Chunks) mesh.Caller {
	return mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: src, Position: mesh.Position{Epoch: "e", Seq: 3}}, nil
	})
}

func readAll(ctx context.Context, c mesh.Chunks) (n int, sum byte, err error) {
	for {
		b, err := c.Next(ctx)
		if errors.Is(err, io.EOF) {
			return n, sum, nil
		}
		if err != nil {
			return n, sum, err
		}
		n += len(b)
		for _, x := range b {
			sum = sum*31 + x
		}
	}
}

func openStream(t *testing.T, o bus.HostOptions, src *source) (*bus.Client, *bus.Host, mesh.Chunks) {
	t.Helper()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	o.Working = quickHost.Working
	h := mustHost(t, s.Dialer(bus.RoleEntity), o, shop, streaming(src))
	// Of two attempts both would have the source.
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{Idle: quickClient.Idle})
	r, err := c.Call(within(t, patience), call("shop", "User", "stream", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Chunks == nil || r.Position.Seq != 3 {
		t.Fatalf("got %+v", r)
	}
	return c, h, r.Chunks
}

func TestStreamsArriveWhole(t *testing.T) {
	t.Parallel()
	for name, src := range map[string]*source{
		"small": newSource(2000, 1000, io.EOF), "empty": newSource(0, 0, io.EOF), "large": newSource(5, 3<<20, io.EOF),
		"one": newSource(1, 10, io.EOF), "odd": newSource(40, 200_001, io.EOF),
	} {
		var want byte
		for i := range src.n {
			for range src.size {
				want = want*31 + byte('a'+i%26)
			}
		}
		c, _, chunks := openStream(t, bus.HostOptions{}, src)
		n, sum, err := readAll(context.Background(), chunks)
		if err != nil || n != src.n*src.size || sum != want {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
		if err := chunks.Close(); err != nil {
			t.Error(err)
		}
		wait(t, src.closed, "the end of the source")
		if c.Waiting() != 0 {
			t.Errorf("%s: the stream is still in the table", name)
		}
	}
}

func TestAWidePageComesInChunks(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	body := bytes.Repeat([]byte("0123456789"), 300_000)
	mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{}, shop, echo(string(body)))
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	r, err := c.Call(within(t, patience), call("shop", "User", "findAll", "{}"))
	if err != nil || r.Chunks == nil || len(r.Body) != 0 {
		t.Fatalf("got %v %v", r, err)
	}
	var got []byte
	for {
		b, err := r.Chunks.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b...)
	}
	if !bytes.Equal(got, body) {
		t.Errorf("%d bytes of %d", len(got), len(body))
	}
}

func TestAStreamsErrorReachesTheReader(t *testing.T) {
	t.Parallel()
	for _, end := range []error{fault.New(fault.DBNotConnected, "the database is gone"), errors.New("secret")} {
		_, _, chunks := openStream(t, bus.HostOptions{}, newSource(3, 400_000, end))
		n, _, err := readAll(context.Background(), chunks)
		if e := fault.From(err); n != 1_200_000 || e.Code != fault.CodeOf(end) || e.Message == "secret" {
			t.Errorf("%d bytes, %v", n, err)
		}
		if _, again := chunks.Next(context.Background()); fault.CodeOf(again) != fault.CodeOf(end) {
			t.Errorf("the error did not stay: %v", again)
		}
	}
}

func TestAReaderWhoStopsStopsTheWorker(t *testing.T) {
	t.Parallel()
	src := newSource(1<<30, credit.MaxChunk, io.EOF)
	_, h, chunks := openStream(t, bus.HostOptions{}, src)
	for range 10 {
		if _, err := chunks.Next(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if err := chunks.Close(); err != nil {
		t.Fatal(err)
	}
	wait(t, src.closed, "the end of the source")
	if n := src.given.Load(); n > 10+credit.Cap {
		t.Errorf("%d chunks were made for a reader of 10", n)
	}
	if err := h.Drain(within(t, patience)); err != nil {
		t.Error(err)
	}
	if _, err := chunks.Next(context.Background()); fault.CodeOf(err) != fault.Cancelled {
		t.Errorf("got %v", err)
	}
}

func TestASlowReaderHoldsTheWorkerBack(t *testing.T) {
	t.Parallel()
	src := newSource(100, credit.MaxChunk, io.EOF)
	_, _, chunks := openStream(t, bus.HostOptions{}, src)
	// Without reading: no more than the credit is made, and the worker waits.
	until(t, "the credit's end", func() bool { return src.given.Load() >= credit.Initial+1 })
	idle := time.NewTimer(quickClient.Idle * 5 / 4) // longer than a dead worker's silence
	defer idle.Stop()
	wait(t, idle.C, "the time")
	if n := src.given.Load(); n > credit.Initial+1 {
		t.Errorf("%d chunks were made for a reader who takes none", n)
	}
	if n, _, err := readAll(context.Background(), chunks); err != nil || n != 100*credit.MaxChunk {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestAReaderWhoNeverReadsIsGivenUp(t *testing.T) {
	t.Parallel()
	src := newSource(100, credit.MaxChunk, io.EOF)
	_, _, chunks := openStream(t, bus.HostOptions{StreamIdle: 100 * time.Millisecond}, src)
	wait(t, src.closed, "the end of the source")
	if _, _, err := readAll(context.Background(), chunks); fault.CodeOf(err) != fault.Timeout {
		t.Errorf("got %v", err)
	}
}

func TestAReaderWhoIsGoneIsNoticed(t *testing.T) {
	t.Parallel()
	src := newSource(100, credit.MaxChunk, io.EOF)
	c, _, _ := openStream(t, bus.HostOptions{}, src)
	until(t, "the credit's end", func() bool { return src.given.Load() >= credit.Initial+1 })
	c.Close() // as a process that dies: the worker's next beat finds nobody
	wait(t, src.closed, "the end of the source")
}

func TestALostWorkerEndsAStream(t *testing.T) {
	t.Parallel()
	src := newSource(100, credit.MaxChunk, io.EOF)
	src.hang = make(chan struct{})
	_, h, chunks := openStream(t, bus.HostOptions{}, src)
	if _, err := chunks.Next(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.Close()
	if _, err := chunks.Next(context.Background()); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func TestACancelledReadEndsAStream(t *testing.T) {
	t.Parallel()
	src := newSource(100, credit.MaxChunk, io.EOF)
	src.hang = make(chan struct{})
	c, _, chunks := openStream(t, bus.HostOptions{}, src)
	if _, err := chunks.Next(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := chunks.Next(ctx); fault.CodeOf(err) != fault.Cancelled {
		t.Errorf("got %v", err)
	}
	wait(t, src.closed, "the end of the source")
	if c.Waiting() != 0 {
		t.Error("the stream is still in the table")
	}
}

func BenchmarkStream(b *testing.B) {
	s := mustStart(b, embedded.Options{Port: embedded.NoListen})
	chunk := bytes.Repeat([]byte("x"), credit.MinChunk)
	mustHost(b, s.Dialer(bus.RoleEntity), bus.HostOptions{}, shop, mesh.CallerFunc(
		func(context.Context, *mesh.Request) (*mesh.Reply, error) {
			return &mesh.Reply{Chunks: &endless{chunk: chunk, n: 40}}, nil
		}))
	c := mustClient(b, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	b.SetBytes(40 * credit.MinChunk)
	for b.Loop() {
		r, err := c.Call(context.Background(), call("shop", "User", "stream", "{}"))
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = r.Chunks.Next(context.Background())
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
	}
}

type endless struct {
	chunk []byte
	n     int
}

func (e *endless) Next(context.Context) ([]byte, error) {
	if e.n--; e.n < 0 {
		return nil, io.EOF
	}
	return e.chunk, nil
}
func (e *endless) Close() error { return nil }
