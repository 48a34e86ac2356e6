package httpserver

// Handler answers an Exchange.
type Handler func(x *Exchange)

// Mux routes by the first segment of a path, or by the first two. It is built
// before the server starts and only read afterwards.
//
// A root that was mounted with Scoped is also reached behind a project's name:
// /shop/ws is /ws with Exchange.Project "shop".
type Mux struct {
	roots map[string]*root
}

type root struct {
	handler  Handler
	scoped   bool
	children map[string]Handler
}

// NewMux returns an empty Mux.
func NewMux() *Mux { return &Mux{roots: map[string]*root{}} }

// Mount gives everything below /name to h.
func (m *Mux) Mount(name string, h Handler) { m.root(name).handler = h }

// Scoped is Mount for what exists once for each project, too.
func (m *Mux) Scoped(name string, h Handler) {
	r := m.root(name)
	r.handler, r.scoped = h, true
}

// MountBelow gives everything below /name/child to h.
func (m *Mux) MountBelow(name, child string, h Handler) {
	r := m.root(name)
	if r.children == nil {
		r.children = map[string]Handler{}
	}
	r.children[child] = h
}

// ScopedBelow is MountBelow for what exists once for each project, too.
func (m *Mux) ScopedBelow(name, child string, h Handler) {
	m.MountBelow(name, child, h)
	m.root(name).scoped = true
}

func (m *Mux) root(name string) *root {
	r := m.roots[name]
	if r == nil {
		r = &root{}
		m.roots[name] = r
	}
	return r
}

// find returns the handler of x's path, and takes a project's name off it.
func (m *Mux) find(x *Exchange) Handler {
	s := x.Segments
	if len(s) == 0 {
		s = rootPath
	}
	r := m.roots[s[0]]
	if r == nil && len(s) > 1 {
		if r = m.roots[s[1]]; r == nil || !r.scoped {
			return nil
		}
		x.Project, x.Segments = s[0], s[1:]
		s = x.Segments
	}
	if r == nil {
		return nil
	}
	if r.children != nil && len(s) > 1 {
		if h := r.children[s[1]]; h != nil {
			return h
		}
	}
	return r.handler
}

var rootPath = []string{""}
