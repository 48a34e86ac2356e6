package store

import (
	"math"
	"math/big"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/valyala/fastjson"
)

// zeroOf is the zero of a numeric column; Null for other columns.
func zeroOf(c *schema.Column) schema.Value {
	switch c.Type {
	case schema.Number, schema.Float:
		return schema.FloatOf(0)
	case schema.Integer:
		return schema.IntOf(0)
	case schema.Decimal:
		return schema.DecimalOf("0")
	}
	return schema.Null
}

// add adds two numbers of one kind; false when the sum is out of range.
func add(a, b schema.Value) (schema.Value, bool) {
	switch a.Kind() {
	case schema.KindInt:
		x, y := a.Int(), b.Int()
		sum := x + y
		return schema.IntOf(sum), (sum > x) == (y > 0)
	case schema.KindFloat:
		sum := a.Float() + b.Float()
		return schema.FloatOf(sum), !math.IsInf(sum, 0) && !math.IsNaN(sum)
	}
	x, okX := new(big.Rat).SetString(a.Text())
	y, okY := new(big.Rat).SetString(b.Text())
	if !okX || !okY {
		return schema.Null, false
	}
	sum := x.Add(x, y)
	places, _ := sum.FloatPrec()
	text, ok := schema.CanonicalDecimal(sum.FloatString(places))
	return schema.DecimalOf(text), ok
}

// memberText is a value as a member of the array column has it.
func memberText(c *schema.Column, v *fastjson.Value) (string, error) {
	var arena fastjson.Arena
	list := arena.NewArray()
	list.SetArrayItem(0, v)
	value, err := c.Decode(list)
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimPrefix(value.Text(), "["), "]")
	return text, nil
}

// membersOf takes an array column's value apart.
func membersOf(v schema.Value) ([]string, error) {
	if v.IsNull() {
		return nil, nil
	}
	doc, err := strictjson.Parse([]byte(v.Text()))
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the stored array cannot be read")
	}
	defer doc.Release()
	list := doc.Root.GetArray()
	out := make([]string, len(list), len(list)+1)
	for i, m := range list {
		out[i] = string(strictjson.Compact(nil, m))
	}
	return out, nil
}

// arrayOf puts an array column's value together.
func arrayOf(members []string) schema.Value {
	return schema.JSONOf("[" + strings.Join(members, ",") + "]")
}
