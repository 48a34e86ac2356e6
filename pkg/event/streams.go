package event

import (
	"maps"
	"slices"

	"github.com/octomesh/octomesh/pkg/schema"
)

// enter puts a stream into the index. The lock is held.
func (p *project) enter(s *Stream) {
	p.streams[s] = struct{}{}
	if s.wants == nil {
		p.all[s] = struct{}{}
		return
	}
	for entity := range s.wants {
		if p.index[entity] == nil {
			p.index[entity] = map[*Stream]struct{}{}
		}
		p.index[entity][s] = struct{}{}
	}
}

// leave takes a stream out of the index. The lock is held.
func (p *project) leave(s *Stream) {
	delete(p.streams, s)
	delete(p.all, s)
	for entity := range s.wants {
		if delete(p.index[entity], s); len(p.index[entity]) == 0 {
			delete(p.index, entity)
		}
	}
}

func (p *project) end(s *Stream, err error) { p.drop(s, err, "") }

// drop ends a stream; reason is for the metrics, "" for its own Close.
func (p *project) drop(s *Stream, err error, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLocked(s, err, reason)
}

func (p *project) endLocked(s *Stream, err error, reason string) {
	if s.closed {
		return
	}
	s.closed = true
	p.leave(s)
	s.finish(err)
	if reason != "" {
		p.feed.o.Metrics.FeedDropped(reason)
	}
	p.feed.left(p, s)
}

// endIf ends the streams for which why gives an error.
func (p *project) endIf(why func(*Stream) error, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.streams {
		if err := why(s); err != nil {
			p.endLocked(s, err, reason)
		}
	}
}

// checkCatalog compiles the streams' interests anew when the project has
// another catalog, and ends those that no longer fit.
func (p *project) checkCatalog() {
	proj, ok := p.feed.o.Catalog(p.slug)
	if !ok {
		p.endIf(func(*Stream) error { return unknown(p.slug) }, "project")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.catalog != proj.Catalog {
		p.recompile(proj.Catalog)
	}
}

func (p *project) recompile(cat *schema.Catalog) {
	p.catalog = cat
	clear(p.interests)
	for _, s := range slices.Collect(maps.Keys(p.streams)) {
		wants, err := p.wants(&s.sub, cat)
		if err != nil {
			p.endLocked(s, err, "schema")
			continue
		}
		p.leave(s)
		s.wants, s.lazy = wants, nil
		p.enter(s)
	}
}
