package clickhouse

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/changelog"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
	"github.com/octomesh/octomesh/pkg/stores/overlay"
)

// block is rows for one table, as a redo keeps them: values are texts, null is
// nil, Types are those of the columns, of which the last tells what is gone.
type block struct {
	Table   string      `json:"t"`
	Columns []string    `json:"c"`
	Types   []string    `json:"k"`
	Rows    [][]*string `json:"r"`
	Undo    [][]*string `json:"u,omitempty"` // what the table had of these rows
}

// redo is what a group leaves.
type redo struct {
	Rev    uint64   `json:"rev"` // tells it from others
	Last   int64    `json:"last"`
	Blocks []*block `json:"blocks"`
}

// commit implements overlay.Commit. Only the writer's goroutine calls it.
func (db *DB) commit(fill func(base overlay.Base, last int64) (*overlay.Group, error)) error {
	if err := db.lease.held(); err != nil {
		return err
	}
	ctx := context.Background()
	if db.doubtful.Load() {
		if err := db.recover(ctx); err != nil {
			return err
		}
	}
	g, err := fill(db, db.last.Load())
	if err != nil || g.Empty() {
		return err
	}
	r := db.redo(g)
	if err := db.formerLinks(ctx, r, g.Links()); err != nil {
		return err
	}
	if err := db.lease.held(); err != nil { // reading may have taken long
		return err
	}
	if err := db.store(ctx, r); err != nil {
		return err
	}
	if db.told != nil && len(g.Changes()) > 0 {
		db.told(len(g.Changes()))
	}
	return nil
}

func ptr(s string) *string { return &s }

func num(n int64) *string { return ptr(strconv.FormatInt(n, 10)) }

// redo puts a group into blocks: rows, links, replies, and the changes last, so
// that nobody hears of what is not there yet.
func (db *DB) redo(g *overlay.Group) *redo {
	r := &redo{Rev: db.rev.Add(1), Last: g.Last()}
	blocks := make(map[string]*block)
	of := func(key, table string, columns, types []string) *block {
		b := blocks[key]
		if b == nil {
			b = &block{Table: table, Columns: append(columns, goneColumn), Types: append(types, "UInt8")}
			blocks[key] = b
			r.Blocks = append(r.Blocks, b)
		}
		return b
	}
	_ = g.Records(func(x *overlay.Record) error { // it fails only where this does
		columns, types := db.columns(x.Entity)
		b := of(x.Entity.Name, x.Entity.Collection, columns, types)
		cells := make([]*string, 0, len(columns)+1)
		for i := range x.Entity.Columns {
			switch {
			case x.Row != nil:
				cells = append(cells, text(x.Row[i]))
			case i == 0:
				cells = append(cells, &x.ID)
			case x.Entity.Columns[i].Role == schema.RoleVersion:
				cells = append(cells, num(0))
			default:
				cells = append(cells, nil)
			}
		}
		gone := int64(0)
		if x.Row == nil {
			gone = 1
		}
		b.Rows = append(b.Rows, append(cells, num(gone)))
		former := x
		if x.Stale {
			former = x.Was
		}
		if former.Before != nil {
			columns, types := db.columns(former.Entity)
			b := of(former.Entity.Name, former.Entity.Collection, columns, types)
			cells := make([]*string, 0, len(columns)+1)
			for _, v := range former.Before {
				cells = append(cells, text(v))
			}
			b.Undo = append(b.Undo, append(cells, num(0)))
		}
		return nil
	})
	for _, l := range g.Links() {
		b := of("\x00"+l.Table, l.Table, l.Columns[:], []string{"String", "String"})
		gone := int64(1)
		if l.There {
			gone = 0
		}
		b.Rows = append(b.Rows, []*string{&l.Values[0], &l.Values[1], num(gone)})
	}
	for _, x := range g.Replies() {
		b := of(sqlgen.RepliesTable, sqlgen.RepliesTable, []string{"principal", "idem", "req_hash", "body", "seq", "at"},
			[]string{"String", "String", "Nullable(String)", "Nullable(String)", "Int64", "Int64"})
		b.Rows = append(b.Rows, []*string{&x.Principal, &x.Key, opaque(x.Hash), ptr(string(x.Body)), num(x.Seq), num(x.At.UnixMilli()), num(0)})
	}
	for _, c := range g.Changes() {
		b := of(sqlgen.ChangesTable, sqlgen.ChangesTable, append([]string(nil), sqlgen.ChangeColumns...), changeTypes())
		b.Rows = append(b.Rows, append(change(c), num(0)))
	}
	return r
}

