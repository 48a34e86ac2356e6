package mcp

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// caller is who sent an HTTP request, and what goes into the headers of the
// calls that come of it. It outlives the exchange and shares nothing with it.
type caller struct {
	principal   *mesh.Principal
	credential  access.Credential
	header      mesh.Header // without a catalog version
	named       string      // the project that the request names; "" = none
	sees        string      // the key of his view
	minPosition string
	view        *view // for a request that opens a session, or has none
}

type callerKey struct{}

const callerExtra = "caller"

func callerFrom(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}

// callerOf is the caller of a message that the SDK hands on: of that very
// message, not of the session.
func callerOf(extra *sdk.RequestExtra) *caller {
	if extra == nil || extra.TokenInfo == nil {
		return nil
	}
	c, _ := extra.TokenInfo.Extra[callerExtra].(*caller)
	return c
}

// binding is what all requests of a session have in common. What may be seen is
// part of it: a session shows what its opener saw.
func (c *caller) binding() string { return c.principal.ID + "\x00" + c.sees }

// is makes the caller that principal.
func (c *caller) is(p *mesh.Principal) {
	c.principal, c.sees = p, string(appendScopes(append([]byte(c.named), 0), p.Scopes))
}

// appendScopes writes scopes so that equal rights are equal texts, in whatever
// order they were given and however often one of them.
func appendScopes(b []byte, scopes mesh.Scopes) []byte {
	for _, name := range slices.Sorted(maps.Keys(scopes)) {
		b = append(strconv.AppendQuote(b, name), ':')
		for _, value := range slices.Compact(slices.Sorted(slices.Values(scopes[name]))) {
			b = append(strconv.AppendQuote(b, value), ',')
		}
	}
	return b
}

// identify tells who calls. Errors: those of the door; UNAUTHORIZED for nobody,
// UNKNOWN_PROJECT, FORBIDDEN for whom there is nothing to see.
func (t *MCP) identify(x *httpserver.Exchange) (*caller, error) {
	c := &caller{}
	var err error
	if c.named, err = x.NamedProject(); err != nil {
		return nil, err
	}
	c.named = strings.Clone(c.named)
	x.LogProject = c.named
	var token string
	var who *mesh.Principal
	if t.o.PublicKey != "" && door.Anonymous(x) {
		c.credential = t.publicCredential()
		c.credential.RemoteAddr = x.RemoteAddr()
		who, token, err = t.door.IdentifyAs(x, c.credential)
	} else {
		who, token, c.credential, err = t.door.Identify(x, false)
	}
	if err != nil {
		return nil, err
	}
	slug := c.named
	if slug == "" {
		slug = gateway.DefaultProject
	}
	p, err := t.door.Projects.Find(slug)
	switch {
	case err == nil && gateway.ViewOf(who, p, Transport).Any():
	case c.named == "" && who != nil && t.seesAny(who):
		err = nil
	case err == nil:
		err = access.Check(who, access.Ask{ProjectID: p.ID, Project: p.Slug, Class: mesh.Read, Transport: Transport})
	}
	if err != nil {
		return nil, err
	}
	if who == nil { // Check refuses nobody, by its own rule
		return nil, fault.New(fault.Unauthorized, "send an API key in X-API-Key or as a bearer token")
	}
	c.is(who)
	h, err := door.HeaderFor(x, "", token)
	if err != nil {
		return nil, err
	}
	h.TraceParent, h.IdempotencyKey = strings.Clone(h.TraceParent), strings.Clone(h.IdempotencyKey)
	c.header = h
	if at := x.Header("Octo-Min-Position"); at != "" {
		if _, err := mesh.ParsePosition(at); err != nil {
			return nil, err
		}
		c.minPosition = strings.Clone(at)
	}
	return c, nil
}

// seesAny reports whether there is any project that somebody's requests may
// concern.
func (t *MCP) seesAny(who *mesh.Principal) bool {
	for p := range t.door.Projects.Each() {
		if v := gateway.ViewOf(who, p, Transport); v.Read || v.Write {
			return true
		}
	}
	return false
}

// publicCredential is what counts for callers without any.
func (t *MCP) publicCredential() access.Credential { return access.Credential{Key: t.o.PublicKey} }

// knownHost tells requests that a page of somebody else's makes a browser send
// to this machine by a name that it has turned to it (DNS rebinding). They
// arrive on the loopback address under a foreign name.
func (t *MCP) knownHost(x *httpserver.Exchange) bool {
	if !loopback(x.Ctx.LocalAddr().String()) {
		return true
	}
	host := string(x.Ctx.Host())
	return loopback(host) || slices.ContainsFunc(t.o.Hosts, func(h string) bool {
		name, _, err := net.SplitHostPort(host)
		return strings.EqualFold(h, host) || err == nil && strings.EqualFold(h, name)
	})
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = strings.Trim(addr, "[]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
