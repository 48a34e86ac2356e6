package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Key is an API key as an administrator sees it. Secret is set once, in the
// reply of CreateKey.
type Key struct {
	ID          string      `json:"id"`
	Prefix      string      `json:"prefix"`
	Label       string      `json:"label"`
	Secret      string      `json:"apiKey,omitempty"`
	Permissions Permissions `json:"permissions"`
	Enabled     bool        `json:"enabled"`
	ExpiresAt   *time.Time  `json:"expiresAt,omitempty"`
	LastUsedAt  *time.Time  `json:"lastUsedAt,omitempty"`
}

// Permissions is what a key may do: scope name to allowed values, "*" for all;
// and how often.
type Permissions struct {
	Scopes    map[string][]string `json:"scopes"`
	RateLimit *RateLimit          `json:"rateLimit,omitempty"` // nil = as often as it likes
}

// RateLimit bounds the calls of a key. More get ErrRateLimited, with the time to
// wait.
type RateLimit struct {
	Requests int    `json:"requests"`
	Per      string `json:"per"`             // second, minute, hour or day
	Burst    int    `json:"burst,omitempty"` // at once; 0 = all of them
}

// UnmarshalJSON reads the short form too: a number of calls a minute.
func (r *RateLimit) UnmarshalJSON(b []byte) error {
	if n, err := strconv.Atoi(string(b)); err == nil {
		*r = RateLimit{Requests: n, Per: "minute"}
		return nil
	}
	type long RateLimit
	return json.Unmarshal(b, (*long)(r))
}

// NewKey describes a key to make.
type NewKey struct {
	Label       string      `json:"label"`
	Env         string      `json:"env,omitempty"` // live (default) or test
	Permissions Permissions `json:"permissions"`
	ExpiresAt   *time.Time  `json:"expiresAt,omitempty"`
}

// Keys lists the keys that the caller may see.
func (c *Client) Keys(ctx context.Context) ([]Key, error) {
	var keys []Key
	err := c.do(ctx, http.MethodGet, "/api/api-keys", nil, nil, &keys, nil)
	return keys, err
}

// CreateKey makes a key; it cannot have rights that the caller lacks.
func (c *Client) CreateKey(ctx context.Context, k NewKey) (Key, error) {
	var made Key
	err := c.do(ctx, http.MethodPost, "/api/api-keys", nil, k, &made, nil)
	return made, err
}

// RevokeKey ends a key at once, with its open streams.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/api/api-keys/"+url.PathEscape(id), nil, nil, nil, nil)
}
