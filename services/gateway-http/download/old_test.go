package download_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// TestOldProtocol: a client of HTTP/1.0 gets the file's name too, and none with a
// refusal, although its head leaves before the reply is complete.
func TestOldProtocol(t *testing.T) {
	h := house(t)
	h.Mesh.Answer(answer(one))
	for query, want := range map[string]string{
		"format=csv":         "\r\nContent-Disposition: attachment; filename=\"products.csv\"\r\n",
		"format=csv&limit=x": "HTTP/1.1 400 ",
	} {
		conn, err := net.Dial("tcp", h.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(conn, "GET /api/v1/products?"+query+" HTTP/1.0\r\nX-API-Key: "+scripted.Key+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(conn)
		head, _, _ := strings.Cut(string(all), "\r\n\r\n")
		if err != nil || !strings.Contains(head+"\r\n", want) || strings.Contains(head, "filename") != strings.Contains(want, "filename") {
			t.Errorf("%s: %v\n%s", query, err, head)
		}
	}
}
