package mongotest

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// member is one element of a document that is being changed.
type member struct {
	key   string
	value bson.RawValue
}

func members(raw bson.Raw) []member {
	elements, _ := raw.Elements()
	out := make([]member, len(elements))
	for i, el := range elements {
		out[i] = member{el.Key(), el.Value()}
	}
	return out
}

func assemble(list []member) bson.Raw {
	d := make(bson.D, len(list))
	for i, m := range list {
		d[i] = bson.E{Key: m.key, Value: m.value}
	}
	return marshal(d)
}

func isUpdate(update bson.Raw) bool {
	elements, _ := update.Elements()
	return len(elements) > 0 && strings.HasPrefix(elements[0].Key(), "$")
}

// apply changes a document; inserting tells that an upsert has just made it.
func apply(raw, update bson.Raw, inserting bool) (bson.Raw, error) {
	if !isUpdate(update) { // a replacement keeps the _id
		list := members(update)
		if id, err := raw.LookupErr("_id"); err == nil && !slices.ContainsFunc(list, func(m member) bool { return m.key == "_id" }) {
			list = append([]member{{"_id", id}}, list...)
		}
		return assemble(list), nil
	}
	list := members(raw)
	seen := map[string]bool{}
	elements, _ := update.Elements()
	for _, el := range elements {
		args, ok := el.Value().DocumentOK()
		if !ok || len(args) <= 5 {
			return nil, refuse(9, "'%s' is empty. You must specify a field like so: {%s: {<field>: ...}}", el.Key(), el.Key())
		}
		for _, arg := range members(args) {
			if strings.Contains(arg.key, ".") {
				return nil, refuse(2, "mongotest has no paths in updates: %s", arg.key)
			}
			if seen[arg.key] {
				return nil, refuse(40, "Updating the path '%s' would create a conflict at '%s'", arg.key, arg.key)
			}
			seen[arg.key] = true
			var err error
			if list, err = modify(list, el.Key(), arg, inserting); err != nil {
				return nil, err
			}
		}
	}
	return assemble(list), nil
}

func modify(list []member, op string, arg member, inserting bool) ([]member, error) {
	at := slices.IndexFunc(list, func(m member) bool { return m.key == arg.key })
	set := func(v bson.RawValue) []member {
		if at < 0 {
			return append(list, member{arg.key, v})
		}
		list[at].value = v
		return list
	}
	switch op {
	case "$setOnInsert":
		if !inserting {
			return list, nil
		}
		return set(arg.value), nil
	case "$set":
		return set(arg.value), nil
	case "$unset":
		if at >= 0 {
			list = slices.Delete(list, at, at+1)
		}
		return list, nil
	case "$inc":
		if at < 0 {
			return set(arg.value), nil
		}
		sum, ok := add(list[at].value, arg.value)
		if !ok {
			return nil, refuse(14, "Cannot increment with these types")
		}
		return set(sum), nil
	}
	return nil, refuse(9, "Unknown modifier: %s (mongotest)", op)
}

func add(a, b bson.RawValue) (bson.RawValue, bool) {
	x, okX := a.AsInt64OK()
	y, okY := b.AsInt64OK()
	if !okX || !okY || a.Type == bson.TypeDouble || b.Type == bson.TypeDouble {
		return bson.RawValue{}, false
	}
	return marshal(bson.D{{Key: "v", Value: x + y}}).Lookup("v"), true
}

// seed is the document that an upsert begins with: what the filter says is
// equal.
func seed(filter bson.Raw) bson.Raw {
	var list []member
	for _, m := range members(filter) {
		if strings.HasPrefix(m.key, "$") {
			continue
		}
		v := m.value
		if ops, ok := v.DocumentOK(); ok && isUpdate(ops) {
			if v = ops.Lookup("$eq"); v.Type == 0 {
				continue
			}
		}
		list = append(list, member{m.key, v})
	}
	return assemble(list)
}

// withID gives a document an _id, if it has none, and puts it first.
func withID(raw bson.Raw) bson.Raw {
	list := members(raw)
	at := slices.IndexFunc(list, func(m member) bool { return m.key == "_id" })
	if at == 0 {
		return raw
	}
	id := marshal(bson.D{{Key: "_id", Value: bson.NewObjectID()}}).Lookup("_id")
	if at > 0 {
		id = list[at].value
		list = slices.Delete(list, at, at+1)
	}
	return assemble(append([]member{{"_id", id}}, list...))
}
