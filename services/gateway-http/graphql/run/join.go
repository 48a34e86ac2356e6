package run

import (
	"slices"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
)

// join is what the calls of a Joined node brought, by the parent's key: its id,
// or the id that it refers to.
type join struct {
	lists       map[string][][]byte
	skip, limit int  // what each parent shows of its list; limit -1 = all
	alone       bool // there is one parent
	count       int  // records that came, once for each parent that has them
	err         error
	told        bool
}

// gatherer fetches what has to be joined to the records of a root field: one
// call for each Joined node and level, however many records there are.
type gatherer struct {
	*state
	min   string
	joins map[*plan.Node]*join
}

// rows are the records of a reply, of which there may be one or none.
func (g *gatherer) rows(data []byte) [][]byte {
	if len(data) > 0 && data[0] == '{' {
		return [][]byte{data}
	}
	var rows [][]byte
	strictjson.Elements(data, func(item []byte) bool {
		rows = append(rows, item)
		return true
	})
	return rows
}

func (g *gatherer) gather(l *plan.Level, rows [][]byte) {
	if !l.Joins || len(rows) == 0 {
		return
	}
	slots := make([][]byte, len(l.Keys))
	for i := range l.Nodes {
		n := &l.Nodes[i]
		if n.Level == nil || n.Kind != plan.Joined && !n.Level.Joins || !g.Vars.Holds(n.Cond) {
			continue
		}
		var below [][]byte
		var ids []string
		seen := map[string]bool{}
		for _, row := range rows {
			if !members(row, l.Keys, slots) {
				continue
			}
			v := slots[n.Slot]
			switch n.Kind {
			case plan.One:
				if len(v) > 0 && v[0] == '{' {
					below = append(below, v)
				}
			case plan.Many:
				below = append(below, g.rows(v)...)
			default:
				if id := idOf(v); id != nil && !seen[string(id)] {
					seen[string(id)] = true
					ids = append(ids, string(id))
				}
			}
		}
		if n.Kind == plan.Joined {
			below = g.join(n, ids)
		}
		g.gather(n.Level, below)
	}
}

// join fetches the records of a relation for all parents, and returns them.
func (g *gatherer) join(n *plan.Node, ids []string) [][]byte {
	j := &join{lists: map[string][][]byte{}, limit: -1, alone: len(ids) == 1}
	if g.joins == nil {
		g.joins = map[*plan.Node]*join{}
	}
	g.joins[n] = j
	if j.skip, j.limit, j.err = n.Cut(g.Vars); j.err != nil {
		return nil
	}
	for rest := ids; len(rest) > 0 && j.err == nil; {
		batch := rest[:min(len(rest), maxBatch)]
		rest = rest[len(batch):]
		switch {
		case n.Relation.Type == schema.ManyToMany:
			j.err = g.linked(n, j, batch)
		case n.Relation.Stored():
			j.err = g.read(n, j, plan.Batch{By: "id", IDs: batch}, nil)
		default:
			j.err = g.read(n, j, plan.Batch{By: n.Relation.Inverse.Name, IDs: batch}, nil)
		}
	}
	if j.err != nil {
		j.lists = nil
		return nil
	}
	var rows [][]byte
	for _, id := range ids {
		rows = append(rows, j.lists[id]...)
	}
	return rows
}

