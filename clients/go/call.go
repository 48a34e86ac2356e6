package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// CallOption adds to a single call.
type CallOption func(*call)

// WithIdempotencyKey replaces the key that a write carries by one of the
// caller's own: 1 to 128 visible ASCII characters. The same key with the same
// request gets the first reply again, also after a crash of either side.
func WithIdempotencyKey(key string) CallOption {
	return func(r *call) { r.header.Set("Idempotency-Key", key) }
}

// WithVersion makes an update or delete fail with ErrConflict unless the record
// has this _version.
func WithVersion(v int64) CallOption {
	return func(r *call) { r.header.Set("If-Match", fmt.Sprintf(`"%d"`, v)) }
}

// WithMinPosition makes a read wait until the worker has seen a write; Meta of
// that write has the position.
func WithMinPosition(p string) CallOption {
	return func(r *call) { r.header.Set("Octo-Min-Position", p) }
}

// WithMeta fills m when the call succeeds.
func WithMeta(m *Meta) CallOption { return func(r *call) { r.metas = append(r.metas, m) } }

// Meta is what a reply says beside its data.
type Meta struct {
	Count    int    `json:"count"` // records in this page, or touched
	Total    *int   `json:"total"` // all matching records, where asked for
	Next     string `json:"next"`  // Query.Cursor of the next page
	Position string `json:"position"`
	Replayed bool   `json:"-"` // the reply of an earlier call with the same key
}

// call is one request, repeatable.
type call struct {
	method string
	path   string
	query  url.Values
	body   []byte
	header http.Header
	metas  []*Meta // the caller's, beside what a function wants to know itself
}

// do performs the call and decodes the reply's data into out (nil: not wanted).
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body, out any, opts []CallOption) error {
	r := &call{method: method, path: path, query: query, header: http.Header{}}
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("octomesh: the data cannot be encoded: %w", err)
		}
		r.body = b
		r.header.Set("Content-Type", "application/json")
	}
	if method != http.MethodGet {
		r.header.Set("Idempotency-Key", newKey())
	}
	for _, o := range opts {
		o(r)
	}
	if _, bounded := ctx.Deadline(); !bounded && c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	resp, b, err := c.repeat(ctx, r)
	if err != nil {
		return err
	}
	var reply struct {
		Data json.RawMessage `json:"data"`
		Meta Meta            `json:"metadata"`
	}
	if err := json.Unmarshal(b, &reply); err != nil {
		return fmt.Errorf("octomesh: the reply cannot be read: %w", err)
	}
	reply.Meta.Replayed = resp.Header.Get("Idempotency-Replayed") == "true"
	for _, m := range r.metas {
		*m = reply.Meta
	}
	if out == nil || len(reply.Data) == 0 {
		return nil
	}
	return json.Unmarshal(reply.Data, out)
}

// repeat sends the call until it is answered for good or ctx ends. Each try goes
// to the next address after one that failed.
func (c *Client) repeat(ctx context.Context, r *call) (*http.Response, []byte, error) {
	var last error
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		resp, err := c.send(ctx, r)
		if err == nil {
			var b []byte
			b, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			if err == nil && resp.StatusCode < 300 {
				return resp, b, nil
			}
			if err == nil {
				e := failure(resp, b)
				if !e.retriable() {
					return nil, nil, e
				}
				err, wait = e, max(wait, min(e.RetryAfter, time.Second))
			}
		}
		var known *Error
		if !errors.As(err, &known) {
			err = &unreached{err}
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		c.next.Add(1)
		timer := time.NewTimer(wait + mrand.N(wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, nil, fmt.Errorf("%w (%w)", last, ctx.Err())
		case <-timer.C:
		}
	}
}

func (c *Client) send(ctx context.Context, r *call) (*http.Response, error) {
	address := c.addresses[int(c.next.Load())%len(c.addresses)]
	u := address + r.path
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", c.agent)
	if c.key != "" {
		req.Header.Set("X-API-Key", c.key)
	}
	if c.project != "" {
		req.Header.Set("X-Project", c.project)
	}
	return c.http.Do(req)
}

func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
