package keys

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/auth/scopes"
	"github.com/octomesh/octomesh/services/auth/system"
)

// Shown is a key as administrators see it: no hash, projects by slug, and the
// whole key in the reply to its creation alone.
type Shown struct {
	ID          string      `json:"id"`
	Prefix      string      `json:"prefix"`
	APIKey      string      `json:"apiKey,omitempty"`
	Label       string      `json:"label"`
	Account     string      `json:"account,omitempty"`
	Env         string      `json:"env"`
	Permissions permissions `json:"permissions"`
	Enabled     bool        `json:"enabled"`
	RevokedAt   *time.Time  `json:"revokedAt"`
	ExpiresAt   *time.Time  `json:"expiresAt"`
	CreatedBy   string      `json:"createdBy,omitempty"`
	CreatedAt   *time.Time  `json:"createdAt"`
	UsageCount  int64       `json:"usageCount"`
	LastUsedAt  *time.Time  `json:"lastUsedAt"`
	LastIP      string      `json:"lastIp"`
}

type permissions struct {
	Scopes    mesh.Scopes     `json:"scopes"`
	RateLimit json.RawMessage `json:"rateLimit,omitempty"`
}

func (m *Manager) show(k *Key) (*Shown, error) {
	var p permissions
	if err := json.Unmarshal(k.Permissions, &p); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the key's permissions cannot be read")
	}
	p.Scopes = m.registry.Show(p.Scopes)
	return &Shown{
		ID: k.ID, Prefix: k.Prefix, Label: k.Label, Account: k.Account, Env: k.Env, Permissions: p,
		Enabled: k.Enabled, RevokedAt: k.RevokedAt, ExpiresAt: k.ExpiresAt, CreatedBy: k.CreatedBy,
		CreatedAt: k.CreatedAt, UsageCount: k.UsageCount, LastUsedAt: k.LastUsedAt, LastIP: k.LastIP,
	}, nil
}

// List returns all keys, newest first.
func (m *Manager) List(ctx context.Context) ([]*Shown, error) {
	all, err := system.All[Key](ctx, m.records, system.APIKey, system.Args{})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b Key) int { return cmp.Compare(unix(b.CreatedAt), unix(a.CreatedAt)) })
	out := make([]*Shown, 0, len(all))
	for i := range all {
		s, err := m.show(&all[i])
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func unix(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixNano()
}

// Create makes a key from {label, env?, account?, permissions, expiresAt?} for
// by, who must have every right that the key is to have. Errors: PARSE_ERROR,
// VALIDATION_ERROR, FORBIDDEN.
func (m *Manager) Create(ctx context.Context, body []byte, by *mesh.Principal) (*Shown, error) {
	in, err := m.read(body, "label", "env", "account", "permissions", "expiresAt")
	if err != nil {
		return nil, err
	}
	if !in.has["permissions"] {
		return nil, invalid("permissions", "is required")
	}
	if err := scopes.Within(by.Scopes, in.permissions.Scopes); err != nil {
		return nil, err
	}
	return m.make(ctx, in, by.ID, Generate)
}

// CreateGiven stores a key that was chosen outside, with every right: the admin
// key of the first start. Errors: AUTH_ERROR, CONFLICT.
func (m *Manager) CreateGiven(ctx context.Context, key, label string) (*Shown, error) {
	all := mesh.Scopes{"projects": {"*"}, "operations": {"*"}, "transports": {"*"}}
	in := input{given: true, label: label, env: "live", permissions: scopes.Permissions{Scopes: all}}
	return m.make(ctx, in, system.Principal.ID, func(string) string { return key })
}

func (m *Manager) make(ctx context.Context, in input, by string, generate func(env string) string) (*Shown, error) {
	stored, err := json.Marshal(in.permissions)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the permissions cannot be stored")
	}
	for attempt := 0; ; attempt++ {
		key := generate(in.env)
		k, err := newKey(key)
		if err != nil {
			return nil, err
		}
		now := m.now().UTC()
		k.Account, k.Label, k.Permissions, k.Enabled, k.ExpiresAt, k.CreatedBy, k.CreatedAt = in.account, in.label, stored, true, in.expiresAt, by, &now
		err = m.records.Create(ctx, system.APIKey, system.Args{
			"id": k.ID, "account": k.Account, "env": k.Env, "prefix": k.Prefix, "hash": k.Hash, "label": k.Label,
			"permissions": k.Permissions, "enabled": true, "expiresAt": k.ExpiresAt, "createdBy": by,
		})
		if fault.CodeOf(err) == fault.Conflict && attempt < 3 && !in.given { // the look-up part is taken
			continue
		}
		if err != nil {
			return nil, err
		}
		m.expires(k)
		s, err := m.show(k)
		if err != nil {
			return nil, err
		}
		s.APIKey = key
		return s, nil
	}
}

