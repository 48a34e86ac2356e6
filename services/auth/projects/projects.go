// Package projects is the list of projects: what the settings and a
// projects-tree.json name goes in at the start and is given an immutable id; out
// go the definitions that workers open databases by, and the catalogs that
// everybody watches.
package projects

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/protofile/number"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/auth/system"
)

// Default is the slug of the project that needs no name.
const Default = "default"

// Rest is how long the slug of a deleted project is not given to another one.
const Rest = 30 * 24 * time.Hour

//go:embed demo.json
var demo []byte

// Demo returns the schemas that are served when nothing is configured.
func Demo() []byte { return demo }

// Where a project came from.
const (
	FromConfig = "config"
	FromTree   = "tree"
)

// Project is one stored project.
type Project struct {
	ID      string `json:"id"`
	Slug    string `json:"slug"`
	Dialect string `json:"dialect"`
	// URI is the database's address, with its password: it leaves for workers
	// only. Empty means a file of the worker's own.
	URI         string          `json:"uri"`
	Schemas     json.RawMessage `json:"schemas"`
	Strategy    string          `json:"strategy"`
	Description string          `json:"description"`
	Source      string          `json:"source"`
	DeletedOn   *time.Time      `json:"deletedOn"`
	// Numbers are what protobuf calls the fields by; whoever wants a project need
	// not name them. Projects stored before there were any get theirs by Sync.
	Numbers number.Numbers `json:"numbers"`

	catalog *schema.Catalog
}

// Definition is what a worker needs to open a project.
type Definition struct {
	ID       string          `json:"id"`
	Slug     string          `json:"slug"`
	Dialect  string          `json:"dialect"`
	URI      string          `json:"uri"`
	Schemas  json.RawMessage `json:"schemas"`
	Strategy string          `json:"strategy"`
}

// Shown is a project as administrators see it.
type Shown struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Dialect      string `json:"dialect"`
	Status       string `json:"status"`
	SchemasCount int    `json:"schemasCount"`
	URIMasked    string `json:"uriMasked"`
	Strategy     string `json:"schemaStrategy"`
	Description  string `json:"description"`
	Version      string `json:"version"`
}

// List is all projects, kept in memory. It is safe for concurrent use.
type List struct {
	records *system.Records
	now     func() time.Time
	// Changed, if set, is told how the schemas of a stored project differ from
	// those that took their place.
	Changed func(slug string, list []schema.Difference)

	mu     sync.RWMutex
	byID   map[string]*Project // deleted ones too
	bySlug map[string]*Project // live ones
}

// Load reads the projects of the system store. now may be nil.
func Load(ctx context.Context, r *system.Records, now func() time.Time) (*List, error) {
	if now == nil {
		now = time.Now
	}
	l := &List{records: r, now: now, byID: map[string]*Project{}, bySlug: map[string]*Project{}}
	all, err := system.All[Project](ctx, r, system.Project, system.Args{})
	if err != nil {
		return nil, err
	}
	for i := range all {
		p := &all[i]
		if p.catalog, err = schema.Parse(p.Schemas); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "the stored schemas of the project %s cannot be read", p.Slug)
		}
		l.keep(p)
	}
	return l, nil
}

func (l *List) keep(p *Project) {
	l.byID[p.ID] = p
	if p.DeletedOn == nil {
		l.bySlug[p.Slug] = p
	} else if l.bySlug[p.Slug] != nil && l.bySlug[p.Slug].ID == p.ID {
		delete(l.bySlug, p.Slug)
	}
}

// Resolve returns the id of a live project named by slug or id.
func (l *List) Resolve(slugOrID string) (string, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if p := l.bySlug[slugOrID]; p != nil {
		return p.ID, true
	}
	p := l.byID[slugOrID]
	return slugOrID, p != nil && p.DeletedOn == nil
}

// Slug returns the slug of a live project's id.
func (l *List) Slug(id string) (string, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	p := l.byID[id]
	if p == nil || p.DeletedOn != nil {
		return "", false
	}
	return p.Slug, true
}

// Slugs returns all live slugs in order.
func (l *List) Slugs() []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := make([]string, 0, len(l.bySlug))
	for s := range l.bySlug {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

func (l *List) live() []*Project {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := make([]*Project, 0, len(l.bySlug))
	for _, p := range l.bySlug {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *Project) int { return strings.Compare(a.Slug, b.Slug) })
	return out
}

// Definitions returns what workers need, addresses included.
func (l *List) Definitions() []Definition {
	out := []Definition{}
	for _, p := range l.live() {
		out = append(out, Definition{ID: p.ID, Slug: p.Slug, Dialect: p.Dialect, URI: p.URI, Schemas: p.Schemas, Strategy: p.Strategy})
	}
	return out
}

// Show returns the projects without their addresses' secrets.
func (l *List) Show(mask func(uri string) string) []Shown {
	out := []Shown{}
	for _, p := range l.live() {
		out = append(out, Shown{
			ID: p.ID, Name: p.Slug, Dialect: p.Dialect, Status: "ok", SchemasCount: len(p.catalog.Entities),
			URIMasked: mask(p.URI), Strategy: p.Strategy, Description: p.Description, Version: p.catalog.Version,
		})
	}
	return out
}

