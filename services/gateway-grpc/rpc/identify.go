package rpc

import (
	"context"

	"google.golang.org/grpc/metadata"

	"github.com/octomesh/octomesh/pkg/mesh"
)

// Identify is Enter for what concerns no project, or several: Caller.Project is
// nil. Errors: those of Enter.
func (e *Entrance) Identify(ctx context.Context, transport string) (*Caller, error) {
	x := exchangeOf(ctx)
	md := Sent(ctx)
	c := &Caller{Header: mesh.Header{Transport: transport, RequestID: x.RequestID}}
	x.Transport = transport
	if err := c.headers(md); err != nil {
		return nil, err
	}
	if err := e.identify(ctx, c, md); err != nil {
		return nil, err
	}
	return c, nil
}

// identify finds out who calls, once an exchange.
func (e *Entrance) identify(ctx context.Context, c *Caller, md metadata.MD) (err error) {
	x := exchangeOf(ctx)
	if x.who != nil {
		c.Credential, c.Principal, c.Header.Token = x.who.Credential, x.who.Principal, x.who.Header.Token
		return nil
	}
	if c.Credential, err = credential(md); err != nil || c.Credential.IsZero() {
		return err
	}
	c.Credential.RemoteAddr = remote(ctx)
	if c.Principal, c.Header.Token, err = e.Identity.Principal(ctx, c.Credential); err != nil {
		return err
	}
	x.Principal = c.Principal.ID
	if err = e.Count(ctx, c); err == nil {
		x.who = c
	}
	return err
}
