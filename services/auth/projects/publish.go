package projects

import (
	"bytes"
	"context"
	"encoding/json"
)

// Bucket is where catalogs are published; a watched key-value bucket.
type Bucket interface {
	// Get returns the value of a key, nil if there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, value []byte) error
	// Keys returns all keys.
	Keys(ctx context.Context) ([]string, error)
}

// published is the value of a project's key in the bucket of catalogs. It has
// no address of a database.
type published struct {
	ID      string          `json:"id"`
	Slug    string          `json:"slug"`
	Version string          `json:"version"`
	Dialect string          `json:"dialect"`
	Schemas json.RawMessage `json:"schemas"`
	Deleted bool            `json:"deleted"`
}

// Publish makes the bucket say what the List says, whatever it held before: it
// writes what is missing or different, and marks as deleted what is gone.
// Repeating it costs one read for each project.
func (l *List) Publish(ctx context.Context, b Bucket) error {
	live := map[string]bool{}
	for _, p := range l.live() {
		live[p.Slug] = true
		value, err := json.Marshal(published{ID: p.ID, Slug: p.Slug, Version: p.catalog.Version, Dialect: p.Dialect, Schemas: p.Schemas})
		if err != nil {
			return err
		}
		if err := replace(ctx, b, p.Slug, value); err != nil {
			return err
		}
	}
	keys, err := b.Keys(ctx)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if live[key] {
			continue
		}
		value, err := json.Marshal(published{ID: l.lastID(key), Slug: key, Schemas: json.RawMessage("[]"), Deleted: true})
		if err != nil {
			return err
		}
		if err := replace(ctx, b, key, value); err != nil {
			return err
		}
	}
	return nil
}

func replace(ctx context.Context, b Bucket, key string, value []byte) error {
	old, err := b.Get(ctx, key)
	if err != nil || bytes.Equal(old, value) {
		return err
	}
	return b.Put(ctx, key, value)
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
