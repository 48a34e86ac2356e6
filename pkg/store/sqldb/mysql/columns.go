package mysql

import (
	"strings"
	"sync"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/migrate"
)

// columns knows which columns of the catalogs in use are not as own ones are.
type columns struct {
	mu    sync.RWMutex
	now   map[*schema.Column]trait
	prior map[*schema.Column]trait // of the catalog before, which requests may still use
}

// trait is what a column of others, or of a former catalog, is like.
type trait struct {
	foreign bool // its collation is not the own one
	long    bool // an index takes only a part of it
}

// survey looks for such columns.
func (k *columns) survey(cat *schema.Catalog, tables []migrate.Table) {
	now := make(map[*schema.Column]trait)
	for _, e := range cat.Entities {
		for i := range tables {
			t := &tables[i]
			if !strings.EqualFold(t.Name, e.Collection) {
				continue
			}
			for _, c := range e.Columns {
				x := t.Column(c.Physical, true)
				if x == nil || c.Type.Kind() != schema.KindText {
					continue
				}
				if own := (trait{foreign: x.Collation != "", long: unbounded(x.Declared)}); own != (trait{}) {
					now[c] = own
				}
			}
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.prior, k.now = k.now, now
}

func unbounded(declared string) bool {
	return strings.Contains(declared, "text") || strings.Contains(declared, "blob")
}

func (k *columns) trait(c *schema.Column) trait {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if t, ok := k.now[c]; ok {
		return t
	}
	return k.prior[c]
}

// long reports whether an index takes only a part of the column.
func (k *columns) long(c *schema.Column) bool {
	if c.Type.Kind() != schema.KindText || c.Type == schema.Enum || c.Type == schema.ObjectID {
		return false
	}
	return c.Type == schema.Text || c.Type == schema.Binary || c.Field != nil && c.Field.MaxLength > keyLength || k.trait(c).long
}

// collate has a foreign column compared as own ones are; no index of it serves
// that.
func (k *columns) collate(c *schema.Column, own string) string {
	if c.Type.Kind() == schema.KindText && k.trait(c).foreign {
		return " COLLATE " + own
	}
	return ""
}