// read pages through the records whose member By is one of IDs. owners, if not
// nil, tells for each id which parents it belongs to.
func (g *gatherer) read(n *plan.Node, j *join, q plan.Batch, owners map[string][]string) error {
	q.Limit, q.MinPosition = pageRecords, g.min
	single := j.alone && owners == nil && j.limit >= 0 && j.limit <= pageRecords
	if single { // the mesh cuts the list
		if q.Skip, q.Limit = j.skip, j.limit; q.Limit == 0 {
			return nil
		}
		j.skip, j.limit = 0, -1
	}
	keys := []string{q.By}
	if q.By != "id" {
		keys = append(keys, "id")
	}
	var room [2][]byte
	for {
		args, err := n.Join(make([]byte, 0, 256), g.Vars, q)
		if err != nil {
			return err
		}
		_, data, meta, err := g.call(n.Relation.Target.Name, "findAll", args, "", false)
		if err != nil {
			return err
		}
		before := j.count
		strictjson.Elements(data, func(row []byte) bool {
			if members(row, keys, room[:len(keys)]) {
				if id := idOf(room[0]); owners == nil {
					j.add(string(id), row)
				} else {
					for _, owner := range owners[string(id)] {
						j.add(owner, row)
					}
				}
			}
			return j.count <= plan.MaxJoined
		})
		if j.count == before {
			j.count++ // pages of nothing have an end too
		}
		if j.count > plan.MaxJoined {
			return tooMany(n)
		}
		var next [3][]byte
		if single || meta == nil || !members(meta, metaKeys, next[:]) || isNull(next[0]) || j.enough(q.IDs, owners) {
			return nil
		}
		if j.count == plan.MaxJoined {
			return tooMany(n)
		}
		q.Cursor = string(next[0][1 : len(next[0])-1])
	}
}

// add gives a record to a parent, which keeps what it shows.
func (j *join) add(parent string, row []byte) {
	j.count++
	if list := j.lists[parent]; j.limit < 0 || len(list) < j.skip+j.limit {
		j.lists[parent] = append(list, row)
	}
}

func tooMany(n *plan.Node) error {
	return fault.New(fault.InvalidFilter, "the relation %s leads to more than %d records: narrow it by where, or ask for fewer parents", n.Relation.Name, plan.MaxJoined)
}

// enough tells that every parent has what it shows.
func (j *join) enough(ids []string, owners map[string][]string) bool {
	if j.limit < 0 || owners != nil {
		return false
	}
	for _, id := range ids {
		if len(j.lists[id]) < j.skip+j.limit {
			return false
		}
	}
	return true
}

// linked reads a many-to-many relation: which records the parents are linked
// with, and, where arguments narrow or order them, those records by themselves.
func (g *gatherer) linked(n *plan.Node, j *join, ids []string) error {
	_, data, _, err := g.call(n.Relation.Owner.Name, "findAll", n.Links(nil, g.Vars, plan.Batch{IDs: ids, MinPosition: g.min}), "", true)
	if err != nil {
		return err
	}
	owners := map[string][]string{}
	var targets []string
	keys, room := []string{"id", n.Relation.Name}, [2][]byte{}
	strictjson.Elements(data, func(row []byte) bool {
		if !members(row, keys, room[:]) {
			return true
		}
		parent := string(idOf(room[0]))
		strictjson.Elements(room[1], func(item []byte) bool {
			if len(n.Args) == 0 {
				j.add(parent, item)
				return j.count <= plan.MaxJoined
			}
			id := string(idOf(item))
			if owners[id] == nil {
				targets = append(targets, id)
			}
			owners[id] = append(owners[id], parent)
			return true
		})
		return true
	})
	if j.count > plan.MaxJoined {
		return tooMany(n)
	}
	if len(targets) > maxBatch { // several calls, each in an order of its own
		if n.Ordered(g.Vars) {
			return fault.New(fault.InvalidFilter, "the relation %s leads to more than %d different records, too many to put them in order: leave that out, or ask for fewer parents", n.Relation.Name, maxBatch)
		}
		slices.Sort(targets)
	}
	for len(targets) > 0 {
		batch := targets[:min(len(targets), maxBatch)]
		targets = targets[len(batch):]
		if err := g.read(n, j, plan.Batch{By: "id", IDs: batch}, owners); err != nil {
			return err
		}
	}
	return nil
}