func (db *DB) columns(e *schema.Entity) (columns, types []string) {
	for _, c := range e.Columns {
		columns = append(columns, c.Physical)
		t := columnType(c, false)
		if c.Role != schema.RoleID && c.Role != schema.RoleVersion {
			t = "Nullable(" + t + ")"
		}
		types = append(types, t)
	}
	return columns, types
}

func changeTypes() []string {
	return []string{
		"Int64", "Int64", "String", "String", "String", "Int64", "Nullable(String)", "Nullable(String)", "Nullable(String)",
		"String", "String", "String", "Nullable(String)", "Nullable(String)", "Int64",
	}
}

func change(c *mesh.Change) []*string {
	var changed, key *string
	if c.Changed != nil {
		changed = ptr(string(changelog.AppendChanged(nil, c)))
	}
	if c.IdempotencyKey != "" {
		key = &c.IdempotencyKey
	}
	return []*string{
		num(c.Seq), num(c.Tx), &c.Entity, &c.ID, &c.Verb, num(c.Version), optional(c.After), optional(changelog.OldColumn(c)), changed,
		&c.Principal, &c.RequestID, &c.Transport, key, opaque(c.RequestHash), num(c.At.UnixMilli()),
	}
}

func optional(b []byte) *string {
	if b == nil {
		return nil
	}
	return ptr(string(b))
}

// opaque is bytes as a column and a redo have them.
func opaque(b []byte) *string {
	if b == nil {
		return nil
	}
	return ptr(hex.EncodeToString(b))
}

// text is a value as a block has it.
func text(v schema.Value) *string {
	switch v.Kind() {
	case schema.KindNull:
		return nil
	case schema.KindBool:
		return ptr(strconv.FormatBool(v.Bool()))
	case schema.KindInt, schema.KindTime:
		return num(v.Int())
	case schema.KindFloat:
		return ptr(strconv.FormatFloat(v.Float(), 'g', -1, 64))
	}
	return ptr(v.Text())
}

// insert stores a block, whole or not at all.
func (db *DB) insert(ctx context.Context, b *block, rev uint64) error {
	if len(b.Rows) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, insertTimeout)
	defer cancel()
	columns := make([]clickhouse.ColumnNameAndType, len(b.Columns), len(b.Columns)+1)
	sql := append([]byte("INSERT INTO "), db.dialect.Ident(b.Table)+" ("...)
	for i, name := range b.Columns {
		columns[i] = clickhouse.ColumnNameAndType{Name: name, Type: b.Types[i]}
		sql = append(db.dialect.AppendIdent(sql, name), ", "...)
	}
	columns = append(columns, clickhouse.ColumnNameAndType{Name: revColumn, Type: "UInt64"})
	sql = append(db.dialect.AppendIdent(sql, revColumn), ')')
	batch, err := db.conn.PrepareBatch(clickhouse.Context(ctx, clickhouse.WithColumnNamesAndTypes(columns)), string(sql))
	if err != nil {
		return classify(ctx, err, nil)
	}
	defer func() { _ = batch.Close() }() // after Send it does nothing
	cells := make([]any, len(columns))
	cells[len(cells)-1] = rev
	for _, row := range b.Rows {
		for i, s := range row {
			if cells[i], err = native(s, b.Types[i]); err != nil {
				return fault.Wrap(err, fault.Internal, "a value does not fit its column")
			}
		}
		if err := batch.Append(cells...); err != nil {
			return fault.Wrap(err, fault.Internal, "a value does not fit its column")
		}
	}
	return classify(ctx, batch.Send(), nil)
}

// insertTimeout bounds one insert; what becomes of it then is found out by
// recover.
const insertTimeout = time.Minute

// native is a text as clickhouse-go takes it for a type.
func native(s *string, t string) (any, error) {
	if s == nil {
		return nil, nil
	}
	switch t {
	case "Int64", "Nullable(Int64)":
		return strconv.ParseInt(*s, 10, 64)
	case "UInt8":
		n, err := strconv.ParseUint(*s, 10, 8)
		return uint8(n), err
	case "Nullable(Float64)":
		return strconv.ParseFloat(*s, 64)
	case "Nullable(Bool)":
		return strconv.ParseBool(*s)
	case "String", "Nullable(String)", "Nullable(" + decimalType + ")":
		return *s, nil
	}
	return nil, fmt.Errorf("no column has the type %s", t)
}
