// Package keys is the life of an API key: it is made and shown once, proved by
// whoever holds it, changed, revoked and deleted by an administrator, and counted
// when it is used. Only its look-up part and a hash are ever stored.
package keys

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/auth/scopes"
	"github.com/octomesh/octomesh/services/auth/system"
)

// Key is a stored API key, with the fields of Octonet's api_keys.
type Key struct {
	ID          string          `json:"id"` // the look-up part
	Account     string          `json:"account"`
	Env         string          `json:"env"`
	Prefix      string          `json:"prefix"` // sk_<env>_<look-up>
	Hash        string          `json:"hash"`
	Label       string          `json:"label"`
	Permissions json.RawMessage `json:"permissions"` // {"scopes":{…},"rateLimit":…}, projects by id
	Enabled     bool            `json:"enabled"`
	RevokedAt   *time.Time      `json:"revokedAt"`
	ExpiresAt   *time.Time      `json:"expiresAt"`
	CreatedBy   string          `json:"createdBy"`
	UsageCount  int64           `json:"usageCount"`
	LastUsedAt  *time.Time      `json:"lastUsedAt"`
	LastIP      string          `json:"lastIp"`
	CreatedAt   *time.Time      `json:"createdAt"`
	UpdatedAt   *time.Time      `json:"updatedAt"`
}

// rights returns what the key allows, and how often.
func (k *Key) rights() (mesh.Scopes, mesh.Rate, error) {
	var p permissions
	if err := json.Unmarshal(k.Permissions, &p); err != nil {
		return nil, mesh.Rate{}, fault.Wrap(err, fault.Internal, "the key's permissions cannot be read")
	}
	return p.Scopes, scopes.ParseRate(p.RateLimit), nil
}

// Alive returns nil if the key can be used at that moment. Errors: UNAUTHORIZED.
func (k *Key) Alive(now time.Time) error {
	switch {
	case k.RevokedAt != nil:
		return fault.New(fault.Unauthorized, "the API key was revoked")
	case !k.Enabled:
		return fault.New(fault.Unauthorized, "the API key is disabled")
	case k.ExpiresAt != nil && !now.Before(*k.ExpiresAt):
		return fault.New(fault.Unauthorized, "the API key has expired")
	}
	return nil
}

// Principal returns whoever holds the key.
func (k *Key) Principal() (*mesh.Principal, error) {
	s, rate, err := k.rights()
	if err != nil {
		return nil, err
	}
	p := &mesh.Principal{ID: access.KeyID(k.ID), Kind: mesh.Key, Scopes: s, Rate: rate}
	if k.Account != "" {
		p.Parents = []string{"a:" + k.Account}
	}
	if k.ExpiresAt != nil {
		p.Expires = *k.ExpiresAt
	}
	return p, nil
}

// Revoker makes a change of rights known to everybody.
type Revoker interface {
	// Revoke ends what was issued to a principal until now. It returns when the
	// revocation is on its way to all services.
	Revoke(ctx context.Context, id string) error
}

// Manager reads and writes keys. It is safe for concurrent use.
type Manager struct {
	records  *system.Records
	registry *scopes.Registry
	revoker  Revoker
	now      func() time.Time
	usage    usage
	owing    sync.Mutex
	owed     map[string]bool // look-up parts of keys whose end could not be told
	// OnExpiry, if set, is told each expiry that keys are given, before any
	// call that uses the Manager.
	OnExpiry func(id string, at time.Time)
}

// NewManager returns a Manager.
func NewManager(r *system.Records, reg *scopes.Registry, rev Revoker, now func() time.Time) *Manager {
	if now == nil {
		now = time.Now
	}
	return &Manager{records: r, registry: reg, revoker: rev, now: now, usage: usage{seen: map[string]use{}}, owed: map[string]bool{}}
}

// tell makes the end of a key's rights known. What could not be told is owed: the
// change is stored, so that its repetition would find nothing to tell.
func (m *Manager) tell(ctx context.Context, id string) error {
	err := m.revoker.Revoke(ctx, access.KeyID(id))
	m.owing.Lock()
	defer m.owing.Unlock()
	if err != nil {
		m.owed[id] = true
	} else {
		delete(m.owed, id)
	}
	return err
}

func (m *Manager) owes(id string) bool {
	m.owing.Lock()
	defer m.owing.Unlock()
	return m.owed[id]
}

// Prove returns the key's record if the key is right and alive. Errors:
// AUTH_ERROR for a malformed key, UNAUTHORIZED for an unknown, disabled, revoked
// or expired one: that one exists is told only to who knows the whole of it.
func (m *Manager) Prove(ctx context.Context, key string) (*Key, error) {
	parts, err := access.ParseKey(key)
	if err != nil {
		return nil, err
	}
	hash := Hash(key)
	k, err := system.Get[Key](ctx, m.records, system.APIKey, parts.Lookup)
	if err != nil {
		return nil, err
	}
	stored := hash
	if k != nil {
		stored = k.Hash
	}
	right := subtle.ConstantTimeCompare([]byte(stored), []byte(hash)) == 1
	if k == nil || !right || k.Env != parts.Env {
		return nil, fault.New(fault.Unauthorized, "the API key is not known")
	}
	return k, k.Alive(m.now())
}

// Find returns the live key of a principal id, for an identity that the NATS
// server vouches for. Errors: UNAUTHORIZED.
func (m *Manager) Find(ctx context.Context, id string) (*Key, error) {
	k, err := system.Get[Key](ctx, m.records, system.APIKey, id)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, fault.New(fault.Unauthorized, "the API key is not known")
	}
	return k, k.Alive(m.now())
}
