package mongotest

import (
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func (c *command) create() (bson.D, error) {
	if c.now[c.ns()] != nil {
		return nil, refuse(48, "Collection %s already exists.", c.ns())
	}
	return bson.D{}, c.statement(func(x *collection) error {
		var options []member
		for _, m := range members(c.body) {
			if m.key == "collation" || m.key == "capped" {
				options = append(options, m)
			}
		}
		x.options = assemble(options)
		return nil
	})
}

func (c *command) drop() (bson.D, error) {
	next := maps.Clone(c.now)
	delete(next, c.ns())
	c.now = next
	c.clock++
	return bson.D{}, nil
}

func (c *command) dropDatabase() (bson.D, error) {
	next := maps.Clone(c.now)
	maps.DeleteFunc(next, func(ns string, _ *collection) bool { return c.own(ns) })
	c.now = next
	c.clock++
	return bson.D{}, nil
}

func (c *command) createIndexes() (bson.D, error) {
	err := c.statement(func(x *collection) error {
		for _, spec := range documents(c.body.Lookup("indexes")) {
			if err := x.index(c.ns(), spec); err != nil {
				return err
			}
		}
		return nil
	})
	return bson.D{}, err
}

// index makes an index, if there is none like it.
func (x *collection) index(ns string, spec bson.Raw) error {
	n := index{}
	n.name, _ = spec.Lookup("name").StringValueOK()
	n.keys, _ = spec.Lookup("key").DocumentOK()
	n.keys = slices.Clone(n.keys)
	n.unique, _ = spec.Lookup("unique").BooleanOK()
	if p, ok := spec.Lookup("partialFilterExpression").DocumentOK(); ok {
		n.partial = slices.Clone(p)
		if err := partialFilter(p); err != nil {
			return err
		}
	}
	for _, o := range x.indexes {
		same := string(o.keys) == string(n.keys) && o.unique == n.unique && string(o.partial) == string(n.partial)
		switch {
		case o.name == n.name && same:
			return nil
		case o.name == n.name:
			return refuse(86, "An existing index has the same name as the requested index: %s", n.name)
		case same && string(o.keys) == string(n.keys):
			return refuse(85, "Index already exists with a different name: %s", o.name)
		}
	}
	seen := map[string]bool{}
	for _, d := range x.docs {
		if !n.unique || !n.holds(d.raw) {
			continue
		}
		entry := n.entry(d.raw)
		if seen[entry] {
			return duplicate(ns, n, d.raw)
		}
		seen[entry] = true
	}
	x.indexes = append(x.indexes, n)
	return nil
}

// partialFilter refuses what MongoDB does in a partial index: equality, $exists:
// true, comparisons and $type are allowed.
func partialFilter(filter bson.Raw) error {
	for _, m := range members(filter) {
		ops, ok := m.value.DocumentOK()
		if !ok || !isUpdate(ops) {
			continue
		}
		for _, op := range members(ops) {
			switch op.key {
			case "$eq", "$lt", "$lte", "$gt", "$gte", "$type":
				continue
			case "$exists":
				if b, ok := op.value.BooleanOK(); ok && b {
					continue
				}
			}
			return refuse(67, "Expression not supported in partial index: %s", op.key)
		}
	}
	return nil
}

func (c *command) dropIndexes() (bson.D, error) {
	name, _ := c.body.Lookup("index").StringValueOK()
	return bson.D{}, c.statement(func(x *collection) error {
		at := slices.IndexFunc(x.indexes, func(o index) bool { return o.name == name })
		if at < 0 {
			return refuse(27, "index not found with name [%s]", name)
		}
		x.indexes = slices.Delete(x.indexes, at, at+1)
		return nil
	})
}

func (c *command) listCollections() (bson.D, error) {
	var docs []bson.Raw
	for _, ns := range slices.Sorted(maps.Keys(c.at)) {
		if !c.own(ns) {
			continue
		}
		options := c.at[ns].options
		if options == nil {
			options = marshal(bson.D{})
		}
		d := marshal(bson.D{
			{Key: "name", Value: strings.TrimPrefix(ns, c.db+".")},
			{Key: "type", Value: "collection"},
			{Key: "options", Value: options},
			{Key: "info", Value: bson.D{{Key: "readOnly", Value: false}}},
		})
		docs = append(docs, d)
	}
	docs, err := filtered(docs, c.document("filter"))
	if err != nil {
		return nil, err
	}
	return c.cursor(c.db+".$cmd.listCollections", docs, c.document("cursor").Lookup("batchSize"))
}

func (c *command) listIndexes() (bson.D, error) {
	x := c.at[c.ns()]
	if x == nil {
		return nil, refuse(26, "ns does not exist: %s", c.ns())
	}
	var docs []bson.Raw
	for _, o := range x.indexes {
		d := bson.D{{Key: "v", Value: int32(2)}, {Key: "key", Value: o.keys}, {Key: "name", Value: o.name}}
		if o.unique && o.name != "_id_" {
			d = append(d, bson.E{Key: "unique", Value: true})
		}
		if o.partial != nil {
			d = append(d, bson.E{Key: "partialFilterExpression", Value: o.partial})
		}
		docs = append(docs, marshal(d))
	}
	return c.cursor(c.ns(), docs, c.document("cursor").Lookup("batchSize"))
}
