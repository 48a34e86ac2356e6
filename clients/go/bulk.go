package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"
)

// Operation is one step of a Transaction. ID and reference values in Data may be
// Ref(n): the id of the record of an earlier step.
type Operation struct {
	Op     string `json:"op"` // create, update, delete, upsert, findById, …
	Entity string `json:"entity"`
	ID     any    `json:"id,omitempty"`
	Data   any    `json:"data,omitempty"`
	Filter any    `json:"filter,omitempty"`
	Field  string `json:"field,omitempty"`
	Value  any    `json:"value,omitempty"`
	Amount any    `json:"amount,omitempty"`
	// ExpectedVersion fails the whole with ErrConflict when the record moved on.
	ExpectedVersion int64 `json:"expectedVersion,omitempty"`
}

// Ref stands for the id of the record of step n, counted from 0.
func Ref(n int) any { return map[string]int{"$ref": n} }

// Transaction performs all operations or none, at most 500, and returns the data
// of each.
func (c *Client) Transaction(ctx context.Context, ops []Operation, opts ...CallOption) ([]json.RawMessage, error) {
	var data []json.RawMessage
	err := c.do(ctx, http.MethodPost, "/api/v1/_transaction", nil, object{"operations": ops}, &data, opts)
	return data, err
}

// Stream yields every matching record with flat memory on both sides, however
// many there are. It is bounded by ctx alone and is not repeated: an error in
// the middle is yielded and ends it.
func Stream[T any](ctx context.Context, c *Client, entity string, q Query, opts ...CallOption) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		v, err := q.values()
		if err != nil {
			yield(none, err)
			return
		}
		r := &call{method: http.MethodGet, path: path(entity, "stream"), query: v, header: http.Header{}}
		for _, o := range opts {
			o(r)
		}
		resp, err := c.send(ctx, r)
		if err != nil {
			yield(none, &unreached{err})
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
			yield(none, failure(resp, b))
			return
		}
		br := bufio.NewReaderSize(resp.Body, 64<<10)
		for {
			line, err := br.ReadBytes('\n')
			if len(bytes.TrimSpace(line)) > 0 {
				var rec T
				if e := json.Unmarshal(line, &rec); e != nil {
					yield(none, fmt.Errorf("octomesh: a record cannot be read: %w", e))
					return
				}
				if !yield(rec, nil) {
					return
				}
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(none, fmt.Errorf("octomesh: the stream broke off: %w", err))
				return
			}
		}
	}
}

// Health asks whether the server serves requests.
func (c *Client) Health(ctx context.Context) error {
	resp, err := c.send(ctx, &call{method: http.MethodGet, path: "/readyz", header: http.Header{}})
	if err != nil {
		return &unreached{err}
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode != http.StatusOK {
		return failure(resp, b)
	}
	return nil
}

// WaitReady returns as soon as Health does, or with ctx's error.
func (c *Client) WaitReady(ctx context.Context) error {
	for {
		err := c.Health(ctx)
		if err == nil {
			return nil
		}
		c.next.Add(1)
		timer := time.NewTimer(20 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("octomesh: not ready: %w (last: %v)", ctx.Err(), err)
		case <-timer.C:
		}
	}
}
