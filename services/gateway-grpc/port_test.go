package gatewaygrpc

import (
	"net/http"
	"testing"

	"google.golang.org/grpc"
)

// A stop is no failure, whichever of a port's servers closes it.
func TestEitherServerMayEndFirst(t *testing.T) {
	for name, end := range map[string]func(*port){
		"browsers": func(p *port) { _ = p.web.Shutdown(t.Context()) },
		"gRPC":     func(p *port) { p.grpc.Stop() },
	} {
		p, err := open("127.0.0.1:0", 0, "")
		if err != nil {
			t.Fatal(err)
		}
		p.grpc, p.web = grpc.NewServer(), &http.Server{}
		served := make(chan error, 1)
		go func() { served <- p.serve() }()
		resp, err := http.Get("http://" + p.Addr().String()) // both serve now
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		end(p)
		if err := <-served; err != nil {
			t.Errorf("%s first: %v", name, err)
		}
		p.shutdown(t.Context())
	}
	http.DefaultClient.CloseIdleConnections()
}
