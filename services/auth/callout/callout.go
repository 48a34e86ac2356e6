package callout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

const (
	subject    = "$SYS.REQ.USER.AUTH"
	group      = "auth"
	xkeyHeader = "Nats-Server-Xkey"
	// atOnce connections are looked at together: more gain nothing on few cores,
	// one would let a slow read of the store hold up all others.
	atOnce = 8
	// The server waits for 2 s: what is older than patience when its turn comes
	// would be answered too late.
	patience = 1500 * time.Millisecond
	timeout  = 1500 * time.Millisecond
	// maxCredential bounds what is looked at of a token, user name or password.
	maxCredential = 4096
)

// Authenticator proves a credential. Errors: those of access.Exchanger.
type Authenticator interface {
	// Authenticate returns who shows the credential, and the look-up part of the
	// key that it is.
	Authenticate(ctx context.Context, c access.Credential) (p *mesh.Principal, lookup string, err error)
}

// Options configure Serve.
type Options struct {
	Issuer []byte // seed of the account nkey that the server trusts ("SA…")
	Curve  []byte // seed of the curve key ("SX…") that requests are encrypted for; nil = they come in clear
	Auth   Authenticator
	Slugs  Slugs
	Log    *slog.Logger
	Now    func() time.Time
}

type service struct {
	Options
	issuer, curve nkeys.KeyPair
	ctx           context.Context
}

// Serve answers the servers' questions on nc, a connection of the role auth,
// until stop is called, which waits for those that are being answered.
func Serve(nc *nats.Conn, o Options) (stop func(), err error) {
	s := &service{Options: o}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.issuer, err = nkeys.FromSeed(o.Issuer); err != nil {
		return nil, fmt.Errorf("the auth callout's issuer: %w", err)
	}
	if len(o.Curve) > 0 {
		if s.curve, err = nkeys.FromCurveSeed(o.Curve); err != nil {
			return nil, fmt.Errorf("the auth callout's curve key: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.ctx = ctx
	q := &queue{handle: s.handle, atOnce: atOnce, patience: patience}
	sub, err := nc.QueueSubscribe(subject, group, q.put)
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("the auth callout cannot be served: %w", err)
	}
	return func() {
		_ = sub.Unsubscribe() // fails only on a closed connection
		cancel()
		q.close()
	}, nil
}

func (s *service) handle(m *nats.Msg) {
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	xkey := m.Header.Get(xkeyHeader)
	defer func() {
		// What a client wrote must never end the service that lets others in.
		if r := recover(); r != nil {
			s.Log.Error("auth callout: a request could not be handled", "panic", fmt.Sprint(r))
		}
	}()
	req, err := s.open(m.Data, xkey)
	if err != nil {
		s.Log.Warn("auth callout: a request cannot be read", "err", err)
		return
	}
	if req.Expires != 0 && s.Now().Unix() > req.Expires {
		return // in a storm: the server gave up on this one, others still wait
	}
	token, err := s.decide(ctx, req)
	if err != nil {
		s.Log.Info("native client refused", "code", string(fault.CodeOf(err)), "host", req.ClientInformation.Host, "err", err)
	}
	if err := s.reply(m, req, token, err, xkey); err != nil {
		s.Log.Warn("auth callout: no answer could be given", "err", err)
	}
}

func (s *service) open(data []byte, xkey string) (*jwt.AuthorizationRequestClaims, error) {
	if xkey != "" {
		if s.curve == nil {
			return nil, errors.New("it is encrypted, and no curve key is set here")
		}
		clear, err := s.curve.Open(data, xkey)
		if err != nil {
			return nil, err
		}
		data = clear
	}
	req, err := jwt.DecodeAuthorizationRequestClaims(string(data))
	if err != nil {
		return nil, err
	}
	if !nkeys.IsValidPublicUserKey(req.UserNkey) || !nkeys.IsValidPublicServerKey(req.Server.ID) || req.Issuer != req.Server.ID {
		return nil, errors.New("it names no user or no server")
	}
	return req, nil
}

// decide returns the user JWT of a client that may come in.
func (s *service) decide(ctx context.Context, req *jwt.AuthorizationRequestClaims) (string, error) {
	if !bus.NativeSafe(req.Server.Version) {
		return "", fault.New(fault.Unsupported, "native clients need a NATS server of version 2.12.6 or later")
	}
	c, err := credential(&req.ConnectOptions)
	if err != nil {
		return "", err
	}
	c.RemoteAddr = req.ClientInformation.Host
	p, lookup, err := s.Auth.Authenticate(ctx, c)
	if err != nil {
		return "", err
	}
	if !p.Scopes.Allows(access.Transports, "nats") {
		return "", fault.New(fault.Forbidden, "the credential lacks transports %q", "nats")
	}
	return grant(req.UserNkey, p, lookup, s.Slugs, s.Now()).Encode(s.issuer)
}

// credential finds the key among the connect options: the token, or with
// clients that know no token, the user name or password.
func credential(o *jwt.ConnectOptions) (access.Credential, error) {
	if len(o.Token)+len(o.Username)+len(o.Password) > maxCredential {
		return access.Credential{}, fault.New(fault.AuthError, "the credential is too long")
	}
	switch {
	case o.Token != "":
		return access.Credential{Bearer: o.Token}, nil
	case o.Username != "" || o.Password != "":
		return access.Credential{User: o.Username, Password: o.Password}, nil
	}
	return access.Credential{}, fault.New(fault.Unauthorized, "connect with an API key as the token")
}

func (s *service) reply(m *nats.Msg, req *jwt.AuthorizationRequestClaims, token string, refusal error, xkey string) error {
	resp := jwt.NewAuthorizationResponseClaims(req.UserNkey)
	resp.Audience = req.Server.ID
	if refusal != nil {
		// The server logs it and tells the client nothing.
		resp.Error = fault.From(refusal).Message
	} else {
		resp.Jwt = token
	}
	answer, err := resp.Encode(s.issuer)
	if err != nil {
		return err
	}
	data := []byte(answer)
	if xkey != "" {
		if data, err = s.curve.Seal(data, xkey); err != nil {
			return err
		}
	}
	return m.Respond(data)
}