// joined writes the records that were joined to one.
func (s *state) joined(n *plan.Node, v []byte) bool {
	j := s.joins[n]
	if j == nil {
		j = &join{}
	}
	if j.err != nil {
		if !j.told { // once is enough: it is the same for all parents
			j.told = true
			s.fail(j.err, n.Pos)
		}
		return false
	}
	list := j.lists[string(idOf(v))]
	if n.Relation.Stored() {
		if len(list) == 0 {
			s.dst = append(s.dst, "null"...)
			return true
		}
		_, ok := s.record(n.Level, list[0], 0)
		return ok
	}
	list = list[min(j.skip, len(list)):]
	if j.limit >= 0 {
		list = list[:min(j.limit, len(list))]
	}
	s.dst = append(s.dst, '[')
	depth := len(s.path)
	for i, row := range list {
		if i > 0 {
			s.dst = append(s.dst, ',')
		}
		s.path = append(s.path[:depth], step{index: i})
		if _, ok := s.record(n.Level, row, 0); !ok {
			s.path = s.path[:depth]
			return false
		}
	}
	s.path = s.path[:depth]
	s.dst = append(s.dst, ']')
	return true
}

// refs are the records of one type that representations name.
type refs struct {
	level *plan.Level
	ids   []string
	found map[string][]byte // nil for those that are not there
}

// representations fetches the records that a federation gateway names by type
// and id, with one call for each type.
func (s *state) representations(r *plan.Root) (f fetched) {
	list, err := r.List(s.Vars, "representations")
	if err != nil {
		f.err = err
		return f
	}
	if len(list) > plan.MaxJoined {
		f.err = fault.New(fault.InvalidRequest, "representations: %d are named; %d is the limit", len(list), plan.MaxJoined)
		return f
	}
	f.reply, f.refs = &mesh.Reply{}, map[string]*refs{}
	for i := range list {
		name, id := list[i].Member("__typename"), list[i].Member("id")
		of := f.refs[name.Raw]
		if of == nil {
			of = &refs{level: r.LevelOf(s.Plan.Schema, name.Raw), found: map[string][]byte{}}
			f.refs[name.Raw] = of
		}
		if of.level == nil || name.Kind != plan.Text || id.Kind != plan.Text && id.Kind != plan.Scalar {
			f.err = fault.New(fault.InvalidRequest, "representations[%d]: __typename of an entity and its id are expected", i)
			return f
		}
		if _, again := of.found[id.Raw]; !again {
			of.found[id.Raw] = nil
			of.ids = append(of.ids, id.Raw)
		}
	}
	g := gatherer{state: s, min: s.MinPosition}
	for _, of := range f.refs {
		level, found, all := of.level, of.found, of.ids
		node := plan.Node{Level: level, Relation: &schema.Relation{Target: level.Object.Entity}}
		for len(all) > 0 {
			batch := all[:min(len(all), maxBatch)]
			all = all[len(batch):]
			j := &join{lists: map[string][][]byte{}, limit: -1}
			if f.err = g.read(&node, j, plan.Batch{By: "id", IDs: batch}, nil); f.err != nil {
				return f
			}
			var rows [][]byte
			for id, list := range j.lists {
				found[id] = list[0]
				rows = append(rows, list[0])
			}
			g.gather(level, rows)
		}
	}
	f.joins = g.joins
	return f
}

// refs writes them in the order in which they were named.
func (s *state) refs(r *plan.Root, f *fetched) bool {
	list, _ := r.List(s.Vars, "representations")
	s.dst = append(s.dst, '[')
	for i := range list {
		if i > 0 {
			s.dst = append(s.dst, ',')
		}
		name, id := list[i].Member("__typename"), list[i].Member("id")
		s.path = append(s.path[:1], step{index: i})
		at := len(s.dst)
		of := f.refs[name.Raw]
		row := of.found[id.Raw]
		ok := row != nil
		if ok {
			_, ok = s.record(of.level, row, 0)
		}
		if s.over {
			return false
		}
		if !ok {
			s.dst = append(s.dst[:at], "null"...)
		}
	}
	s.path = s.path[:1]
	s.dst = append(s.dst, ']')
	return true
}
