package sql

import (
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// MaxTables bounds the tables of a FROM clause.
const MaxTables = 16

// from reads the FROM clause into l and returns the names that it gives.
func (c *compiler) from(l *level, list sqlparser.TableExprs, depth int) (scope, error) {
	if len(list) == 0 || dual(list) {
		return nil, nil
	}
	if len(list) > 1 {
		return nil, invalid("tables with commas between them are not supported: write JOIN … ON; %s", supported)
	}
	if t, ok := unwrap(list[0]).(*sqlparser.AliasedTableExpr); ok {
		if sub, ok := t.Expr.(*sqlparser.Subquery); ok {
			return c.derived(l, t, sub, depth)
		}
	}
	f := &joiner{compiler: c, scan: &scan{}}
	c.reach = f.scan
	if err := f.expr(list[0], false); err != nil {
		return nil, err
	}
	l.scan = f.scan
	f.scan.project = c.view.Project
	c.scanned = true
	l.where = all(f.extra...)
	return f.names, nil
}

// dual reports whether a FROM clause is the parser's DUAL, which stands for none.
func dual(list sqlparser.TableExprs) bool {
	if len(list) != 1 {
		return false
	}
	t, ok := list[0].(*sqlparser.AliasedTableExpr)
	if !ok {
		return false
	}
	n, ok := t.Expr.(sqlparser.TableName)
	return ok && n.DbQualifier.IsEmpty() && n.Name.String() == "dual" && t.As.IsEmpty()
}

func unwrap(t sqlparser.TableExpr) sqlparser.TableExpr {
	for {
		p, ok := t.(*sqlparser.ParenTableExpr)
		if !ok || len(p.Exprs) != 1 {
			return t
		}
		t = p.Exprs[0]
	}
}

// derived reads a subquery in FROM. One that only chooses and names fields is
// taken into the SELECT around it; another gives that its rows.
func (c *compiler) derived(l *level, t *sqlparser.AliasedTableExpr, sub *sqlparser.Subquery, depth int) (scope, error) {
	if t.Lateral || len(sub.Columns) > 0 || t.AsOf != nil {
		return nil, beyond("LATERAL, AS OF, or names behind the alias of a subquery")
	}
	sel, err := one(sub.Select)
	if err != nil {
		return nil, err
	}
	inner, err := c.level(sel, depth+1)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(inner.out))
	for i, o := range inner.out {
		names[i] = o.field.Name
	}
	r := &relation{alias: t.As.String(), names: names}
	if inner.group == nil && !inner.distinct && inner.limit < 0 && inner.offset == 0 && inner.inner == nil {
		*l = *inner
		outs := inner.out
		l.out = nil
		r.operand = func(i int) operand { return outs[i].as() }
		return scope{r}, nil
	}
	l.inner = inner
	r.operand = func(i int) operand {
		o := inner.out[i].as()
		o.slot, o.param, o.source, o.value = i, 0, nil, schema.Null
		return o
	}
	return scope{r}, nil
}

// as is an output as the operand of the SELECT around it.
func (o output) as() operand {
	of := o.of
	of.field, of.name = o.field, o.field.Name
	return of
}

// joiner reads a tree of joins into a scan.
type joiner struct {
	*compiler
	scan  *scan
	names scope
	extra []condition // of ON clauses, beyond the relations
}

func (f *joiner) expr(t sqlparser.TableExpr, optional bool) error {
	switch t := unwrap(t).(type) {
	case *sqlparser.AliasedTableExpr:
		_, err := f.table(t, optional)
		return err
	case *sqlparser.JoinTableExpr:
		return f.join(t)
	}
	return beyond("this form of FROM")
}

