package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
)

// Restored is what the server made of a batch of Restore.
type Restored struct {
	Count int `json:"count"`
	// Missing are references whose target is not there yet; they were left out
	// of the record. Restore the record again when the target is there.
	Missing []MissingReference `json:"missing"`
}

// MissingReference is one reference that Restore could not keep.
type MissingReference struct {
	Index  int    `json:"index"` // of the record in the batch
	Field  string `json:"field"`
	Target string `json:"target"`
}

// Export opens the project's export: one {"entity","data"} a line, entities
// parents first, records by id, all of one moment. It needs a key with the
// operation admin, and the caller closes it. It is bounded by ctx alone, and asks
// each address once until one can be reached.
func (c *Client) Export(ctx context.Context) (io.ReadCloser, error) {
	r := &call{method: http.MethodGet, path: "/api/v1/_export", header: http.Header{}}
	resp, err := c.send(ctx, r)
	for tries := 1; err != nil && tries < len(c.addresses) && ctx.Err() == nil; tries++ {
		c.next.Add(1)
		resp, err = c.send(ctx, r)
	}
	if err != nil {
		return nil, &unreached{err}
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		return nil, failure(resp, b)
	}
	return resp.Body, nil
}

// Restore stores lines of an export, at most 500, all or none: records keep
// their ids and times and replace what is there. It needs a key with the
// operation admin.
func (c *Client) Restore(ctx context.Context, lines []json.RawMessage, opts ...CallOption) (Restored, error) {
	var r Restored
	err := c.do(ctx, http.MethodPost, "/api/v1/_restore", nil, object{"records": lines}, &r, opts)
	return r, err
}

// Project describes a project: its version and schemas.json.
type Project struct {
	Project string          `json:"project"`
	Version string          `json:"version"`
	Schemas json.RawMessage `json:"schemas"`
}

// Catalog returns the project's entities as the key may see them.
func (c *Client) Catalog(ctx context.Context) (Project, error) {
	var p Project
	err := c.do(ctx, http.MethodGet, "/api/v1/_catalog", nil, nil, &p, nil)
	return p, err
}
