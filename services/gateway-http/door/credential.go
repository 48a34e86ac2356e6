package door

import (
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
		var err error
		if c, err = access.Authorization(auth); err != nil {
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
	if err := c.WellFormed(); err != nil {
		return access.Credential{}, err
	}
	c.RemoteAddr = x.RemoteAddr()
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

func (d *Door) fromURL(c *access.Credential, x *httpserver.Exchange, live bool) error {
	key := x.Query("apikey")
	if key == "" {
		key = x.Query("api_key")
	}
	return d.shown(c, key, x.Query("ticket"), live)
}

// shown takes a key or, live only, a ticket that stands in a URL.
func (d *Door) shown(c *access.Credential, key, ticket string, live bool) error {
	switch {
	case key != "":
		if d.KeyInURL == KeyInOff || d.KeyInURL != KeyInAll && !live {
			return fault.New(fault.Unauthorized, "a key in the URL is not accepted here: send it in the header X-API-Key")
		}
		c.Bearer = strings.Clone(key)
	case live:
		c.Ticket = strings.Clone(ticket)
	}
	return nil
}

// LiveCredential is the credential of a stream whose protocol has a place of its own
// for it in the URL; the rules are those for ?apikey= and ?ticket=. Errors: those of
// Credential.
func (d *Door) LiveCredential(x *httpserver.Exchange, key, ticket string) (access.Credential, error) {
	c := access.Credential{RemoteAddr: x.Ctx.RemoteIP().String()}
	if err := d.shown(&c, key, ticket, true); err != nil {
		return access.Credential{}, err
	}
	return c, c.WellFormed()
}