// table adds an entity.
func (f *joiner) table(t *sqlparser.AliasedTableExpr, optional bool) (int, error) {
	n, ok := t.Expr.(sqlparser.TableName)
	switch {
	case !ok:
		return 0, beyond("a subquery that is joined")
	case t.AsOf != nil || t.Hints != nil || len(t.Partitions) > 0:
		return 0, beyond("AS OF, an index hint, or PARTITION")
	case len(f.scan.tables) == MaxTables:
		return 0, invalid("a statement joins at most %d entities", MaxTables)
	}
	if err := f.project(n.DbQualifier.String()); err != nil {
		return 0, err
	}
	e, err := f.view.Find(n.Name.String())
	if err != nil {
		return 0, err
	}
	at := len(f.scan.tables)
	alias := t.As.String()
	if alias == "" {
		alias = n.Name.String()
	}
	for _, r := range f.names {
		if strings.EqualFold(r.alias, alias) {
			return 0, invalid("the table %s is in FROM twice: give each an alias", quote(alias))
		}
	}
	f.scan.tables = append(f.scan.tables, &table{entity: e, alias: alias, parent: -1, optional: optional})
	columns := f.view.Columns(e)
	r := &relation{alias: alias, entity: e, names: make([]string, len(columns))}
	for i, c := range columns {
		r.names[i] = c.Name
	}
	scan, scale := f.scan, f.session.DecimalScale
	r.operand = func(i int) operand {
		c := columns[i]
		slot := scan.slot(at, c)
		info := field(e, c, scale)
		info.Nullable = info.Nullable || optional
		return operand{slot: slot, typ: c.Type, name: c.Name, source: &source{at, c}, field: info}
	}
	f.names = append(f.names, r)
	return at, nil
}

// project moves the statement to the project that a qualified name names: the
// first one decides.
func (f *joiner) project(name string) error {
	if name == "" || name == f.view.Project {
		return nil
	}
	v, err := f.session.Project(name)
	if err != nil {
		return err
	}
	if v.Project != f.view.Project && (f.scanned || len(f.scan.tables) > 0) {
		return invalid("a statement reads one project: %s and %s are two", f.view.Project, v.Project)
	}
	f.view = v
	return nil
}

func (f *joiner) join(j *sqlparser.JoinTableExpr) error {
	optional := j.Join == sqlparser.LeftJoinStr
	switch {
	case !optional && j.Join != sqlparser.JoinStr:
		return beyond(strings.ToUpper(j.Join))
	case len(j.Condition.Using) > 0:
		return invalid("USING is not supported: write ON a.reference = b.id")
	case j.Condition.On == nil:
		return invalid("a JOIN needs ON a.reference = b.id; %s", supported)
	}
	if err := f.expr(j.LeftExpr, false); err != nil {
		return err
	}
	right, ok := unwrap(j.RightExpr).(*sqlparser.AliasedTableExpr)
	if !ok {
		return invalid("joins in parentheses on the right are not supported: write them one after the other")
	}
	at, err := f.table(right, optional)
	if err != nil {
		return err
	}
	return f.on(at, optional, j.Condition.On)
}

// on finds the relation among the conditions that ON joins with AND; the others
// of an INNER JOIN are conditions on the rows.
func (f *joiner) on(at int, optional bool, e sqlparser.Expr) error {
	linked := false
	for _, part := range ands(e, nil) {
		if !linked {
			done, err := f.link(at, optional, part)
			if err != nil {
				return err
			}
			if linked = done; done {
				continue
			}
		}
		if optional {
			return invalid("LEFT JOIN %s ON takes one condition, reference = id; %s belongs elsewhere", f.scan.tables[at].alias, quote(show(part)))
		}
		x := &exprs{compiler: f.compiler, scope: f.names}
		cond, err := x.condition(part, 0)
		if err != nil {
			return err
		}
		f.extra = append(f.extra, cond)
	}
	if !linked {
		return invalid("JOIN %s: ON must compare a reference with the id of the entity that it leads to; %s does not", f.scan.tables[at].alias, quote(show(e)))
	}
	return nil
}

// ands takes a tree of AND apart.
func ands(e sqlparser.Expr, list []sqlparser.Expr) []sqlparser.Expr {
	switch x := e.(type) {
	case *sqlparser.AndExpr:
		return ands(x.Right, ands(x.Left, list))
	case *sqlparser.ParenExpr:
		return ands(x.Expr, list)
	}
	return append(list, e)
}

