package mongotest

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// state is all collections at one moment, by namespace. Neither it nor what is
// in it is ever changed: a write makes new ones.
type state map[string]*collection

type collection struct {
	docs    map[string]document // by the key of their _id
	indexes []index
	options bson.Raw
	next    int64
}

// document is a document and its place in the order of inserts.
type document struct {
	at  int64
	raw bson.Raw
}

type index struct {
	name    string
	keys    bson.Raw
	unique  bool
	partial bson.Raw
}

func newCollection() *collection {
	id := marshal(bson.D{{Key: "_id", Value: int32(1)}})
	return &collection{docs: map[string]document{}, indexes: []index{{name: "_id_", keys: id, unique: true}}}
}

func (c *collection) clone() *collection {
	out := *c
	out.docs = maps.Clone(c.docs)
	out.indexes = slices.Clone(c.indexes)
	return &out
}

// all are the documents in the order of inserts.
func (c *collection) all() []bson.Raw {
	list := slices.SortedFunc(maps.Values(c.docs), func(a, b document) int { return cmp.Compare(a.at, b.at) })
	out := make([]bson.Raw, len(list))
	for i, d := range list {
		out[i] = d.raw
	}
	return out
}

// keyOf is the same text for equal values.
func keyOf(v bson.RawValue) string {
	if r, ok := rational(v); ok {
		return "n" + r.RatString()
	}
	if v.Type == bson.TypeString {
		return "s" + v.StringValue()
	}
	return fmt.Sprintf("%02x%s", byte(v.Type), v.Value)
}

// put stores a document; old is the key of the one it takes the place of, or "".
func (c *collection) put(ns string, raw bson.Raw, old string) error {
	id, err := raw.LookupErr("_id")
	if err != nil {
		return refuse(2, "the document has no _id")
	}
	if len(raw) > 16<<20 {
		return refuse(10334, "BSONObj size: %d is invalid. Size must be between 0 and 16793600(16MB)", len(raw))
	}
	key := keyOf(id)
	at := c.next
	if old != "" {
		if key != old {
			return refuse(66, "Performing an update on the path '_id' would modify the immutable field '_id'")
		}
		at = c.docs[old].at
	} else if _, there := c.docs[key]; there {
		return duplicate(ns, c.indexes[0], raw)
	}
	for _, x := range c.indexes[1:] {
		if err := c.unique(ns, x, raw, key); err != nil {
			return err
		}
	}
	c.docs[key] = document{at: at, raw: slices.Clone(raw)}
	c.next++
	return nil
}

// unique refuses a document whose keys another one has, where the index holds
// both.
func (c *collection) unique(ns string, x index, raw bson.Raw, key string) error {
	if !x.unique || !x.holds(raw) {
		return nil
	}
	want := x.entry(raw)
	for other, d := range c.docs {
		if other != key && x.holds(d.raw) && x.entry(d.raw) == want {
			return duplicate(ns, x, raw)
		}
	}
	return nil
}

func (x *index) holds(raw bson.Raw) bool {
	if x.partial == nil {
		return true
	}
	ok, err := match(raw, x.partial)
	return ok && err == nil
}

// entry is what a document's keys are; what is not there is null.
func (x *index) entry(raw bson.Raw) string {
	var b strings.Builder
	elements, _ := x.keys.Elements()
	for _, el := range elements {
		v, there := lookup(raw, el.Key())
		if !there {
			v = bson.RawValue{Type: bson.TypeNull}
		}
		k := keyOf(v)
		fmt.Fprintf(&b, "%d:%s", len(k), k)
	}
	return b.String()
}

func duplicate(ns string, x index, raw bson.Raw) error {
	var shown []string
	var values bson.D
	elements, _ := x.keys.Elements()
	for _, el := range elements {
		v, _ := lookup(raw, el.Key())
		shown = append(shown, el.Key()+": "+v.String())
		values = append(values, bson.E{Key: el.Key(), Value: v})
	}
	return &refusal{
		code:  11000,
		text:  fmt.Sprintf("E11000 duplicate key error collection: %s index: %s dup key: { %s }", ns, x.name, strings.Join(shown, ", ")),
		extra: bson.D{{Key: "keyPattern", Value: x.keys}, {Key: "keyValue", Value: values}},
	}
}

// rational is a number's exact value.
func rational(v bson.RawValue) (*big.Rat, bool) {
	switch v.Type {
	case bson.TypeInt32:
		return new(big.Rat).SetInt64(int64(v.Int32())), true
	case bson.TypeInt64:
		return new(big.Rat).SetInt64(v.Int64()), true
	case bson.TypeDouble:
		r := new(big.Rat).SetFloat64(v.Double())
		return r, r != nil
	case bson.TypeDecimal128:
		return new(big.Rat).SetString(v.Decimal128().String())
	}
	return nil, false
}
