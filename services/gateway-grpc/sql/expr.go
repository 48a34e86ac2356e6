package sql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// exprs compiles the expressions of one clause.
type exprs struct {
	*compiler
	scope scope
	// group, if not nil, is the level's: names are those of its keys then, and
	// aggregates are computed.
	group *grouping
	// aggregates tells that the clause may have them.
	aggregates bool
	// aliases are the outputs that HAVING and ORDER BY can name.
	aliases []output
	// fieldsFirst tells that a name is a field, if it can be, before it is an alias.
	fieldsFirst bool
}

// operand compiles a value.
func (x *exprs) operand(e sqlparser.Expr) (operand, error) {
	switch e := e.(type) {
	case *sqlparser.ParenExpr:
		return x.operand(e.Expr)
	case *sqlparser.ColName:
		return x.column(e)
	case *sqlparser.SQLVal:
		if e.Type == sqlparser.ValArg {
			return x.param(string(e.Val))
		}
		v, t, err := literal(e)
		return x.made(v, t), err
	case sqlparser.BoolVal:
		return x.made(schema.BoolOf(bool(e)), schema.Boolean), nil
	case *sqlparser.NullVal:
		return x.made(schema.Null, schema.String), nil
	case *sqlparser.UnaryExpr:
		o, err := x.operand(e.Expr)
		if err != nil || !o.constant() || o.param > 0 {
			break
		}
		if e.Operator == sqlparser.UPlusStr {
			return o, nil
		}
		if v, ok := negative(o.value); ok && e.Operator == sqlparser.UMinusStr {
			return x.made(v, typeOf(v)), nil
		}
	case *sqlparser.FuncExpr:
		return x.function(e)
	case *sqlparser.Subquery:
		return operand{}, beyond("a subquery outside of FROM")
	case *sqlparser.CaseExpr:
		return operand{}, beyond("CASE")
	case *sqlparser.ConvertExpr:
		return operand{}, beyond("CAST")
	case *sqlparser.BinaryExpr:
		return operand{}, beyond("arithmetic, as in " + quote(show(e)) + ",")
	}
	return operand{}, beyond("the expression " + quote(show(e)))
}

func typeOf(v schema.Value) schema.Type {
	switch v.Kind() {
	case schema.KindInt:
		return schema.Integer
	case schema.KindDecimal:
		return schema.Decimal
	case schema.KindFloat:
		return schema.Number
	case schema.KindBool:
		return schema.Boolean
	case schema.KindTime:
		return schema.Date
	}
	return schema.String
}

// made is a constant as an operand.
func (c *compiler) made(v schema.Value, t schema.Type) operand {
	o := constant(v, t)
	o.field = c.resultField("", t, v)
	return o
}

// resultField is a column that no entity has. A decimal of the statement has its
// own scale; a computed one is text, as decimals are, unless a scale was asked for.
func (c *compiler) resultField(name string, t schema.Type, v schema.Value) arrow.Field {
	e := &schema.Entity{}
	f := field(e, &schema.Column{Name: name, Type: t}, c.session.DecimalScale)
	if t == schema.Decimal && v.Kind() == schema.KindDecimal {
		_, frac, _ := strings.Cut(v.Text(), ".")
		f.Type = &arrow.Decimal128Type{Precision: schema.MaxDecimalDigits, Scale: int32(len(frac))}
	}
	return f
}

// column resolves a name: in ORDER BY an alias of the SELECT list first, in
// HAVING last, as standard SQL and most databases have it.
func (x *exprs) column(e *sqlparser.ColName) (operand, error) {
	q := e.Qualifier
	if p := q.DbQualifier.String(); p != "" && p != x.view.Project {
		return operand{}, invalid("%s: the statement reads %s", quote(show(e)), x.view.Project)
	}
	alias, aliased := operand{}, false
	if q.IsEmpty() {
		alias, aliased = x.alias(e.Name.String())
	}
	if aliased && !x.fieldsFirst {
		return alias, nil
	}
	o, err := x.field(e)
	if err != nil && aliased {
		return alias, nil
	}
	return o, err
}

// field resolves a name to a value of a record, or of its group.
func (x *exprs) field(e *sqlparser.ColName) (operand, error) {
	o, err := x.scope.find(x.view.Project, e.Qualifier.Name.String(), e.Name.String())
	if err != nil {
		return o, err
	}
	if o.source != nil && x.reach != nil {
		if err := x.reach.reachable(*o.source); err != nil {
			return o, err
		}
	}
	return x.lift(o)
}

func (x *exprs) alias(name string) (operand, bool) {
	i := slices.IndexFunc(x.aliases, func(o output) bool { return o.field.Name == name })
	if i < 0 {
		i = slices.IndexFunc(x.aliases, func(o output) bool { return strings.EqualFold(o.field.Name, name) })
	}
	if i < 0 {
		return operand{}, false
	}
	return x.aliases[i].as(), true
}

// lift makes a value of a record the value of its group.
func (x *exprs) lift(o operand) (operand, error) {
	if x.group == nil || o.constant() {
		return o, nil
	}
	for i, k := range x.group.keys {
		if k.slot == o.slot {
			o.slot, o.source = i, nil
			return o, nil
		}
	}
	return o, invalid("%s must be in GROUP BY or inside of an aggregate", o.name)
}

