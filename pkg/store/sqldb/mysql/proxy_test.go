package mysql

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between a driver and a server and can swallow what passes.
type proxy struct {
	listener net.Listener
	server   string
	all      sync.WaitGroup

	mu    sync.Mutex
	black bool   // nothing passes any more
	cut   []byte // the connection on which this is sent breaks behind it
	conns []net.Conn
}

// through starts a proxy and returns the address that leads through it.
func through(t testing.TB, uri string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{server: u.Host}
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = p.listener.Addr().String()
	p.all.Go(p.serve)
	t.Cleanup(func() {
		_ = p.listener.Close()
		p.drop()
		p.all.Wait()
	})
	return p, u.String()
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		ended := new(atomic.Bool)
		p.all.Go(func() { p.pass(client, server, ended, true) })
		p.all.Go(func() { p.pass(server, client, ended, false) })
	}
}

// pass copies one direction of a connection. ended tells the way back that the
// answer that comes next is for nobody.
func (p *proxy) pass(from, to net.Conn, ended *atomic.Bool, asking bool) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil || !asking && ended.Load() {
			return
		}
		p.mu.Lock()
		black := p.black
		if asking && p.cut != nil && bytes.Contains(b[:n], p.cut) {
			p.cut = nil
			ended.Store(true)
		}
		p.mu.Unlock()
		if black {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// drop breaks all connections.
func (p *proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

func (p *proxy) swallow(yes bool) {
	p.mu.Lock()
	p.black = yes
	p.mu.Unlock()
}

func (p *proxy) cutAt(text string) {
	p.mu.Lock()
	p.cut = []byte(text)
	p.mu.Unlock()
}
