package querytest

import (
	"math"
	"sort"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
)

// idPool is distinct ids, some of which differ in case only.
var idPool = strings.Fields("a A b B a1 A1 a.1 a-1 a_1 a~1 a:1 a@1 10 9 09 1 z Z zz zZ Zz ZZ id null true 0 -1 x.y")

const (
	e1 = "\u00e9"  // é
	e2 = "e\u0301" // é as two code points
)

// pools are the values of each type that are worth having: what engines
// confuse, round, fold or trim.
var pools = map[schema.Type][]schema.Value{
	schema.String:   texts("", "a", "A", "b", "B", "ab", "AB", "Ab", "abc", "ba", e1, e2, "\u00c9", "x"+e1+"y", "X\u00c9Y", "\U0001F600", "a\U0001F600b", "\uFFFD", "\u00df", "ss", "SS", "\u017f", "\u212a", "k", "\u0130", "i", "I", "\u03c3", "\u03c2", "\u03a3", "\u0416", "\u0436"),
	schema.Text:     texts("a%b", "a_b", `a\b`, "a'b", `a"b`, "a\nb", " a", "a ", "a", "10", "9", "null", "true", "[a]", "a*b", "a?b", "%", "_", "A%B", strings.Repeat("ab", 200), strings.Repeat("ab", 200)+"c", "a.b", "axb", e1+"%", "\u00c9_", "\U0001F600"),
	schema.Enum:     texts("new", "open", "done"),
	schema.ObjectID: texts("507f1f77bcf86cd799439011", "507f1f77bcf86cd799439012", "000000000000000000000000", "ffffffffffffffffffffffff"),
	schema.Binary:   texts("", "AA==", "AQID", "////", "aGVsbG8="),
	schema.Number:   floats(0, math.Copysign(0, -1), 1, -1, 2, 10, 9, 0.1, 0.2, 0.30000000000000004, 0.3, 1.5, -1.5, 1<<53, 1<<53-1, -(1 << 53), 1-1<<53, 1<<53+2, 16777216, 16777217, 1e-7, 1e21, 1e300, -1e300, 5e-324, math.MaxFloat64),
	schema.Float:    floats(0, 1, -1, 2.5, 2.25, 0.1, 100, 1000.5, 16777216, 16777217, 33554433),
	schema.Integer: {
		schema.IntOf(0), schema.IntOf(1), schema.IntOf(-1), schema.IntOf(2), schema.IntOf(10), schema.IntOf(9),
		schema.IntOf(1<<53 - 1), schema.IntOf(1 << 53), schema.IntOf(1<<53 + 1), schema.IntOf(-(1 << 53)), schema.IntOf(-(1 << 53) - 1), schema.IntOf(1 - 1<<53),
		schema.IntOf(math.MaxInt64), schema.IntOf(math.MinInt64), schema.IntOf(16777217), schema.IntOf(16777216),
	},
	schema.Decimal: decimals("0", "0.1", "-0.1", "0.10000000000000000001", "1", "1.5", "10", "9", "-2", "-10", "123456789012345678901234567890.12", "123456789012345678901234567890.13", "0.00000001", "99999999999999999999", "9007199254740993"),
	schema.Boolean: {schema.BoolOf(true), schema.BoolOf(false)},
	schema.Date: times(0, 1, 2, -1, 999, 1000, 1001, 1767225600000, 1767225600001, 1767225600999, 1767225601000,
		951782400000, -62135596800000, 253402300799999),
	schema.JSON:  documents("{}", "[]", `{"a":1}`, `{"a":2}`, `{"a":1,"b":2}`, `{"b":2,"a":1}`, "1", "10", `"x"`, "true", "false", `"`+e1+`"`, `"`+e2+`"`, `{"a":null}`, `[{"a":[1,2]}]`),
	schema.Array: documents("[]", `["a"]`, `["A"]`, `["a","b"]`, `["b","a"]`, "[1]", "[1,2]", "[null]", `["\n"]`, `["a,b"]`),
}

func texts(list ...string) (out []schema.Value)     { return values(list, schema.TextOf) }
func floats(list ...float64) (out []schema.Value)   { return values(list, schema.FloatOf) }
func decimals(list ...string) (out []schema.Value)  { return values(list, schema.DecimalOf) }
func times(list ...int64) (out []schema.Value)      { return values(list, schema.TimeOf) }
func documents(list ...string) (out []schema.Value) { return values(list, schema.JSONOf) }

func values[T any](list []T, of func(T) schema.Value) []schema.Value {
	out := make([]schema.Value, len(list))
	for i, x := range list {
		out[i] = of(x)
	}
	return out
}

// present returns a column's values in the rows, sorted, without nulls.
func present(c *schema.Column, rows []schema.Row) []schema.Value {
	out := make([]schema.Value, 0, len(rows))
	for _, r := range rows {
		if v := r[c.Index]; !v.IsNull() {
			out = append(out, v)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Compare(out[j]) < 0 })
	return out
}

// operand draws a value to compare the column with: mostly one of its own from
// the middle, now and then a neighbour or one that is not there.
func (g *generator) operand(c *schema.Column, rows []schema.Row) schema.Value {
	have := present(c, rows)
	if len(have) == 0 || g.percent(8) {
		if pool := pools[c.Type]; c.Role == schema.RoleField && len(pool) > 0 {
			return pick(g, pool)
		}
		return pick(g, fallback(c))
	}
	v := have[len(have)/4+g.upTo((len(have)+1)/2)]
	if g.percent(8) {
		return g.neighbour(c, v)
	}
	return v
}

// fallback is values for columns that have no pool of their own.
func fallback(c *schema.Column) []schema.Value {
	switch c.Type.Kind() {
	case schema.KindInt:
		return []schema.Value{schema.IntOf(2)}
	case schema.KindTime:
		return pools[schema.Date]
	}
	return texts("a", "A", "b1", "zz")
}

// neighbour returns a value next to v, where the type has such a thing.
func (g *generator) neighbour(c *schema.Column, v schema.Value) schema.Value {
	step := int64(1 - 2*g.upTo(2))
	switch v.Kind() {
	case schema.KindTime:
		if ms := v.Int() + step; ms >= -62135596800000 && ms <= 253402300799999 {
			return schema.TimeOf(ms)
		}
	case schema.KindInt:
		if n := v.Int(); n < math.MaxInt64 && n > math.MinInt64 {
			return schema.IntOf(n + step)
		}
	case schema.KindFloat:
		if f := math.Nextafter(v.Float(), math.Inf(int(step))); !math.IsInf(f, 0) {
			return schema.FloatOf(f)
		}
	case schema.KindText:
		if c.Role == schema.RoleField && (c.Type == schema.String || c.Type == schema.Text) {
			return schema.TextOf(v.Text() + pick(g, []string{"a", " ", "\u0301"}))
		}
	}
	return v
}
