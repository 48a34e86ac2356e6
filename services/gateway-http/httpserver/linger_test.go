package httpserver

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestShutdownWaitsForNoSilentConnection stops a server whose client has dialled
// ahead of need, as net/http's does.
func TestShutdownWaitsForNoSilentConnection(t *testing.T) {
	t.Parallel()
	s := New(echoMux(), Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	silent, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	// The accept loop takes one after the other: with this answered, the first
	// is in the server's hands.
	res, err := http.Get("http://" + ln.Addr().String() + "/api/v1/x")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("it waited for a client that said nothing: %v", err)
	}
	if _, err := silent.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the silent connection: %v", err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
}
