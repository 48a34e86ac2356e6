package projects

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/octomesh/octomesh/pkg/protofile/number"
)

// Bucket is where catalogs are published; a watched key-value bucket.
type Bucket interface {
	Put(ctx context.Context, key string, value []byte) error
}

// Mirror is what the bucket says, as its watch tells. It is safe for concurrent
// use.
type Mirror struct {
	mu     sync.Mutex
	values map[string][]byte
}

// Told notes a value of the watch.
func (m *Mirror) Told(key string, value []byte, deleted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	if deleted {
		delete(m.values, key)
		return
	}
	m.values[key] = bytes.Clone(value)
}

// Forget makes the next Publish write everything again.
func (m *Mirror) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values = nil
}

func (m *Mirror) has(key string, value []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Equal(m.values[key], value)
}

func (m *Mirror) keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.values))
}

// published is the value of a project's key in the bucket of catalogs. It has
// no address of a database.
type published struct {
	ID      string          `json:"id"`
	Slug    string          `json:"slug"`
	Version string          `json:"version"`
	Dialect string          `json:"dialect"`
	Schemas json.RawMessage `json:"schemas"`
	Numbers number.Numbers  `json:"numbers,omitempty"`
	Deleted bool            `json:"deleted"`
}

// Publish makes the bucket say what the List says, whatever it held before: it
// writes what is missing or different, and marks as deleted what is gone. With
// nothing to write it costs nothing.
func (l *List) Publish(ctx context.Context, b Bucket, m *Mirror) error {
	live := map[string]bool{}
	for _, p := range l.live() {
		live[p.Slug] = true
		if err := put(ctx, b, m, published{ID: p.ID, Slug: p.Slug, Version: p.catalog.Version, Dialect: p.Dialect, Schemas: p.Schemas, Numbers: p.Numbers}); err != nil {
			return err
		}
	}
	for _, slug := range m.keys() {
		if live[slug] {
			continue
		}
		if err := put(ctx, b, m, published{ID: l.lastID(slug), Slug: slug, Schemas: json.RawMessage("[]"), Deleted: true}); err != nil {
			return err
		}
	}
	return nil
}

func put(ctx context.Context, b Bucket, m *Mirror, p published) error {
	value, err := json.Marshal(p)
	if err != nil || m.has(p.Slug, value) {
		return err
	}
	if err := b.Put(ctx, p.Slug, value); err != nil {
		return err
	}
	m.Told(p.Slug, value, false)
	return nil
}

// lastID returns the id of the project that had a slug last.
func (l *List) lastID(slug string) string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var last *Project
	for _, p := range l.byID {
		if p.Slug == slug && (last == nil || p.DeletedOn != nil && last.DeletedOn != nil && p.DeletedOn.After(*last.DeletedOn)) {
			last = p
		}
	}
	if last == nil {
		return ""
	}
	return last.ID
}