// Sync makes the stored projects those that are wanted: it creates, changes and
// deletes. A project that comes back from where it came keeps its id. Nothing is
// written if anything is wrong. Errors: VALIDATION_ERROR, CONFLICT for a slug
// that rests.
func (l *List) Sync(ctx context.Context, wanted []Project) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var main *schema.Catalog
	for i := range wanted {
		w := &wanted[i]
		c, err := schema.Parse(w.Schemas)
		if err != nil {
			f := fault.From(err)
			return fault.New(f.Code, "the schemas of the project %q: %s", w.Slug, f.Message).With(f.Details)
		}
		if w.catalog = c; w.Slug == Default {
			main = c
		}
		var compact bytes.Buffer // as the store keeps it
		if err := json.Compact(&compact, w.Schemas); err != nil {
			return fault.Wrap(err, fault.ParseError, "the schemas of the project %q are no JSON", w.Slug)
		}
		w.Schemas = compact.Bytes()
	}
	seen := map[string]bool{}
	for _, w := range wanted {
		if err := checkSlug(w.Slug, main); err != nil {
			return err
		}
		if seen[strings.ToLower(w.Slug)] {
			return fault.New(fault.ValidationError, "two projects are named %q (letter case does not tell them apart)", w.Slug)
		}
		seen[strings.ToLower(w.Slug)] = true
		if err := l.rests(&w); err != nil {
			return err
		}
	}
	for i := range wanted {
		if err := l.put(ctx, &wanted[i]); err != nil {
			return err
		}
	}
	for slug, p := range l.bySlug {
		if !seen[strings.ToLower(slug)] {
			if err := l.remove(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkSlug applies the rules of names at the edge. main is the default
// project's catalog: /api/v1/<name> means its entity before it means a project.
func checkSlug(slug string, main *schema.Catalog) error {
	if slug == Default {
		return nil
	}
	if !schema.ValidProject(slug) {
		return fault.New(fault.ValidationError, "%q cannot be a project's name: 1 to 64 letters, digits, - and _, not beginning with _, and no reserved word", slug)
	}
	if main == nil {
		return nil
	}
	for _, e := range main.Entities {
		if strings.EqualFold(e.Name, slug) || strings.EqualFold(e.Collection, slug) {
			return fault.New(fault.ValidationError, "%q cannot be a project's name: the default project has an entity or collection of that name, and /api/v1/%s means that", slug, slug)
		}
	}
	return nil
}

// former returns the stored project that w continues: the live one of that
// slug, or a deleted one that came from the same place.
func (l *List) former(w *Project) *Project {
	if p := l.bySlug[w.Slug]; p != nil {
		return p
	}
	var last *Project
	for _, p := range l.byID {
		if p.Slug == w.Slug && p.Source == w.Source && (last == nil || p.DeletedOn.After(*last.DeletedOn)) {
			last = p
		}
	}
	return last
}

func (l *List) rests(w *Project) error {
	if l.former(w) != nil {
		return nil
	}
	for _, p := range l.byID {
		if strings.EqualFold(p.Slug, w.Slug) && p.DeletedOn != nil && l.now().Sub(*p.DeletedOn) < Rest {
			return fault.New(fault.Conflict, "the name %q belonged to a project that was deleted on %s; it can be used again 30 days later",
				w.Slug, p.DeletedOn.Format(time.DateOnly))
		}
	}
	return nil
}

func (l *List) put(ctx context.Context, w *Project) error {
	p := *w
	old := l.former(w)
	if old == nil {
		p.Numbers, _ = number.Extend(nil, p.catalog)
		p.ID = strings.ToLower(rand.Text()[:16])
		if err := l.records.Create(ctx, system.Project, p.record(true)); err != nil {
			return err
		}
		l.keep(&p)
		return nil
	}
	p.ID = old.ID
	more := false
	if p.Numbers, more = number.Extend(old.Numbers, p.catalog); more || !p.same(old) {
		if err := l.records.Update(ctx, system.Project, p.ID, p.record(false)); err != nil {
			return err
		}
	}
	if l.Changed != nil && p.catalog.Version != old.catalog.Version {
		l.Changed(p.Slug, schema.Diff(old.catalog, p.catalog))
	}
	l.keep(&p)
	return nil
}

func (l *List) remove(ctx context.Context, p *Project) error {
	gone, now := *p, l.now().UTC()
	gone.DeletedOn = &now
	if err := l.records.Update(ctx, system.Project, p.ID, system.Args{"deletedOn": now}); err != nil {
		return err
	}
	l.keep(&gone)
	return nil
}

func (p *Project) same(q *Project) bool {
	return p.Slug == q.Slug && p.Dialect == q.Dialect && p.URI == q.URI && p.Strategy == q.Strategy && p.Source == q.Source &&
		p.Description == q.Description && q.DeletedOn == nil && p.catalog.Version == q.catalog.Version && bytes.Equal(p.Schemas, q.Schemas)
}

func (p *Project) record(created bool) system.Args {
	r := system.Args{
		"slug": p.Slug, "dialect": p.Dialect, "uri": p.URI, "schemas": p.Schemas, "strategy": p.Strategy,
		"description": p.Description, "source": p.Source, "deletedOn": nil, "numbers": p.Numbers,
	}
	if created {
		r["id"] = p.ID
	}
	return r
}
