package mongotest

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// filtered are the documents that a filter leaves.
func filtered(docs []bson.Raw, filter bson.Raw) ([]bson.Raw, error) {
	if len(filter) <= 5 {
		return docs, nil
	}
	var out []bson.Raw
	for _, d := range docs {
		ok, err := match(d, filter)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, d)
		}
	}
	return out, nil
}

// sorted sorts by keys; what is not there sorts as null.
func sorted(docs []bson.Raw, keys bson.Raw) []bson.Raw {
	elements, _ := keys.Elements()
	if len(elements) == 0 {
		return docs
	}
	type entry struct {
		doc    bson.Raw
		values []bson.RawValue
	}
	entries := make([]entry, len(docs))
	for i, d := range docs {
		entries[i] = entry{d, make([]bson.RawValue, len(elements))}
		for k, el := range elements {
			entries[i].values[k], _ = lookup(d, el.Key())
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		for k, el := range elements {
			if d := compare(a.values[k], b.values[k]); d != 0 {
				if n, _ := el.Value().AsInt64OK(); n < 0 {
					return -d
				}
				return d
			}
		}
		return 0
	})
	out := make([]bson.Raw, len(docs))
	for i := range entries {
		out[i] = entries[i].doc
	}
	return out
}

// projected leaves the members that a projection names, in their own order.
func projected(docs []bson.Raw, projection bson.Raw) []bson.Raw {
	keep := map[string]bool{"_id": true}
	for _, m := range members(projection) {
		n, _ := m.value.AsInt64OK()
		keep[m.key] = n != 0
	}
	if len(projection) <= 5 {
		return docs
	}
	out := make([]bson.Raw, len(docs))
	for i, d := range docs {
		var list []member
		for _, m := range members(d) {
			if keep[m.key] {
				list = append(list, m)
			}
		}
		out[i] = assemble(list)
	}
	return out
}

func page(docs []bson.Raw, skip, limit int64) []bson.Raw {
	docs = docs[min(int(skip), len(docs)):]
	if limit > 0 {
		docs = docs[:min(int(limit), len(docs))]
	}
	return docs
}

// pipeline runs the stages that it has.
func pipeline(docs []bson.Raw, stages []bson.Raw) ([]bson.Raw, error) {
	for _, stage := range stages {
		el := members(stage)[0]
		arg, _ := el.value.DocumentOK()
		n, _ := el.value.AsInt64OK()
		var err error
		switch el.key {
		case "$match":
			docs, err = filtered(docs, arg)
		case "$sort":
			docs = sorted(docs, arg)
		case "$skip":
			docs = page(docs, n, 0)
		case "$limit":
			docs = page(docs, 0, n)
		case "$group":
			docs, err = grouped(docs, arg)
		default:
			err = refuse(40324, "Unrecognized pipeline stage name: '%s' (mongotest)", el.key)
		}
		if err != nil {
			return nil, err
		}
	}
	return docs, nil
}

// grouped is $group. Documents without the key's member have the key null.
func grouped(docs []bson.Raw, spec bson.Raw) ([]bson.Raw, error) {
	type group struct {
		key    bson.RawValue
		values [][]bson.RawValue
	}
	var groups []*group
	byKey := map[string]*group{}
	list := members(spec)
	for _, d := range docs {
		key, err := evaluate(d, spec.Lookup("_id"))
		if err != nil {
			return nil, err
		}
		if key.Type == 0 {
			key = bson.RawValue{Type: bson.TypeNull}
		}
		g := byKey[keyOf(key)]
		if g == nil {
			g = &group{key: key, values: make([][]bson.RawValue, len(list))}
			byKey[keyOf(key)] = g
			groups = append(groups, g)
		}
		for i, m := range list {
			if m.key == "_id" {
				continue
			}
			acc, _ := m.value.DocumentOK()
			v, err := evaluate(d, members(acc)[0].value)
			if err != nil {
				return nil, err
			}
			g.values[i] = append(g.values[i], v)
		}
	}
	slices.Reverse(groups) // an order is not promised
	var out []bson.Raw
	for _, g := range groups {
		d := bson.D{{Key: "_id", Value: g.key}}
		for i, m := range list {
			if m.key == "_id" {
				continue
			}
			acc, _ := m.value.DocumentOK()
			v, err := accumulate(members(acc)[0].key, g.values[i])
			if err != nil {
				return nil, err
			}
			d = append(d, bson.E{Key: m.key, Value: v})
		}
		out = append(out, marshal(d))
	}
	return out, nil
}

// evaluate computes an expression. The zero value is what is not there.
func evaluate(d bson.Raw, e bson.RawValue) (bson.RawValue, error) {
	if s, ok := e.StringValueOK(); ok && strings.HasPrefix(s, "$") {
		v, _ := lookup(d, s[1:])
		return v, nil
	}
	op, ok := e.DocumentOK()
	if !ok {
		return e, nil
	}
	m := members(op)[0]
	args, _ := m.value.ArrayOK()
	values, _ := args.Values()
	for i := range values {
		var err error
		if values[i], err = evaluate(d, values[i]); err != nil {
			return values[i], err
		}
	}
	switch {
	case m.key == "$gt" && len(values) == 2:
		// In an expression what is not there is below null, unlike in a sort.
		a, b := values[0], values[1]
		above := compare(a, b) > 0 || a.Type != 0 && b.Type == 0 && rank(a.Type) == 1
		return marshal(bson.D{{Key: "v", Value: above}}).Lookup("v"), nil
	case m.key == "$cond" && len(values) == 3:
		if b, ok := values[0].BooleanOK(); ok && b {
			return values[1], nil
		}
		return values[2], nil
	}
	return e, refuse(168, "Unrecognized expression '%s' (mongotest)", m.key)
}

func accumulate(op string, values []bson.RawValue) (any, error) {
	switch op {
	case "$sum":
		return sum(values), nil
	case "$min", "$max":
		var best bson.RawValue
		for _, v := range values {
			if rank(v.Type) == 1 { // null, and what is not there, count only if there is nothing else
				continue
			}
			if d := compare(v, best); best.Type == 0 || op == "$min" && d < 0 || op == "$max" && d > 0 {
				best = v
			}
		}
		if best.Type == 0 {
			return nil, nil
		}
		return best, nil
	}
	return nil, refuse(15952, "unknown group operator '%s' (mongotest)", op)
}

// sum adds numbers and passes over the rest. Whole ones stay whole: int32, else
// int64, else a double.
func sum(values []bson.RawValue) any {
	total := new(big.Rat)
	whole, long, special := true, false, 0.0
	for _, v := range values {
		if r, ok := rational(v); ok {
			total.Add(total, r)
		} else if v.Type == bson.TypeDouble {
			special += v.Double()
		}
		whole = whole && v.Type != bson.TypeDouble && v.Type != bson.TypeDecimal128
		long = long || v.Type == bson.TypeInt64
	}
	if special != 0 || math.IsNaN(special) {
		return special
	}
	f, _ := total.Float64()
	switch {
	case !whole || !total.Num().IsInt64():
		return f
	case long || total.Num().Int64() != int64(int32(total.Num().Int64())):
		return total.Num().Int64()
	}
	n, _ := strconv.Atoi(total.Num().String())
	return int32(n)
}