// link joins a table along reference = id, if the condition is that.
func (f *joiner) link(at int, optional bool, e sqlparser.Expr) (bool, error) {
	cmp, ok := e.(*sqlparser.ComparisonExpr)
	if !ok || cmp.Operator != sqlparser.EqualStr {
		return false, nil
	}
	var sides [2]source
	for i, side := range []sqlparser.Expr{cmp.Left, cmp.Right} {
		name, ok := side.(*sqlparser.ColName)
		if !ok {
			return false, nil
		}
		before := len(f.scan.columns)
		o, err := f.names.find(f.view.Project, name.Qualifier.Name.String(), name.Name.String())
		if err != nil {
			return false, err
		}
		sides[i] = *o.source
		f.scan.columns = f.scan.columns[:before] // it need not be read for that
	}
	for _, s := range [][2]source{sides, {sides[1], sides[0]}} {
		ref, id := s[0], s[1]
		if ref.of.Relation == nil || ref.of.Role != schema.RoleReference || id.of.Role != schema.RoleID || ref.table == id.table {
			continue
		}
		if ref.of.Relation.Target != f.scan.tables[id.table].entity {
			return false, invalid("%s.%s leads to %s, not to %s", f.scan.tables[ref.table].alias, ref.of.Name, ref.of.Relation.Target.Name, f.scan.tables[id.table].entity.Name)
		}
		return true, f.attach(at, optional, ref, id)
	}
	return false, nil
}

// attach puts a table into the tree of the scan. A reference from what is there
// leads to the new table, or one from the new table leads to the root, which the
// new table then becomes: each of its records shows one of the root's.
func (f *joiner) attach(at int, optional bool, ref, id source) error {
	s := f.scan
	alias := s.tables[at].alias
	switch {
	case id.table == at && ref.table != at:
		t := s.tables[at]
		t.via, t.parent = ref.of.Relation, ref.table
		return f.depth(at)
	case ref.table == at && optional:
		return invalid("LEFT JOIN %s leads from one %s to many %s: turn it round, FROM %s LEFT JOIN %s, or write INNER JOIN",
			alias, s.tables[id.table].entity.Name, s.tables[at].entity.Name, s.tables[at].entity.Name, s.tables[id.table].entity.Name)
	case ref.table == at && id.table == s.root:
		old := s.tables[id.table]
		old.via, old.parent = ref.of.Relation, at
		s.root = at
		for i := range s.tables {
			if err := f.depth(i); err != nil {
				return err
			}
		}
		return nil
	}
	return invalid("JOIN %s: the joins of a statement must lead along references from one entity to all the others; that is not so from %s", alias, s.tables[s.root].alias)
}

// depth checks how many references lead to a table from the root.
func (f *joiner) depth(at int) error {
	n := 0
	for i := at; f.scan.tables[i].parent >= 0; i = f.scan.tables[i].parent {
		n++
	}
	if n > maxPath {
		return invalid("JOIN %s: at most %d references lead one after the other", f.scan.tables[at].alias, maxPath)
	}
	return nil
}

// maxPath is pkg/store/populate's MaxDepth.
const maxPath = 5

// reachable refuses a field that a relation's own select leaves out of what is
// filled in.
func (s *scan) reachable(c source) error {
	t := s.tables[c.table]
	if t.via == nil || len(t.via.Select) == 0 || c.of.Role == schema.RoleID || c.of.Role == schema.RoleVersion {
		return nil
	}
	for _, name := range t.via.Select {
		if name == c.of.Name {
			return nil
		}
	}
	return invalid("the relation %s of %s shows only %s of %s: %s is not among them", t.via.Name, t.via.Owner.Name, strings.Join(t.via.Select, ", "), t.entity.Name, c.of.Name)
}

// operators are the comparisons by their signs.
var operators = map[string]query.CompareOp{
	sqlparser.EqualStr: query.Eq, sqlparser.NotEqualStr: query.Ne, sqlparser.LessThanStr: query.Lt,
	sqlparser.LessEqualStr: query.Lte, sqlparser.GreaterThanStr: query.Gt, sqlparser.GreaterEqualStr: query.Gte,
}
