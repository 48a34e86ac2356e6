package keys

import (
	"context"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/auth/system"
)

// maxTouched bounds the keys whose use is not written down yet.
const maxTouched = 50_000

// usage gathers how often keys are used, so that no use waits for a write.
type usage struct {
	mu   sync.Mutex
	seen map[string]use
}

type use struct {
	count int64
	last  time.Time
	ip    string
}

// Touch notes that a key was exchanged or connected; Flush writes it down.
func (m *Manager) Touch(id, ip string) {
	m.usage.mu.Lock()
	defer m.usage.mu.Unlock()
	u, ok := m.usage.seen[id]
	if !ok && len(m.usage.seen) >= maxTouched {
		return
	}
	u.count++
	u.last = m.now()
	if ip != "" {
		u.ip = ip
	}
	m.usage.seen[id] = u
}

// Flush writes the gathered uses down. What cannot be written is tried again
// with the next Flush; keys that are gone are forgotten.
func (m *Manager) Flush(ctx context.Context) error {
	m.usage.mu.Lock()
	seen := m.usage.seen
	m.usage.seen = map[string]use{}
	m.usage.mu.Unlock()
	var failed error
	for id, u := range seen {
		err := m.flush(ctx, id, u)
		if err != nil && fault.CodeOf(err) != fault.NotFound {
			failed = err
			m.restore(id, u)
		}
	}
	return failed
}

func (m *Manager) flush(ctx context.Context, id string, u use) error {
	data := system.Args{"lastUsedAt": u.last.UTC()}
	if u.ip != "" {
		data["lastIp"] = u.ip
	}
	if err := m.records.Update(ctx, system.APIKey, id, data); err != nil {
		return err
	}
	return m.records.Increment(ctx, system.APIKey, id, "usageCount", u.count)
}

func (m *Manager) restore(id string, u use) {
	m.usage.mu.Lock()
	defer m.usage.mu.Unlock()
	newer := m.usage.seen[id]
	u.count += newer.count
	if newer.last.After(u.last) {
		u.last = newer.last
	}
	if newer.ip != "" {
		u.ip = newer.ip
	}
	m.usage.seen[id] = u
}
