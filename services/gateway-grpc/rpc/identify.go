package rpc

import (
	"context"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// Somebody tells who calls and counts the call, before any message is read: what
// concerns no project, or several, or one that only the message names, is open to
// nobody without a credential. Caller.Project is nil. transport is the name of the
// protocol in scopes. Errors: UNAUTHORIZED, AUTH_ERROR, INVALID_REQUEST,
// RATE_LIMITED, those of the Identifier.
func (e *Entrance) Somebody(ctx context.Context, transport string) (*Caller, error) {
	c, err := e.identify(ctx, transport)
	if err == nil && c.Principal == nil {
		err = access.Check(nil, access.Ask{})
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// identify finds out who calls, once an exchange.
func (e *Entrance) identify(ctx context.Context, transport string) (*Caller, error) {
	x, md := ExchangeOf(ctx), Sent(ctx)
	x.Transport = transport
	c := &Caller{Header: mesh.Header{Transport: transport, RequestID: x.RequestID}}
	err := c.headers(md)
	if err != nil {
		return nil, err
	}
	if x.who != nil {
		c.Credential, c.Principal, c.Header.Token = x.who.Credential, x.who.Principal, x.who.Header.Token
		return c, nil
	}
	if c.Credential, err = credential(md); err != nil || c.Credential.IsZero() {
		return c, err
	}
	c.Credential.RemoteAddr = remote(ctx)
	if c.Principal, c.Header.Token, err = e.Identity.Principal(ctx, c.Credential); err != nil {
		return nil, err
	}
	x.Principal = c.Principal.ID
	if err = e.Count(ctx, c); err == nil {
		x.who = c
	}
	return c, err
}
