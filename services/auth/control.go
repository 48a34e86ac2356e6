package auth

import (
	"context"
	"encoding/json"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/config"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/identity"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/auth/scopes"
	"github.com/octomesh/octomesh/services/auth/system"
	"github.com/octomesh/octomesh/services/auth/tickets"
)

// authVerbs are octo.auth.<verb>. Which role may ask what is in the table of
// roles of pkg/bus: principal and projects are for workers alone.
func (s *Service) authVerbs() map[string]bus.ControlFunc {
	return map[string]bus.ControlFunc{
		"exchange":  s.exchange,
		"principal": s.principal,
		"issuer":    s.issuer,
		"ticket":    s.ticket,
		"verify":    s.verify,
		"projects":  s.definitions,
	}
}

type tokenReply struct {
	Token string `json:"token"`
}

// read decodes a request of our own services; unknown members are of a newer
// version and ignored.
func read(body []byte, into any) error {
	if err := strictjson.Check(body, 8); err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fault.Wrap(err, fault.InvalidRequest, "a member of the request has the wrong type")
	}
	return nil
}

// exchange turns a credential into {"token"}.
func (s *Service) exchange(ctx context.Context, r *bus.ControlRequest) ([]byte, error) {
	var ask identity.Ask
	if err := read(r.Body, &ask); err != nil {
		return nil, err
	}
	p, err := s.prove(ctx, access.Credential{
		Key: ask.Key, Bearer: ask.Bearer, Ticket: ask.Ticket, User: ask.User, Password: ask.Password, RemoteAddr: ask.RemoteAddr,
	})
	if err != nil {
		return nil, err
	}
	return s.token(p)
}

// principal turns the id of a native client, {"id"}, into {"token"}.
func (s *Service) principal(ctx context.Context, r *bus.ControlRequest) ([]byte, error) {
	var ask identity.Ask
	if err := read(r.Body, &ask); err != nil {
		return nil, err
	}
	p, err := s.known(ctx, ask.ID)
	if err != nil {
		return nil, err
	}
	return s.token(p)
}

func (s *Service) token(p proof) ([]byte, error) {
	token, err := s.sign(p)
	if err != nil {
		return nil, err
	}
	return json.Marshal(tokenReply{token})
}

// issuer tells the public keys that verify tokens.
func (s *Service) issuer(context.Context, *bus.ControlRequest) ([]byte, error) {
	return json.Marshal(map[string][]string{"keys": {s.signer.Public()}})
}

// ticket gives the caller {"ticket","expiresIn"}, for a URL.
func (s *Service) ticket(_ context.Context, r *bus.ControlRequest) ([]byte, error) {
	p, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Ticket    string `json:"ticket"`
		ExpiresIn int    `json:"expiresIn"` // seconds
	}{s.office.Issue(p.ID), int(tickets.Life / time.Second)})
}

// verify tells whose token {"token"} is.
func (s *Service) verify(_ context.Context, r *bus.ControlRequest) ([]byte, error) {
	var ask tokenReply
	if err := read(r.Body, &ask); err != nil {
		return nil, err
	}
	p, err := s.verifier.Verify(ask.Token)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		*mesh.Principal
		Expires time.Time `json:"expires"`
	}{p, p.Expires.UTC()})
}

// definitions tells workers which databases to open.
func (s *Service) definitions(context.Context, *bus.ControlRequest) ([]byte, error) {
	return json.Marshal(s.list.Definitions())
}

// caller returns who sent a request. Errors: UNAUTHORIZED.
func (s *Service) caller(r *bus.ControlRequest) (*mesh.Principal, error) {
	if r.Header.Token == "" {
		return nil, fault.New(fault.Unauthorized, "send an API key in X-API-Key or as a bearer token")
	}
	return s.verifier.Verify(r.Header.Token)
}

// adminFunc does an administrator's request and names what it was done to.
type adminFunc func(ctx context.Context, r *bus.ControlRequest, by *mesh.Principal) (data any, target string, err error)

// adminVerbs are octo.admin.<verb>. Their replies are bodies of the REST API,
// {"status":"ok","data":…}.
func (s *Service) adminVerbs() map[string]bus.ControlFunc {
	verbs := map[string]adminFunc{
		"keys.list": func(ctx context.Context, _ *bus.ControlRequest, _ *mesh.Principal) (any, string, error) {
			list, err := s.keys.List(ctx)
			return list, "", err
		},
		"keys.create": func(ctx context.Context, r *bus.ControlRequest, by *mesh.Principal) (any, string, error) {
			k, err := s.keys.Create(ctx, r.Body, by)
			if err != nil {
				return nil, "", err
			}
			return k, k.ID, nil
		},
		"keys.update": func(ctx context.Context, r *bus.ControlRequest, by *mesh.Principal) (any, string, error) {
			k, err := s.keys.Update(ctx, r.Body, by)
			return k, named(r.Body), err
		},
		"keys.revoke": func(ctx context.Context, r *bus.ControlRequest, _ *mesh.Principal) (any, string, error) {
			k, err := s.keys.Revoke(ctx, r.Body)
			return k, named(r.Body), err
		},
		"keys.delete": func(ctx context.Context, r *bus.ControlRequest, _ *mesh.Principal) (any, string, error) {
			id, ok, err := s.keys.Delete(ctx, r.Body)
			if err == nil && !ok {
				err = fault.New(fault.NotFound, "there is no API key %q", id)
			}
			return ok, named(r.Body), err
		},
		"scopes.list": func(context.Context, *bus.ControlRequest, *mesh.Principal) (any, string, error) {
			return s.registry.List(), "", nil
		},
		"projects.list": func(context.Context, *bus.ControlRequest, *mesh.Principal) (any, string, error) {
			return s.list.Show(config.MaskURI), "", nil
		},
	}
	out := make(map[string]bus.ControlFunc, len(verbs))
	for verb, f := range verbs {
		out[verb] = s.admin(verb, f)
	}
	return out
}

// admin lets administrators of the system pass and writes down what they did.
func (s *Service) admin(verb string, f adminFunc) bus.ControlFunc {
	return func(ctx context.Context, r *bus.ControlRequest) ([]byte, error) {
		by, err := s.caller(r)
		if err != nil {
			return nil, err
		}
		var data any
		target := ""
		err = access.Check(by, access.Ask{ProjectID: scopes.System, Project: scopes.System, Class: mesh.Admin, Transport: r.Header.Transport})
		if err == nil {
			data, target, err = f(ctx, r, by)
		}
		s.audit(ctx, verb, r, by, target, err)
		if err != nil {
			return nil, err
		}
		return json.Marshal(struct {
			Status string `json:"status"`
			Data   any    `json:"data"`
		}{"ok", data})
	}
}

func (s *Service) audit(ctx context.Context, verb string, r *bus.ControlRequest, by *mesh.Principal, target string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = string(fault.CodeOf(err))
	}
	s.Log.Info("admin", "op", verb, "principal", by.ID, "target", target, "code", outcome, "request_id", r.Header.RequestID, "transport", r.Header.Transport)
	entry := system.Entry{
		Action: verb, Actor: by.ID, Target: target, Outcome: outcome,
		RequestID: r.Header.RequestID, Transport: r.Header.Transport, At: s.Now().UTC(),
	}
	if err := s.records.Audit(context.WithoutCancel(ctx), entry); err != nil {
		s.Log.Error("the audit trail could not be written", "op", verb, "principal", by.ID, "err", err)
	}
}

// named returns the id in a request, for the audit trail.
func named(body []byte) string {
	var r struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &r) != nil {
		return ""
	}
	return r.ID[:min(len(r.ID), 64)]
}
