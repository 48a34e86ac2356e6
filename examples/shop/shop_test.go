package shop_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/examples/shop"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/valyala/fastjson"
)

func catalog(t testing.TB) *schema.Catalog {
	t.Helper()
	c, err := schema.Parse(shop.Schemas())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func digest(seed uint64) string {
	h := sha256.New()
	for line := range shop.Lines(seed) {
		h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func TestSameSeedSameRecords(t *testing.T) {
	t.Parallel()
	const want = "949fc5ffd08130f7"
	if got := digest(shop.Seed); got != want {
		t.Errorf("the records of seed %d changed: %s, want %s; users' demonstrations change with them", shop.Seed, got, want)
	}
	if digest(shop.Seed) == digest(shop.Seed+1) {
		t.Error("another seed gives the same records")
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	nulls, accents, emoji := 0, 0, 0
	var order []string
	for entity, data := range shop.Records(shop.Seed) {
		if counts[entity]++; counts[entity] == 1 {
			order = append(order, entity)
		}
		nulls += strings.Count(string(data), ":null")
		if strings.ContainsAny(string(data), "éüñøŁ山") {
			accents++
		}
		if strings.ContainsAny(string(data), "🎧😍📷🔔") {
			emoji++
		}
	}
	want := map[string]int{
		"Category": 56, "Tag": 24, "Product": 400, "Address": 320, "Customer": 400, "Order": 700, "OrderLine": 1783,
		"CardPayment": 278, "TransferPayment": 146, "Review": 600,
	}
	if !maps.Equal(counts, want) {
		t.Errorf("counts %v, want %v", counts, want)
	}
	if nulls < 500 || accents < 500 || emoji < 200 {
		t.Errorf("%d nulls, %d records with accents, %d with emoji: too few to test with", nulls, accents, emoji)
	}
	for _, e := range catalog(t).Entities {
		if counts[e.Name] == 0 {
			t.Errorf("%s has no record", e.Name)
		}
	}
}

func TestStopsWhenAsked(t *testing.T) {
	t.Parallel()
	for stop := 1; stop < 4000; stop *= 3 {
		n := 0
		for range shop.Lines(1) {
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Errorf("%d lines", n)
		}
	}
}

// TestRecordsFitTheSchema holds every record to what an import asks: known keys
// in record order, values that decode and come back as the same bytes, rules
// kept, unique values unique, references to records before it.
func TestRecordsFitTheSchema(t *testing.T) {
	t.Parallel()
	c := catalog(t)
	for _, seed := range []uint64{shop.Seed, 0, 1} {
		seen := map[string]bool{} // entity/id, and entity.column=value for unique ones
		last := map[string]string{}
		for name, data := range shop.Records(seed) {
			e := c.Entity(name)
			doc, err := strictjson.Parse(data)
			if err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			id := string(doc.Root.GetStringBytes("id"))
			if !schema.ValidID(id) || seen[name+"/"+id] || id <= last[name] {
				t.Fatalf("%s: the id is invalid, taken or out of order after %s", data, last[name])
			}
			last[name] = id
			if reason := misfit(e, doc.Root, data, seen); reason != "" {
				t.Fatalf("%s %s: %s", name, data, reason)
			}
			seen[name+"/"+id] = true
			doc.Release()
		}
	}
}

func misfit(e *schema.Entity, v *fastjson.Value, data []byte, seen map[string]bool) string {
	var want, keys []string
	for _, m := range e.Columns {
		if m.Role == schema.RoleVersion || m.Role == schema.RoleDiscriminator {
			continue
		}
		want = append(want, m.Name)
	}
	for _, r := range e.Relations {
		if r.Type == schema.ManyToMany && r.MappedBy == "" {
			want = append(want, r.Name)
		}
	}
	reason := ""
	out := []byte{'{'}
	o, _ := v.Object()
	o.Visit(func(k []byte, v *fastjson.Value) {
		key := string(k)
		keys = append(keys, key)
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(schema.AppendString(out, key), ':')
		r := e.Relation(key)
		column := e.Column(key)
		switch {
		case column != nil:
			got, err := column.Decode(v)
			switch {
			case err != nil:
				reason = err.Error()
			case got.IsNull() && column.Required:
				reason = key + " is required"
			case column.Field != nil && column.Field.Check(column.Field.Normalize(got)) != "":
				reason = column.Field.Check(got)
			case r != nil && !got.IsNull() && !seen[r.Target.Name+"/"+got.Text()]:
				reason = key + " refers to no record before it"
			case column.Unique && !got.IsNull():
				unique := e.Name + "." + key + "=" + got.Text()
				if seen[unique] {
					reason = unique + " is taken"
				}
				seen[unique] = true
			}
			if column.Field != nil {
				got = column.Field.Normalize(got)
			}
			out = got.AppendJSON(out)
		case r != nil:
			list, _ := v.Array()
			var ids []string
			for _, x := range list {
				ids = append(ids, string(x.GetStringBytes()))
				if !seen[r.Target.Name+"/"+ids[len(ids)-1]] {
					reason = key + " refers to no record before it"
				}
			}
			if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
				reason = key + " is not sorted, or has an id twice"
			}
			out = strictjson.Compact(out, v)
		default:
			reason = "there is no member " + key
		}
	})
	if reason != "" {
		return reason
	}
	if out = append(out, '}'); string(out) != string(data) {
		return "it would be stored as " + string(out)
	}
	if !slices.Equal(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(keys))) {
		return fmt.Sprint("its keys are not ", want)
	}
	var order []string
	for _, m := range e.Members {
		if slices.Contains(keys, m.Name) {
			order = append(order, m.Name)
		}
	}
	shown := slices.DeleteFunc(keys, func(k string) bool { return e.Column(k) != nil && e.Column(k).Hidden })
	if !slices.Equal(order, shown) {
		return fmt.Sprint("its keys are not in the order ", order)
	}
	return ""
}

func TestReviewsAreOnePerCustomerAndProduct(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for entity, data := range shop.Records(shop.Seed) {
		if entity != "Review" {
			continue
		}
		doc, err := strictjson.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		pair := string(doc.Root.GetStringBytes("customer")) + " " + string(doc.Root.GetStringBytes("product"))
		if seen[pair] && pair[0] != ' ' {
			t.Errorf("%s twice", pair)
		}
		seen[pair] = true
		doc.Release()
	}
}

func ExampleLines() {
	for line := range shop.Lines(shop.Seed) {
		fmt.Print(string(line))
		break
	}
	// Output: {"entity":"Category","data":{"id":"category-0000","name":"Bücher","slug":"shelf-0-0","position":0,"parent":null}}
}

func BenchmarkRecords(b *testing.B) {
	for b.Loop() {
		for range shop.Records(shop.Seed) {
		}
	}
}
