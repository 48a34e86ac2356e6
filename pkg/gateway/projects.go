package gateway

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/protofile/number"
	"github.com/octomesh/octomesh/pkg/schema"
)

// DefaultProject is the slug of the project that needs no name.
const DefaultProject = "default"

// Project is one project as a gateway knows it. It is never changed.
type Project struct {
	ID      string // immutable
	Slug    string
	Version string // of the catalog, as the bucket names it
	Dialect string
	Catalog *schema.Catalog
	// Numbers are what protobuf calls the fields by; nil where the auth service
	// has given none yet (pkg/protofile then makes them).
	Numbers number.Numbers
}

// Projects is the directory of all projects, kept up to date by a watch on the
// bucket octo_catalogs. Readers never wait.
type Projects struct {
	mu      sync.Mutex // orders writers
	changed []func(slug string)
	list    atomic.Pointer[map[string]*Project]
	loaded  atomic.Bool
}

// NewProjects returns an empty directory that is not loaded.
func NewProjects() *Projects {
	p := &Projects{}
	p.list.Store(&map[string]*Project{})
	return p
}

// Apply takes one entry of the bucket over: key is the slug, value
// {"id","slug","version","dialect","schemas":[…],"numbers":{…},"deleted"}. A value that cannot
// be read leaves what was known before.
func (p *Projects) Apply(key string, value []byte, deleted bool) error {
	var v struct {
		ID      string          `json:"id"`
		Slug    string          `json:"slug"`
		Version string          `json:"version"`
		Dialect string          `json:"dialect"`
		Schemas json.RawMessage `json:"schemas"`
		Numbers number.Numbers  `json:"numbers"`
		Deleted bool            `json:"deleted"`
	}
	if !deleted {
		if err := json.Unmarshal(value, &v); err != nil {
			return fmt.Errorf("the catalog of %s cannot be read: %w", key, err)
		}
	}
	if deleted || v.Deleted {
		p.change(key, func(m map[string]*Project) { delete(m, key) })
		return nil
	}
	if old := p.Get(key); old != nil && old.ID == v.ID && old.Version == v.Version && old.Dialect == v.Dialect && v.Version != "" && reflect.DeepEqual(old.Numbers, v.Numbers) {
		return nil
	}
	c, err := schema.Parse(v.Schemas)
	if err != nil {
		return fmt.Errorf("the catalog of %s does not compile: %w", key, err)
	}
	p.Put(&Project{ID: v.ID, Slug: key, Version: v.Version, Dialect: v.Dialect, Catalog: c, Numbers: v.Numbers})
	return nil
}

// Put adds or replaces a project.
func (p *Projects) Put(q *Project) {
	p.change(q.Slug, func(m map[string]*Project) { m[q.Slug] = q })
}

// OnChange has f called after each change of a project, with its slug. Calls
// come one after another, and a change waits for them: f must be quick.
func (p *Projects) OnChange(f func(slug string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed = append(p.changed, f)
}

func (p *Projects) change(slug string, f func(map[string]*Project)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := maps.Clone(*p.list.Load())
	f(next)
	p.list.Store(&next)
	for _, told := range p.changed {
		told(slug)
	}
}

// SetLoaded tells that everything the bucket held has been applied.
func (p *Projects) SetLoaded() { p.loaded.Store(true) }

// Loaded reports whether the directory is complete.
func (p *Projects) Loaded() bool { return p.loaded.Load() }

// Get returns the project of that slug, or nil.
func (p *Projects) Get(slug string) *Project { return (*p.list.Load())[slug] }

// Each yields every project, in no order.
func (p *Projects) Each() iter.Seq[*Project] { return maps.Values(*p.list.Load()) }

// All returns every project, by slug.
func (p *Projects) All() []*Project {
	m := *p.list.Load()
	out := make([]*Project, 0, len(m))
	for _, slug := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[slug])
	}
	return out
}

// Find is Get with the error that callers are shown: UNKNOWN_PROJECT, or
// UNAVAILABLE while the directory is not loaded.
func (p *Projects) Find(slug string) (*Project, error) {
	if q := p.Get(slug); q != nil {
		return q, nil
	}
	if !p.Loaded() {
		return nil, fault.New(fault.Unavailable, "the gateway has not learnt yet which projects there are")
	}
	if !subject.ValidToken(slug) {
		return nil, fault.New(fault.UnknownProject, "that is no project's name: 1 to 64 of A-Z a-z 0-9 _ -")
	}
	return nil, fault.New(fault.UnknownProject, "there is no project %q", slug)
}

// EntityName returns the canonical name of an entity or collection of q. A name
// that q's catalog lacks is returned as it is if it could be one, since the
// worker may know a later catalog, and since only the worker may tell a caller
// without rights what exists. Errors: UNKNOWN_ENTITY.
func (q *Project) EntityName(name string) (string, error) {
	if e := q.Catalog.Entity(name); e != nil {
		return e.Name, nil
	}
	if !subject.ValidToken(name) || schema.Reserved(name) {
		return "", fault.New(fault.UnknownEntity, "there is no such entity")
	}
	return name, nil
}