func (m *Manager) expires(k *Key) {
	if k.ExpiresAt != nil && m.OnExpiry != nil {
		m.OnExpiry(k.ID, *k.ExpiresAt)
	}
}

// Update changes {id, label?, account?, permissions?, enabled?, expiresAt?}; what is
// not named stays. A key that has more rights than by can only be disabled.
// Where rights end, everything issued to the key ends at once. Errors:
// PARSE_ERROR, VALIDATION_ERROR, NOT_FOUND, FORBIDDEN, CONFLICT for a revoked key.
func (m *Manager) Update(ctx context.Context, body []byte, by *mesh.Principal) (*Shown, error) {
	in, err := m.read(body, "id", "label", "account", "permissions", "enabled", "expiresAt")
	if err != nil {
		return nil, err
	}
	k, err := m.load(ctx, in.id)
	if err != nil {
		return nil, err
	}
	if k.RevokedAt != nil {
		return nil, fault.New(fault.Conflict, "the key was revoked, which is for ever; make a new one")
	}
	before, rate, err := k.rights()
	if err != nil {
		return nil, err
	}
	onlyOff := len(in.has) == 2 && in.has["enabled"] && !in.enabled
	if !onlyOff {
		if err := scopes.Within(by.Scopes, before); err != nil {
			return nil, err
		}
	}
	ends, data := m.owes(k.ID), system.Args{}
	if in.has["label"] {
		k.Label, data["label"] = in.label, in.label
	}
	if in.has["account"] {
		ends = ends || k.Account != in.account // tokens name the account as their parent
		k.Account, data["account"] = in.account, in.account
	}
	if in.has["permissions"] {
		if err := scopes.Within(by.Scopes, in.permissions.Scopes); err != nil {
			return nil, err
		}
		if k.Permissions, err = json.Marshal(in.permissions); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "the permissions cannot be stored")
		}
		// Also where rights are added: the caller wants to use them now, and a
		// native connection only gets them by connecting again.
		ends = ends || scopes.Narrows(before, in.permissions.Scopes) || scopes.Narrows(in.permissions.Scopes, before) || rate != in.permissions.Rate
		data["permissions"] = k.Permissions
	}
	if in.has["enabled"] {
		ends = ends || k.Enabled && !in.enabled
		k.Enabled, data["enabled"] = in.enabled, in.enabled
	}
	if in.has["expiresAt"] {
		ends = ends || in.expiresAt != nil && (k.ExpiresAt == nil || in.expiresAt.Before(*k.ExpiresAt))
		k.ExpiresAt, data["expiresAt"] = in.expiresAt, in.expiresAt
	}
	if len(data) > 0 {
		if err := m.records.Update(ctx, system.APIKey, k.ID, data); err != nil {
			return nil, err
		}
	}
	m.expires(k)
	if ends {
		if err := m.tell(ctx, k.ID); err != nil {
			return nil, err
		}
	}
	return m.show(k)
}