// param is a parameter. The parser calls them :v1, :v2, ….
func (x *exprs) param(name string) (operand, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(name, ":v"))
	if err != nil || n < 1 || n > len(x.types) {
		return operand{}, beyond("a parameter other than ?")
	}
	if x.params == nil {
		o := x.made(schema.Null, schema.String)
		o.param = n
		return o, nil
	}
	v := x.params[n-1]
	return x.made(v, typeOf(v)), nil
}

// isAggregate reports whether the function is one.
func isAggregate(f *sqlparser.FuncExpr) bool {
	_, ok := functions[f.Name.Lowered()]
	return ok && f.Qualifier.IsEmpty() && f.Over == nil
}

func (x *exprs) function(f *sqlparser.FuncExpr) (operand, error) {
	if f.Over != nil {
		return operand{}, beyond("OVER")
	}
	if isAggregate(f) {
		return x.aggregate(f)
	}
	if f.Qualifier.IsEmpty() && len(f.Exprs) <= 1 && !f.Distinct { // the parser adds a precision
		now := x.session.Now.UTC()
		switch f.Name.Lowered() {
		case "current_timestamp", "now", "localtimestamp", "localtime":
			return x.made(schema.TimeOf(now.UnixMilli()), schema.Date), nil
		case "current_date", "curdate":
			return x.made(schema.TimeOf(now.Truncate(24*time.Hour).UnixMilli()), schema.Date), nil
		case "date", "timestamp":
			if text, ok := onlyText(f.Exprs); ok {
				return x.time(text)
			}
		}
	}
	return operand{}, beyond("the function " + quote(f.Name.String()))
}

// onlyText is the one argument of a function if that is a text.
func onlyText(args sqlparser.SelectExprs) (string, bool) {
	if len(args) != 1 {
		return "", false
	}
	arg, ok := args[0].(*sqlparser.AliasedExpr)
	if !ok {
		return "", false
	}
	v, ok := arg.Expr.(*sqlparser.SQLVal)
	if !ok || v.Type != sqlparser.StrVal {
		return "", false
	}
	return string(v.Val), true
}

// time is the literal DATE '…' or TIMESTAMP '…'. One between two milliseconds
// stays a text, which a comparison takes as it is.
func (x *exprs) time(text string) (operand, error) {
	ms, ok := instant(text)
	switch {
	case !ok:
		return operand{}, invalid("'%s' is no date or time such as '2026-01-31' or '2026-01-31 12:00:00'", clip(text))
	case finer(text):
		return x.made(schema.TextOf(text), schema.String), nil
	}
	return x.made(schema.TimeOf(ms), schema.Date), nil
}

// aggregate takes COUNT, SUM, AVG, MIN or MAX into the group.
func (x *exprs) aggregate(f *sqlparser.FuncExpr) (operand, error) {
	name := f.Name.Lowered()
	if !x.aggregates || x.group == nil {
		return operand{}, invalid("%s is not allowed here: aggregates belong into SELECT, HAVING and ORDER BY", strings.ToUpper(name))
	}
	if len(f.Exprs) != 1 {
		return operand{}, invalid("%s takes one field", strings.ToUpper(name))
	}
	a := aggregate{fn: functions[name], distinct: f.Distinct}
	switch arg := f.Exprs[0].(type) {
	case *sqlparser.StarExpr:
		if a.fn != countOf || f.Distinct {
			return operand{}, invalid("only COUNT takes *")
		}
		a.star = true
	case *sqlparser.AliasedExpr:
		inner := &exprs{compiler: x.compiler, scope: x.scope}
		o, err := inner.operand(arg.Expr)
		if err != nil {
			return operand{}, err
		}
		a.of = o
		if o.constant() && a.fn == countOf && !o.value.IsNull() && !f.Distinct {
			a.star = true // COUNT(1)
		}
	default:
		return operand{}, beyond("the expression " + quote(show(f)))
	}
	return x.computed(a)
}

func (x *exprs) computed(a aggregate) (operand, error) {
	t := a.of.typ
	if !a.star {
		c := &schema.Column{Type: t}
		switch {
		case (a.fn == sumOf || a.fn == avgOf) && !numeric(t) && !a.of.constant():
			return operand{}, invalid("only numbers have a sum or an average; %s is of type %s", a.of.name, t)
		case (a.fn == minOf || a.fn == maxOf || a.distinct) && !query.Ordered(c):
			return operand{}, invalid("%s has no order: it is of type %s", a.of.name, t)
		case a.of.constant() && (a.fn != sumOf || a.distinct || a.of.value.Kind() != schema.KindInt):
			return operand{}, beyond("this aggregate of a constant")
		}
	}
	switch {
	case a.fn == countOf:
		t = schema.Integer
	case a.fn == avgOf || a.fn == sumOf && t == schema.Float:
		t = schema.Number
	}
	at := slices.IndexFunc(x.group.aggs, func(b aggregate) bool {
		return a.fn == b.fn && a.star == b.star && a.distinct == b.distinct && (a.star || a.of.slot == b.of.slot && a.of.value == b.of.value)
	})
	if at < 0 {
		at = len(x.group.aggs)
		if at == MaxColumns {
			return operand{}, invalid("a statement computes at most %d aggregates", MaxColumns)
		}
		x.group.aggs = append(x.group.aggs, a)
	}
	info := x.resultField("", t, schema.Null)
	if a.fn == minOf || a.fn == maxOf {
		info = a.of.field
		info.Nullable = true
	}
	if a.fn == countOf {
		info.Nullable = false
	}
	return operand{slot: len(x.group.keys) + at, typ: t, name: fmt.Sprint("the aggregate ", at+1), field: info}, nil
}
