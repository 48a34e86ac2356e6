package keys

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/store"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
	"github.com/octomesh/octomesh/services/auth/scopes"
	"github.com/octomesh/octomesh/services/auth/system"
)

// mesh of revocations that can be cut.
type told struct {
	cut bool
	ids []string
}

func (r *told) Revoke(_ context.Context, id string) error {
	if r.cut {
		return fault.New(fault.Unavailable, "cut off")
	}
	r.ids = append(r.ids, id)
	return nil
}

type noProjects struct{}

func (noProjects) Resolve(string) (string, bool) { return "", false }
func (noProjects) Slug(string) (string, bool)    { return "", false }
func (noProjects) Slugs() []string               { return nil }

func manager(t *testing.T, r Revoker) *Manager {
	t.Helper()
	cat, err := system.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "system.db"), cat, sqlite.Options{Sync: "normal"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), conn, cat, store.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	records := system.New(mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) { return s.Call(ctx, r, nil) }))
	return NewManager(records, scopes.NewRegistry(noProjects{}), r, nil)
}

// TestUntoldChangesAreToldWhenRepeated: a change that is stored and could not be told
// asks to be repeated, so repeating it has to tell it, although nothing changes.
func TestUntoldChangesAreToldWhenRepeated(t *testing.T) {
	r := &told{}
	m := manager(t, r)
	by := &mesh.Principal{ID: "k:by", Scopes: mesh.Scopes{"projects": {"*"}, "operations": {"*"}, "transports": {"*"}}}
	for _, c := range []struct {
		name   string
		change func(ctx context.Context, id string) error
		again  fault.Code // of a third time
		more   int        // of what the third time tells
	}{
		{"disabled", func(ctx context.Context, id string) error {
			_, err := m.Update(ctx, []byte(`{"id":"`+id+`","enabled":false}`), by)
			return err
		}, "", 0},
		{"revoked", func(ctx context.Context, id string) error {
			_, err := m.Revoke(ctx, []byte(`{"id":"`+id+`"}`))
			return err
		}, "", 1},
		{"deleted", func(ctx context.Context, id string) error {
			_, ok, err := m.Delete(ctx, []byte(`{"id":"`+id+`"}`))
			if err == nil && !ok {
				return fault.New(fault.NotFound, "gone")
			}
			return err
		}, fault.NotFound, 0},
	} {
		k, err := m.Create(t.Context(), []byte(`{"permissions":{"scopes":{"projects":["*"],"operations":["read"],"transports":["rest"]}}}`), by)
		if err != nil {
			t.Fatal(err)
		}
		r.cut, r.ids = true, nil
		if err := c.change(t.Context(), k.ID); fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("%s: %v", c.name, err)
		}
		r.cut = false
		if err := c.change(t.Context(), k.ID); err != nil || len(r.ids) != 1 || r.ids[0] != "k:"+k.ID {
			t.Errorf("%s again: %v, told %v", c.name, err, r.ids)
		}
		if err := c.change(t.Context(), k.ID); fault.CodeOf(err) != c.again || len(r.ids) != 1+c.more {
			t.Errorf("%s a third time: %v, told %v", c.name, err, r.ids)
		}
	}
}