// Revoke ends {id} for ever and keeps its record. Errors: NOT_FOUND.
func (m *Manager) Revoke(ctx context.Context, body []byte) (*Shown, error) {
	in, err := m.read(body, "id")
	if err != nil {
		return nil, err
	}
	k, err := m.load(ctx, in.id)
	if err != nil {
		return nil, err
	}
	if k.RevokedAt == nil {
		now := m.now().UTC()
		if err := m.records.Update(ctx, system.APIKey, k.ID, system.Args{"revokedAt": now, "enabled": false}); err != nil {
			return nil, err
		}
		k.RevokedAt, k.Enabled = &now, false
	}
	if err := m.tell(ctx, k.ID); err != nil {
		return nil, err
	}
	return m.show(k)
}

// Delete ends {id} and removes its record. It reports whether there was one.
func (m *Manager) Delete(ctx context.Context, body []byte) (id string, ok bool, err error) {
	in, err := m.read(body, "id")
	if err != nil {
		return "", false, err
	}
	ok, err = m.records.Delete(ctx, system.APIKey, in.id)
	if ok = ok || m.owes(in.id); err == nil && ok {
		err = m.tell(ctx, in.id)
	}
	return in.id, ok, err
}

// load finds a key by its id, its prefix or its principal id.
func (m *Manager) load(ctx context.Context, id string) (*Key, error) {
	k, err := system.Get[Key](ctx, m.records, system.APIKey, id)
	if err == nil && k == nil {
		err = fault.New(fault.NotFound, "there is no API key %q", id)
	}
	return k, err
}

type input struct {
	has                     map[string]bool
	given                   bool // the key is not ours to choose
	id, label, env, account string
	permissions             scopes.Permissions
	enabled                 bool
	expiresAt               *time.Time
}

var (
	lookupForm  = regexp.MustCompile(`^[0-9A-Za-z]{8}$`)
	accountForm = regexp.MustCompile(`^[A-Za-z0-9_-]{0,64}$`)
)

// read checks a request of the admin verbs.
func (m *Manager) read(body []byte, allowed ...string) (input, error) {
	in := input{has: map[string]bool{}, env: "live"}
	doc, err := strictjson.Parse(body)
	if err != nil {
		return in, err
	}
	defer doc.Release()
	o, err := doc.Root.Object()
	if err != nil {
		return in, fault.New(fault.InvalidRequest, "the request must be an object")
	}
	o.Visit(func(key []byte, v *fastjson.Value) {
		name := string(key)
		switch {
		case err != nil:
		case !slices.Contains(allowed, name):
			err = invalid(fmt.Sprintf("%.40s", name), "is unknown here")
		default:
			in.has[name] = true
			err = m.member(&in, name, v)
		}
	})
	if err == nil && slices.Contains(allowed, "id") && !in.has["id"] {
		err = fault.New(fault.MissingID, "id is required")
	}
	return in, err
}

func (m *Manager) member(in *input, name string, v *fastjson.Value) (err error) {
	text, isText := "", v.Type() == fastjson.TypeString
	if isText {
		text = string(v.GetStringBytes())
	}
	switch name {
	case "id":
		if in.id = text; !lookupForm.MatchString(text) {
			return fault.New(fault.NotFound, "there is no such API key; its id has 8 characters")
		}
	case "label":
		if in.label = text; !isText || len(text) > 200 {
			return invalid(name, "must be a text of at most 200 bytes")
		}
	case "env":
		if in.env = text; text != "live" && text != "test" {
			return invalid(name, "must be live or test")
		}
	case "account":
		if in.account = text; !isText || !accountForm.MatchString(text) {
			return invalid(name, "must be up to 64 letters, digits, - and _")
		}
	case "enabled":
		if in.enabled, err = v.Bool(); err != nil {
			return invalid(name, "must be true or false")
		}
	case "permissions":
		in.permissions, err = m.registry.FromValue(v)
	case "expiresAt":
		if v.Type() == fastjson.TypeNull {
			return nil
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil || !at.After(m.now()) || at.Year() > 9999 {
			return invalid(name, "must be a time to come, such as 2030-01-31T00:00:00Z, or null")
		}
		at = at.UTC().Truncate(time.Millisecond)
		in.expiresAt = &at
	}
	return err
}

func invalid(path, reason string) error {
	return fault.New(fault.ValidationError, "%s %s", path, reason).With([]scopes.Problem{{Path: path, Reason: reason}})
}
