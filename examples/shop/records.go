package shop

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/octomesh/octomesh/pkg/schema"
)

const (
	tagCount      = 24
	productCount  = 400
	addressCount  = 320
	customerCount = 400
	orderCount    = 700
	reviewCount   = 600

	opening = 1735689600000 // 2025-01-01T00:00:00Z in milliseconds
	day     = 86400000
)

// generator writes one record after the other and remembers what later ones
// refer to.
type generator struct {
	random
	yield func(string, []byte) bool
	b     []byte
	shelf []string // ids of the categories
	price []int    // of each product, in cents
	order []sold
}

type sold struct {
	id     string
	placed int64
	total  int // cents
	paid   bool
	lines  []line
}

type line struct{ product, quantity, cents, discount int }

func id(kind string, n int) string { return fmt.Sprintf("%s-%04d", kind, n) }

// begin opens a record; the methods below add members in record order.
func (g *generator) begin(id string) { g.b = schema.AppendString(append(g.b[:0], `{"id":`...), id) }

func (g *generator) key(k string) { g.b = append(schema.AppendString(append(g.b, ','), k), ':') }

func (g *generator) text(k, s string) {
	g.key(k)
	g.b = schema.AppendString(g.b, s)
}

// maybe adds a text, or null in the given share of cases.
func (g *generator) maybe(percent int, k, s string) {
	if g.chance(percent) {
		g.raw(k, "null")
	} else {
		g.text(k, s)
	}
}

func (g *generator) raw(k, json string) {
	g.key(k)
	g.b = append(g.b, json...)
}

func (g *generator) number(k string, n int) { g.raw(k, strconv.Itoa(n)) }

func (g *generator) truth(k string, b bool) { g.raw(k, strconv.FormatBool(b)) }

func (g *generator) money(k string, cents int) {
	s, _ := schema.CanonicalDecimal(fmt.Sprintf("%d.%02d", cents/100, cents%100))
	g.raw(k, s)
}

func (g *generator) date(k string, ms int64) {
	g.key(k)
	g.b = schema.TimeOf(ms).AppendJSON(g.b)
}

func (g *generator) texts(k string, list []string) {
	g.key(k)
	g.b = append(g.b, '[')
	for i, s := range list {
		if i > 0 {
			g.b = append(g.b, ',')
		}
		g.b = schema.AppendString(g.b, s)
	}
	g.b = append(g.b, ']')
}

// times adds createdAt and updatedAt.
func (g *generator) times(created int64) {
	g.date("createdAt", created)
	g.date("updatedAt", created+int64(g.below(30*day)))
}

func (g *generator) end(entity string) bool {
	g.b = append(g.b, '}')
	return g.yield(entity, g.b)
}

// some draws up to n different ids of a kind, sorted.
func (g *generator) some(n int, kind string, count int) []string {
	var list []string
	for range g.below(n + 1) {
		list = append(list, id(kind, g.below(count)))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (g *generator) categories() bool {
	for i := range len(shelves) * (1 + len(parts)) {
		top, part := i%len(shelves), i/len(shelves)
		name := shelves[top]
		if part > 0 {
			name = parts[part-1]
		}
		g.shelf = append(g.shelf, id("category", i))
		g.begin(g.shelf[i])
		g.text("name", name)
		g.text("slug", fmt.Sprintf("shelf-%d-%d", top, part))
		g.number("position", part)
		switch {
		case part == 0:
			g.raw("parent", "null")
		case part == len(parts): // one level deeper: inside of the part before it
			g.text("parent", g.shelf[i-len(shelves)])
		default:
			g.text("parent", g.shelf[top])
		}
		if !g.end("Category") {
			return false
		}
	}
	return true
}

func (g *generator) tags() bool {
	for i := range tagCount {
		g.begin(id("tag", i))
		g.text("name", tagNames[i])
		if !g.end("Tag") {
			return false
		}
	}
	return true
}

func (g *generator) products() bool {
	for i := range productCount {
		cents := 99 + g.below(20000)
		g.price = append(g.price, cents)
		created := opening + int64(i)*day/4
		g.begin(id("product", i))
		g.text("name", pick(&g.random, adjectives)+" "+pick(&g.random, things))
		g.text("sku", fmt.Sprintf("%c%c-%05d", 'A'+g.below(26), 'A'+g.below(26), i))
		g.maybe(10, "description", pick(&g.random, sentences)+" "+pick(&g.random, sentences))
		g.money("price", cents)
		if g.chance(15) {
			g.raw("weight", "null")
		} else {
			g.raw("weight", string(schema.AppendFloat(nil, float64(g.below(30000))/1000)))
		}
		g.number("stock", g.below(250))
		state := pick(&g.random, []string{"draft", "active", "active", "active", "retired"})
		g.text("state", state)
		g.truth("available", state == "active")
		g.texts("keywords", slices.Compact([]string{pick(&g.random, tagNames), pick(&g.random, adjectives)}))
		if g.chance(25) {
			g.raw("attributes", "null")
		} else {
			g.raw("attributes", fmt.Sprintf(`{"colour":%q,"size":{"w":%d,"h":%d.5},"notes":null}`,
				pick(&g.random, []string{"blue", "grün", "rosé"}), g.below(100), g.below(100)))
		}
		g.text("category", pick(&g.random, g.shelf))
		g.texts("tags", g.some(4, "tag", tagCount))
		g.times(created)
		if g.chance(4) {
			g.date("deletedAt", created+60*day)
		} else {
			g.raw("deletedAt", "null")
		}
		if !g.end("Product") {
			return false
		}
	}
	return true
}

func (g *generator) addresses() bool {
	for i := range addressCount {
		c := pick(&g.random, cities)
		g.begin(id("address", i))
		g.text("street", pick(&g.random, streets)+" "+strconv.Itoa(1+g.below(200)))
		if c.code == "" {
			g.raw("postalCode", "null")
		} else {
			g.text("postalCode", c.code)
		}
		g.text("city", c.city)
		g.text("country", c.country)
		if !g.end("Address") {
			return false
		}
	}
	return true
}

func (g *generator) customers() bool {
	for i := range customerCount {
		g.begin(id("customer", i))
		g.text("name", pick(&g.random, firstNames)+" "+pick(&g.random, lastNames))
		g.text("email", fmt.Sprintf("customer%d@%s", i, pick(&g.random, []string{"example.org", "example.com", "müller.example"})))
		g.text("passwordHash", fmt.Sprintf("%016x%016x", g.next(), g.next()))
		g.maybe(30, "phone", fmt.Sprintf("+49 221 %06d", g.below(1000000)))
		if g.chance(40) {
			g.raw("birthday", "null")
		} else {
			g.date("birthday", opening-int64(18*365+g.below(60*365))*day)
		}
		g.truth("newsletter", g.chance(35))
		g.raw("points", string(schema.AppendFloat(nil, float64(g.below(4000))/4)))
		if i < addressCount {
			g.text("address", id("address", i))
		} else {
			g.raw("address", "null")
		}
		if i == 0 || g.chance(70) {
			g.raw("referredBy", "null")
		} else {
			g.text("referredBy", id("customer", g.below(i)))
		}
		g.texts("favourites", g.some(3, "product", productCount))
		g.times(opening + int64(i)*day/2)
		if !g.end("Customer") {
			return false
		}
	}
	return true
}
