package entityrpc_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/gateway/scripted"
	"github.com/octomesh/octomesh/services/gateway-grpc/web"
)

// A browser's Watch that takes nothing ends too, and nobody writes to it any more:
// with the reason where it was between two messages, else with the connection,
// since no status can be put behind half a message.
func TestWatchSlowInABrowser(t *testing.T) {
	h := open(t)
	server := web.NewServer(web.New(h.services.Entrance, h.services, h.services.Handle, nil))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		check(t, server.Close())
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	c, err := net.Dial("tcp", ln.Addr().String())
	check(t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "POST /mostajs.ProductService/Watch HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Api-Key: %s\r\nContent-Type: application/connect+proto\r\nConnect-Protocol-Version: 1\r\nContent-Length: 5\r\n\r\n\x00\x00\x00\x00\x00", scripted.Key)
	check(t, err)
	<-h.feed.Opened()
	more := `,"data":{"id":"p","title":"` + strings.Repeat("x", 100<<10) + `"}`
	for seq := int64(8); h.feed.Len() > 0; seq++ {
		h.feed.Publish(published("created", "p", more, seq), 4)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	check(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if told := bytes.Contains(b, []byte(`"OVERLOADED"`)) || bytes.Contains(b, []byte(`"code":"unavailable"`)); err == nil != told {
		t.Errorf("%d bytes came, %v: %.300q", len(b), err, b[max(0, len(b)-300):])
	}
}
