package clickhouse

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// The rows of _octo_meta.
const (
	epochKey = "epoch"
	revKey   = "rev"
)

func (db *DB) engine() migrate.Engine {
	return migrate.Engine{
		Dialect: db.dialect, Numbered: true,
		Fits: func(want, have migrate.Column) bool {
			return want.Declared == have.Declared && want.NotNull == have.NotNull
		},
	}
}

func (db *DB) migrate(ctx context.Context, s driver.Strategy, cat *schema.Catalog) error {
	_, err := db.engine().Run(ctx, tables{db}, s, cat)
	return err
}

// Apply implements driver.Conn.
func (db *DB) Apply(ctx context.Context, cat *schema.Catalog) error {
	err := db.migrate(ctx, db.strategy.Later(), cat)
	if err == nil {
		db.catalog.Store(cat)
	}
	return err
}

// Examine implements driver.Examiner.
func (db *DB) Examine(ctx context.Context, cat *schema.Catalog) (*driver.Examination, error) {
	return db.engine().Examine(ctx, tables{db}, cat)
}

func (db *DB) drop(ctx context.Context) error {
	have, err := tables{db}.Tables(ctx)
	if err != nil {
		return err
	}
	for _, step := range db.engine().Drops(migrate.Wanted(db.catalog.Load(), db.dialect), have) {
		if err := db.exec(ctx, migrate.SQL(db.dialect, step)); err != nil {
			return migrate.StepFault(step, err)
		}
	}
	return db.exec(ctx, "DROP TABLE `"+redoTable+"`")
}

func (db *DB) meta(ctx context.Context, key string) (value string, err error) {
	err = db.fixed(ctx, db.log.Meta, func(r *row) error {
		value = r.text(0)
		return nil
	}, schema.TextOf(key))
	return value, err
}

func (db *DB) setMeta(ctx context.Context, key, value string, rev uint64) error {
	return db.insert(ctx, &block{
		Table: sqlgen.MetaTable, Columns: []string{"key", "value", goneColumn}, Types: []string{"String", "String", "UInt8"},
		Rows: [][]*string{{&key, &value, num(0)}},
	}, rev)
}

// reserve takes 2^32 numbers for rows that nobody had before.
func (db *DB) reserve(ctx context.Context) error {
	value, err := db.meta(ctx, revKey)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint("0"+value, 10, 32)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the counter of rows is damaged; restore _octo_meta from a backup")
	}
	n++
	if err := db.setMeta(ctx, revKey, strconv.FormatUint(n, 10), n<<32); err != nil {
		return err
	}
	db.rev.Store(n << 32)
	return nil
}

func (db *DB) firstEpoch(ctx context.Context) (string, error) {
	epoch, err := db.meta(ctx, epochKey)
	if err != nil || epoch != "" {
		return epoch, err
	}
	return db.newEpoch(ctx)
}

func (db *DB) newEpoch(ctx context.Context) (string, error) {
	epoch := strings.ToLower(rand.Text()[:8])
	return epoch, db.setMeta(ctx, epochKey, epoch, db.rev.Add(1))
}

// NewEpoch implements driver.Conn.
func (db *DB) NewEpoch(ctx context.Context) (string, error) {
	if err := db.lease.held(); err != nil {
		return "", err
	}
	epoch, err := db.newEpoch(ctx)
	if err != nil {
		return "", err
	}
	db.epoch.Store(&epoch)
	return epoch, nil
}

// tables is the database as a migration uses it.
type tables struct{ db *DB }

// Exec implements migrate.Database. The journal is noted with plain inserts and
// updates; an update here is one more row.
func (t tables) Exec(ctx context.Context, sql string, args ...any) error {
	values := make([]schema.Value, len(args))
	for i, v := range args {
		switch v := v.(type) {
		case string:
			values[i] = schema.TextOf(v)
		case int64:
			values[i] = schema.IntOf(v)
		case nil:
		default:
			return fault.New(fault.Internal, "a note in the journal has a value of an unknown type")
		}
	}
	if rest, ok := strings.CutPrefix(sql, "UPDATE "); ok {
		table, rest, _ := strings.Cut(rest, " SET ")
		set, where, _ := strings.Cut(rest, " WHERE ")
		column, value, _ := strings.Cut(set, " = ")
		sql = "INSERT INTO " + table + " SELECT * REPLACE (" + value + " AS " + column + ", `" + revColumn + "` + 1 AS `" + revColumn + "`) FROM " + table + " FINAL WHERE " + where
	}
	return t.db.exec(ctx, render(sql, values))
}

// Query implements migrate.Database.
func (t tables) Query(ctx context.Context, sql string, columns int, each func(row []string) bool) error {
	out := make([]string, columns)
	err := t.db.query(ctx, sql, nil, nil, func(r *row) error {
		for i := range out {
			if out[i] = r.text(i); r.cells[i].text == nil {
				out[i] = strconv.FormatInt(r.num(i), 10)
			}
		}
		if !each(out) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

var errEnough = errors.New("clickhouse: enough rows")

// Tables implements migrate.Database. A table that is no ReplacingMergeTree of
// our making fits nothing: it has no number that tells the last row of an id.
func (t tables) Tables(ctx context.Context) ([]migrate.Table, error) {
	var out []migrate.Table
	numbered := make(map[string]bool)
	err := t.db.query(ctx, "SELECT `table`, `name`, `type`, `default_expression`, `is_in_primary_key` FROM system.columns WHERE `database` = currentDatabase() ORDER BY `table`, `position`", nil, nil, func(r *row) error {
		name := r.text(0)
		if name == claimsTable || name == redoTable {
			return nil
		}
		if len(out) == 0 || out[len(out)-1].Name != name {
			out = append(out, migrate.Table{Name: name})
		}
		table := &out[len(out)-1]
		c := migrate.Column{Name: r.text(1), Declared: r.text(2), Default: r.text(3), NotNull: true}
		if inner, ok := strings.CutPrefix(c.Declared, "Nullable("); ok {
			c.Declared, c.NotNull = strings.TrimSuffix(inner, ")"), false
		}
		switch c.Name {
		case revColumn:
			numbered[name] = true
			return nil
		case goneColumn:
			return nil
		}
		if r.num(4) > 0 {
			table.PrimaryKey = append(table.PrimaryKey, c.Name)
		}
		table.Columns = append(table.Columns, c)
		return nil
	})
	for i := range out {
		if !numbered[out[i].Name] {
			out[i].PrimaryKey = nil // reported as a misfit if the schema wants the table
			out[i].Columns = append(out[i].Columns, migrate.Column{Name: revColumn, Declared: "no column: the table is none of ours", NotNull: true})
		}
	}
	return out, err
}
