package overlay

import (
	"context"
	"slices"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// unique is a set of columns whose values together are unique among the records
// of an entity which are not deleted and have a value in each of them.
type unique struct {
	entity     *schema.Entity
	columns    []*schema.Column
	projection *query.Projection // id, then the columns
	deletedAt  *schema.Column
}

// check is a question to the database: does it have this value?
type check struct {
	unit   int
	unique *unique
	key    string // see unique.key
	id     string // of the row that takes it
	values []schema.Value
}

// of returns the unique values of an entity; the first is the id.
func (g *Group) of(e *schema.Entity) []unique {
	if all, ok := g.uniques[e]; ok {
		return all
	}
	var deletedAt *schema.Column
	for _, c := range e.Columns {
		if c.Role == schema.RoleDeletedAt {
			deletedAt = c
		}
	}
	id := e.Columns[0]
	all := []unique{{entity: e, columns: e.Columns[:1], projection: &query.Projection{Columns: e.Columns[:1], Key: "\x00id"}}}
	add := func(columns []*schema.Column) {
		names := "\x00unique"
		for _, c := range columns {
			names += "\x00" + c.Name
		}
		all = append(all, unique{
			entity: e, columns: columns, deletedAt: deletedAt,
			projection: &query.Projection{Columns: append([]*schema.Column{id}, columns...), Key: names},
		})
	}
	for _, c := range e.Columns {
		if c.Unique && c.Role != schema.RoleID {
			add([]*schema.Column{c})
		}
	}
	for _, x := range e.Indexes {
		var columns []*schema.Column
		for _, k := range x.Keys {
			if k.Text {
				columns = nil
				break
			}
			columns = append(columns, k.Column)
		}
		if x.Unique && len(columns) > 0 {
			add(columns)
		}
	}
	g.uniques[e] = all
	return all
}

// key returns what tells the row's value from others; "" where it has none.
func (u *unique) key(n int, row schema.Row) string {
	if row == nil || u.deletedAt != nil && !row[u.deletedAt.Index].IsNull() {
		return ""
	}
	b := append([]byte(u.entity.Collection), 0, byte(n))
	if n > 0 {
		b = append(append(b, u.entity.DiscriminatorValue...), 0)
	}
	for _, c := range u.columns {
		v := row[c.Index]
		if v.IsNull() {
			return ""
		}
		b = append(v.AppendJSON(b), 0)
	}
	return string(b)
}

func (u *unique) conflict() error {
	var names []string
	for _, c := range u.columns {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	switch len(names) {
	case 0:
		return fault.New(fault.Conflict, "a unique value is taken")
	case 1:
		return fault.New(fault.Conflict, "the value of %s is taken", names[0]).With(names)
	}
	return fault.New(fault.Conflict, "the values of %s are taken together", strings.Join(names, ", ")).With(names)
}

func (c *check) fault() error { return c.unique.conflict() }

// claim takes the unique values of a row that is about to replace another (nil =
// none). known tells that the id itself need not be asked about. Errors:
// CONFLICT with a row of the group.
func (t *tx) claim(e *schema.Entity, id string, before, after schema.Row, known bool) error {
	g := t.g
	all := g.of(e)
	for n := range all {
		u := &all[n]
		old, now := u.key(n, before), u.key(n, after)
		if old != "" && g.taken[old] == id && old != now {
			g.take(old, "")
		}
		if now == "" {
			continue
		}
		if owner, ok := g.taken[now]; ok && owner != id {
			return u.conflict()
		}
		if old != now && !(known && n == 0) {
			values := make([]schema.Value, len(u.columns))
			for i, c := range u.columns {
				values[i] = after[c.Index]
			}
			length := len(g.checks)
			g.checks = append(g.checks, check{t.unit, u, now, id, values})
			g.did(func() { g.checks = g.checks[:length] })
		}
		g.take(now, id)
	}
	return nil
}

// checkStep is how many values one statement asks about.
const checkStep = 500

// check asks about the values from one on and returns the first that is not
// free, of the lowest unit; -1 if all are.
func (g *Group) check(from int) (int, error) {
	first := -1
	byUnique := make(map[*unique][]int)
	var order []*unique
	for i := from; i < len(g.checks); i++ {
		u := g.checks[i].unique
		if byUnique[u] == nil {
			order = append(order, u)
		}
		byUnique[u] = append(byUnique[u], i)
	}
	for _, u := range order {
		for part := range slices.Chunk(byUnique[u], checkStep) {
			at, err := g.ask(u, part)
			if err != nil {
				return -1, err
			}
			if at >= 0 && (first < 0 || at < first) {
				first = at
			}
		}
	}
	return first, nil
}

func (g *Group) ask(u *unique, part []int) (int, error) {
	byKey := make(map[string][]int, len(part))
	in := query.In{Column: u.columns[0]}
	var or query.Or
	for _, i := range part {
		c := &g.checks[i]
		if byKey[c.key] == nil {
			in.Values = append(in.Values, c.values[0])
			if len(u.columns) > 1 {
				and := make(query.And, len(u.columns))
				for k, column := range u.columns {
					and[k] = query.Compare{Column: column, Op: query.Eq, Value: c.values[k]}
				}
				or = append(or, and)
			}
		}
		byKey[c.key] = append(byKey[c.key], i)
	}
	where := query.And{in}
	if len(u.columns) > 1 {
		where = query.And{or}
	}
	n := 0
	if u.columns[0].Role != schema.RoleID || len(u.columns) > 1 {
		n = slices.IndexFunc(g.of(u.entity), func(x unique) bool { return x.projection == u.projection })
		if u.deletedAt != nil {
			where = append(where, query.Compare{Column: u.deletedAt, Op: query.Eq})
		}
		if c := sqlgen.Discriminator(u.entity); c != nil {
			where = append(where, query.Compare{Column: c, Op: query.Eq, Value: schema.TextOf(u.entity.DiscriminatorValue)})
		}
	}
	first := -1
	row := make(schema.Row, len(u.entity.Columns))
	q := &query.Select{Entity: u.entity, Projection: u.projection, Where: where}
	err := g.base.Select(context.Background(), q, func(r driver.Row) error {
		for i, c := range u.projection.Columns {
			row[c.Index] = r.Value(i)
		}
		id := row[0].Text()
		written := g.dirty[u.entity.Collection][id]
		for _, i := range byKey[u.key(n, row)] {
			free := n > 0 && (g.checks[i].id == id || written != nil && written.since <= i)
			if !free && (first < 0 || i < first) {
				first = i
			}
		}
		return nil
	})
	return first, err
}
