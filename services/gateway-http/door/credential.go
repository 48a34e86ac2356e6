package door

import (
	"encoding/base64"
	"strings"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// KeyInURL says where a key may stand in a URL, where proxies and logs see it.
type KeyInURL string

// The choices of OCTOMESH_KEY_IN_URL.
const (
	KeyInLive KeyInURL = "live" // only /events and /ws, for browsers
	KeyInOff  KeyInURL = "off"
	KeyInAll  KeyInURL = "all"
)

// Credential takes the credential from a request, in this order: X-API-Key,
// Authorization (Bearer, Basic), and, where it is allowed, the query parameters
// apikey, api_key and (live only) ticket. The result is a copy and may be kept.
// Errors: AUTH_ERROR for what has no form, UNAUTHORIZED for a key in a URL where
// none may stand.
func (d *Door) Credential(x *httpserver.Exchange, live bool) (access.Credential, error) {
	var c access.Credential
	key, auth := x.Header("X-API-Key"), x.Header("Authorization")
	switch {
	case key != "":
		c.Key = strings.Clone(key)
	case auth != "":
		if err := authorization(&c, auth); err != nil {
			return c, err
		}
	case len(x.Ctx.URI().QueryString()) > 0:
		if err := d.fromURL(&c, x, live); err != nil {
			return c, err
		}
	}
	if c.IsZero() {
		return c, nil
	}
	if !visible(c.Key) || !visible(c.Bearer) || !visible(c.Ticket) {
		return access.Credential{}, malformed()
	}
	c.RemoteAddr = x.Ctx.RemoteIP().String()
	return c, nil
}

// Anonymous reports whether a request names no credential at all. One that does,
// in whatever form and place, is never somebody without a credential.
func Anonymous(x *httpserver.Exchange) bool {
	h := &x.Ctx.Request.Header
	for _, name := range [...]string{"X-Api-Key", "Authorization", "Proxy-Authorization"} {
		if len(h.PeekAll(name)) > 0 {
			return false
		}
	}
	q := x.Ctx.QueryArgs()
	return !q.Has("apikey") && !q.Has("api_key") && !q.Has("ticket")
}

func malformed() error {
	return fault.New(fault.AuthError, "the credential is malformed: send an API key in X-API-Key, or Authorization: Bearer with a key or a token")
}

func authorization(c *access.Credential, header string) error {
	scheme, value, _ := strings.Cut(header, " ")
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		return malformed()
	case strings.EqualFold(scheme, "Bearer"):
		c.Bearer = strings.Clone(value)
		return nil
	case strings.EqualFold(scheme, "Basic"):
		b, err := base64.StdEncoding.DecodeString(value)
		user, password, ok := strings.Cut(string(b), ":")
		if err != nil || !ok {
			return malformed()
		}
		c.User, c.Password = user, password
		return nil
	}
	return malformed()
}

func (d *Door) fromURL(c *access.Credential, x *httpserver.Exchange, live bool) error {
	key := x.Query("apikey")
	if key == "" {
		key = x.Query("api_key")
	}
	switch {
	case key != "":
		if d.KeyInURL == KeyInOff || d.KeyInURL != KeyInAll && !live {
			return fault.New(fault.Unauthorized, "a key in the URL is not accepted here: send it in the header X-API-Key")
		}
		c.Bearer = strings.Clone(key)
	case live:
		c.Ticket = strings.Clone(x.Query("ticket"))
	}
	return nil
}

func visible(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
