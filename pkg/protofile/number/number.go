// Package number gives the fields of entities their protobuf field numbers: a
// Catalog and the numbers that were given before go in, the numbers that hold
// from then on come out. What was sent by an old client is read by a new server
// only because a number, once given, never means anything else.
package number

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
)

// The limits of protobuf: numbers end at Max, and it keeps those from
// reservedFrom to reservedTo for itself.
const (
	Max          = 1<<29 - 1
	reservedFrom = 19000
	reservedTo   = 19999
)

// Numbers are the numbers of a project's entities, by their names. An entity that
// is gone keeps its entry, so that nothing of it is given out again; one that was
// renamed is another one. It is stored with the project and never changed in
// place.
type Numbers map[string]*Entity

// Entity is what one entity has been given.
type Entity struct {
	// Message is the entity's name in the proto file: its own, or with a number
	// behind it where that would clash with other messages.
	Message string `json:"message"`
	// Fields are the numbers by Key. A key that the entity has no more is
	// reserved. They are unique and begin with 1, which is the id.
	Fields map[string]int32 `json:"fields"`
}

// Key names what a number stands for: a member of records, and what it is on the
// wire ("double", "string", or Record). A member
// that changes its type gets another number, since old clients would take the new
// bytes for something else.
func Key(member, wire string) string { return member + ":" + wire }

// SplitKey is the reverse of Key.
func SplitKey(key string) (member, wire string) {
	member, wire, _ = strings.Cut(key, ":")
	return member, wire
}

// Record is the wire of a relation's records: one of the target, or any number.
func Record(r *schema.Relation) string {
	if r.Stored() {
		return "." + r.Target.Name
	}
	return "." + r.Target.Name + "*"
}

// Scalar is the protobuf type of a type's values. JSON and arrays are JSON text,
// dates are texts of RFC 3339, decimals are texts so that every digit stays.
func Scalar(t schema.Type) string {
	switch t {
	case schema.Number, schema.Float:
		return "double"
	case schema.Boolean:
		return "bool"
	case schema.Integer:
		return "int64"
	case schema.Binary:
		return "bytes"
	}
	return "string"
}

// Suffixes are what an entity's messages and its service are called by, behind
// the name of its record's message.
var Suffixes = []string{"", "List", "Input", "UpdateInput", "UpsertInput", "Event", "Service"}

// Fixed are the names in a proto file that belong to no entity.
var Fixed = []string{
	"Empty", "IdRequest", "FilterRequest", "SearchRequest", "AggregateRequest", "AggregateResponse", "UpdateManyRequest",
	"ArrayRequest", "IncrementRequest", "WatchRequest", "CountResponse", "StatusResponse",
	"EntityService", "ExecuteRequest", "ExecuteResponse", "ExecuteChunk", "WatchAllRequest", "ChangeEvent",
}

// Extend returns the numbers that hold with c: all that n has, and new ones for
// what has none. changed tells that there are such. Equal arguments give equal
// results. Declared fields come first, in their order and hidden ones too, as
// Octonet numbers them, then the version, the relations and the managed times.
func Extend(n Numbers, c *schema.Catalog) (next Numbers, changed bool) {
	next = make(Numbers, len(n)+len(c.Entities))
	taken := map[string]bool{}
	for _, name := range Fixed {
		taken[fold(name)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(n)) {
		e := &Entity{Message: n[name].Message, Fields: maps.Clone(n[name].Fields)}
		if e.Fields == nil {
			e.Fields = map[string]int32{}
		}
		next[name] = e
		take(taken, e.Message)
	}
	for _, of := range c.Entities {
		e := next[of.Name]
		if e == nil {
			e = &Entity{Message: messageName(taken, of.Name), Fields: map[string]int32{}}
			take(taken, e.Message)
			next[of.Name] = e
			changed = true
		}
		if e.extend(of) {
			changed = true
		}
	}
	return next, changed
}

// fold is what names are compared by: generated code writes them in other cases.
func fold(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

func take(taken map[string]bool, message string) {
	for _, s := range Suffixes {
		taken[fold(message+s)] = true
	}
}

func messageName(taken map[string]bool, name string) string {
	free := func(m string) bool {
		return !slices.ContainsFunc(Suffixes, func(s string) bool { return taken[fold(m+s)] })
	}
	m := name
	for i := 2; !free(m); i++ {
		m = name + strconv.Itoa(i)
	}
	return m
}

func (e *Entity) extend(of *schema.Entity) (changed bool) {
	last := int32(0)
	for _, n := range e.Fields {
		last = max(last, n)
	}
	add := func(key string) {
		if _, has := e.Fields[key]; has {
			return
		}
		if last++; last >= reservedFrom && last <= reservedTo {
			last = reservedTo + 1
		}
		if last > Max { // half a billion changes on: it has no place in messages
			return
		}
		e.Fields[key] = last
		changed = true
	}
	add(Key("id", "string"))
	for _, f := range of.Fields {
		add(Key(f.Name, Scalar(f.Type)))
	}
	add(Key("_version", "int64"))
	for _, r := range of.Relations {
		if r.Stored() {
			add(Key(r.Name, "string"))
		}
		add(Key(r.Name, Record(r)))
	}
	for _, m := range of.Members {
		if m.Relation == nil {
			add(Key(m.Name, Scalar(m.Column.Type)))
		}
	}
	return changed
}

// Field names a field of an entity's message.
type Field struct {
	Member string // of the record
	Wire   string
	Number int32
	Name   string // in the proto file
}

// List returns all fields that the entity was ever given, by number, with their
// names: those of the members without the underscores in front, "_record" behind
// those of a relation's record where the id stands beside it, and a number behind
// a name that another field had first (names that differ only by case or by
// underscores are the same to generated code).
func (e *Entity) List() []Field {
	list := make([]Field, 0, len(e.Fields))
	for key, n := range e.Fields {
		member, wire := SplitKey(key)
		list = append(list, Field{Member: member, Wire: wire, Number: n})
	}
	slices.SortFunc(list, func(a, b Field) int { return int(a.Number - b.Number) })
	taken := map[string]bool{}
	for i := range list {
		f := &list[i]
		name := strings.TrimLeft(f.Member, "_")
		if id := e.Fields[Key(f.Member, "string")]; id > 0 && id < f.Number && f.Wire[0] == '.' {
			name += "_record"
		}
		f.Name = name
		for k := 2; taken[fold(f.Name)]; k++ {
			f.Name = name + "_" + strconv.Itoa(k)
		}
		taken[fold(f.Name)] = true
	}
	return list
}
