package translate

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
)

// calendar turns year(p) and date(p) into a span of time.
func calendar(name string, at place, op parse.Op, v *parse.Literal) (Cond, error) {
	day, ok := instant(v)
	step := func(n int) string { return moment(day.AddDate(0, 0, n)).Text }
	if name == "year" {
		r, isNumber := rational(v)
		if !isNumber || !r.IsInt() || !r.Num().IsInt64() || r.Num().Int64() < 1 || r.Num().Int64() > 9998 {
			return nil, unsupported("a year is compared with a whole number from 1 to 9998")
		}
		year := int(r.Num().Int64())
		step = func(n int) string { return pad(year+n) + "-01-01T00:00:00.000Z" }
	} else if !ok {
		return nil, invalid("a date is compared with a date such as 2026-01-31")
	}
	begin, end := string(schema.AppendString(nil, step(0))), string(schema.AppendString(nil, step(1)))
	switch op {
	case "eq":
		return and(is(at.name, "$gte", begin), is(at.name, "$lt", end)), nil
	case "ge":
		return is(at.name, "$gte", begin), nil
	case "gt":
		return is(at.name, "$gte", end), nil
	case "le":
		return is(at.name, "$lt", end), nil
	}
	return is(at.name, "$lt", begin), nil
}

func pad(year int) string {
	s := strconv.Itoa(year)
	return strings.Repeat("0", 4-len(s)) + s
}

// rounded turns round, floor and ceiling into bounds of the number itself.
func rounded(name string, at place, op parse.Op, v *parse.Literal) (Cond, error) {
	r, ok := rational(v)
	if !ok {
		return nil, invalid("%s is compared with a number", name)
	}
	// With whole numbers on one side, gt and le move to the next whole number.
	n := new(big.Int).Div(r.Num(), r.Denom()) // floor
	exact := r.IsInt()
	next := new(big.Int).Add(n, big.NewInt(1))
	atLeast := func(k *big.Int) (Cond, error) { return reaches(name, at, k) }
	switch op {
	case "eq":
		if !exact {
			return never, nil
		}
		low, err := atLeast(n)
		if err != nil {
			return nil, err
		}
		high, err := atLeast(next)
		return and(low, negate(high)), err
	case "ge":
		if exact {
			return atLeast(n)
		}
		return atLeast(next)
	case "gt":
		return atLeast(next)
	}
	k := next // le n, or lt of what is no whole number
	if op == "lt" && exact {
		k = n
	}
	c, err := atLeast(k)
	if err != nil {
		return nil, err
	}
	return and(negate(c), exists(at.name)), nil
}

// reaches is the condition that the rounded property is at least k.
func reaches(name string, at place, k *big.Int) (Cond, error) {
	one, half := new(big.Rat).SetInt(k), big.NewRat(1, 2)
	op := parse.Op("ge")
	switch name {
	case "ceiling":
		one.Sub(one, big.NewRat(1, 1))
		op = "gt"
	case "round": // half away from zero
		one.Sub(one, half)
		if k.Sign() <= 0 {
			op = "gt"
		}
	}
	return plain(at, op, number(one))
}
