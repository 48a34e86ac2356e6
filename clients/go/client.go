package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// Client talks to one project of one Octomesh installation. It is safe for
// concurrent use and keeps connections open between calls.
type Client struct {
	addresses []string // without a slash at the end
	next      atomic.Uint32
	key       string
	project   string
	timeout   time.Duration
	http      *http.Client
	agent     string
}

// Option changes how New makes a Client.
type Option func(*Client)

// WithAPIKey sends the key in X-API-Key.
func WithAPIKey(key string) Option { return func(c *Client) { c.key = key } }

// WithProject works on a named project instead of the default one.
func WithProject(slug string) Option { return func(c *Client) { c.project = slug } }

// WithHTTPClient replaces the HTTP client, for TLS settings or proxies. Its
// Timeout must be 0: streams and Watch outlive it. Its CheckRedirect counts; one
// without follows no redirect that would take the key to another host, or make a
// write a read.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithTimeout bounds calls whose context has no deadline; 10 s by default.
func WithTimeout(d time.Duration) Option { return func(c *Client) { c.timeout = d } }

// New makes a client of one address, or of several separated by commas, between
// which it changes when one cannot be reached. It does not connect yet.
func New(addresses string, opts ...Option) (*Client, error) {
	c := &Client{timeout: 10 * time.Second, agent: "octomesh-go"}
	for _, a := range strings.Split(addresses, ",") {
		a = strings.TrimRight(strings.TrimSpace(a), "/")
		u, err := url.Parse(a)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, fmt.Errorf("octomesh: %q is no address such as http://localhost:4488", a)
		}
		c.addresses = append(c.addresses, a)
	}
	for _, o := range opts {
		o(c)
	}
	if c.http == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 128
		t.MaxIdleConns = 256
		c.http = &http.Client{Transport: t}
	}
	if c.http.CheckRedirect == nil {
		h := *c.http
		h.CheckRedirect = stay
		c.http = &h
	}
	return c, nil
}

// stay follows a redirect only if the call stays what it was and goes to the same
// host, over TLS if it did before: net/http takes X-API-Key along wherever it goes,
// and makes a GET of a POST.
func stay(r *http.Request, via []*http.Request) error {
	was := via[0]
	if r.Method != was.Method || r.URL.Hostname() != was.URL.Hostname() || was.URL.Scheme == "https" && r.URL.Scheme != "https" || len(via) >= 10 {
		return http.ErrUseLastResponse
	}
	return nil
}

// FromEnv makes a client from MOSTAJS_NET_URL (or MOSTA_NET_URL),
// MOSTAJS_NET_API_KEY and MOSTAJS_NET_PROJECT.
func FromEnv(opts ...Option) (*Client, error) {
	address := os.Getenv("MOSTAJS_NET_URL")
	if address == "" {
		address = os.Getenv("MOSTA_NET_URL")
	}
	if address == "" {
		return nil, errors.New("octomesh: MOSTAJS_NET_URL is not set")
	}
	env := []Option{WithAPIKey(os.Getenv("MOSTAJS_NET_API_KEY")), WithProject(os.Getenv("MOSTAJS_NET_PROJECT"))}
	return New(address, append(env, opts...)...)
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }
