package spanner

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"cloud.google.com/go/spanner"
	adminpb "cloud.google.com/go/spanner/admin/database/apiv1/databasepb"
	"cloud.google.com/go/spanner/spansql"
	"google.golang.org/grpc/codes"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
)

// epochKey is the row of _octo_meta that holds the epoch.
const epochKey = "epoch"

func (db *DB) engine() migrate.Engine {
	return migrate.Engine{Dialect: db.dialect, Fits: fits, FoldNames: true, FoldTables: true, Numbered: true}
}

// fits reports whether values of a wanted column can be kept in an existing one.
// Lengths are enough for what ids and keys may have.
func fits(want, have migrate.Column) bool {
	if want.Declared == have.Declared {
		return true
	}
	n, ok := strings.CutPrefix(have.Declared, "STRING(")
	return ok && want.Declared == "STRING(MAX)" && want.Type != 0 && want.Type.Kind() == schema.KindText && len(n) >= len("128)")
}

// prepare brings the tables in line with the catalog and reads the epoch.
func (db *DB) prepare(ctx context.Context, cat *schema.Catalog) error {
	if err := db.migrate(ctx, db.strategy, cat); err != nil {
		return err
	}
	epoch := strings.ToLower(rand.Text()[:8])
	_, err := db.client.ReadWriteTransaction(ctx, func(ctx context.Context, txn *spanner.ReadWriteTransaction) error {
		r := &reader{db: db, in: func() querier { return txn }}
		have, err := r.meta(ctx, epochKey)
		switch {
		case r.broken != nil:
			return r.broken
		case err != nil:
			return err
		case have != "":
			epoch = have
			return nil
		}
		return txn.BufferWrite([]*spanner.Mutation{db.meta(epochKey, epoch)})
	})
	if err != nil {
		return classify(err, nil)
	}
	db.epoch.Store(&epoch)
	db.catalog.Store(cat)
	return nil
}

func (r *reader) meta(ctx context.Context, key string) (value string, err error) {
	err = r.fixed(ctx, r.db.log.Meta, func(row *row) error {
		value = row.text(0)
		return nil
	}, key)
	return value, err
}

// NewEpoch implements driver.Conn.
func (db *DB) NewEpoch(ctx context.Context) (string, error) {
	epoch := strings.ToLower(rand.Text()[:8])
	if _, err := db.client.Apply(ctx, []*spanner.Mutation{db.meta(epochKey, epoch)}); err != nil {
		return "", classify(err, nil)
	}
	db.epoch.Store(&epoch)
	return epoch, nil
}

// attempts is how often a migration is begun: another worker's may have been
// faster, step by step, since Spanner has no lock for it.
const attempts = 5

func (db *DB) migrate(ctx context.Context, s driver.Strategy, cat *schema.Catalog) error {
	var err error
	for range attempts {
		t := &tables{db: db, reader: db.single()}
		if _, err = db.engine().Run(ctx, t, s, cat); err == nil {
			err = t.flush(ctx)
		}
		if err == nil || !t.overtaken {
			return err
		}
	}
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
	return db.engine().Examine(ctx, &tables{db: db, reader: db.single()}, cat)
}

func (db *DB) drop(ctx context.Context) error {
	t := &tables{db: db, reader: db.single()}
	have, err := t.Tables(ctx)
	if err != nil {
		return err
	}
	for _, step := range db.engine().Drops(migrate.Wanted(db.catalog.Load(), db.dialect), have) {
		if err := t.Exec(ctx, migrate.SQL(db.dialect, step)); err != nil {
			return err
		}
	}
	return t.flush(ctx)
}

// tables is the database as a migration uses it.
type tables struct {
	*reader
	db        *DB
	ddl       []string
	notes     []*spanner.Mutation
	have      []migrate.Table
	overtaken bool // another worker changed the tables meanwhile
}

// Exec implements migrate.Database. It gathers: an operation on tables takes
// seconds, however many statements it has. Where one of them fails, those before
// it stay, and the next migration goes on there.
func (t *tables) Exec(_ context.Context, sql string, args ...any) error {
	if len(args) == 0 {
		if name, drop := strings.CutPrefix(sql, "DROP TABLE "); drop { // its indexes must go first
			for _, h := range t.have {
				if t.db.dialect.Ident(h.Name) != name {
					continue
				}
				for _, x := range h.Indexes {
					t.ddl = append(t.ddl, "DROP INDEX "+t.db.dialect.Ident(x.Name))
				}
			}
		}
		t.ddl = append(t.ddl, sql)
		return nil
	}
	// A note in the journal: INSERT INTO `table` (`column`, …) VALUES (…).
	into, rest, _ := strings.Cut(sql, " (")
	names, _, _ := strings.Cut(rest, ")")
	names = strings.ReplaceAll(names, "`", "")
	table := strings.Trim(strings.TrimPrefix(into, "INSERT INTO "), "`")
	t.notes = append(t.notes, spanner.Insert(table, strings.Split(names, ", "), args))
	return nil
}

// flush runs what was gathered.
func (t *tables) flush(ctx context.Context) error {
	if len(t.ddl) > 0 {
		op, err := t.db.admin.UpdateDatabaseDdl(ctx, &adminpb.UpdateDatabaseDdlRequest{Database: t.db.name, Statements: t.ddl})
		if err == nil {
			err = op.Wait(ctx)
		}
		if err != nil {
			code := spanner.ErrCode(err)
			t.overtaken = code == codes.AlreadyExists || code == codes.FailedPrecondition || code == codes.Aborted
			return fault.Wrap(err, fault.DBNotConnected, "the tables could not be changed (%s)", code)
		}
	}
	if len(t.notes) == 0 {
		return nil
	}
	_, err := t.db.client.Apply(ctx, t.notes)
	return classify(err, nil)
}

// Query implements migrate.Database.
func (t *tables) Query(ctx context.Context, sql string, columns int, each func(row []string) bool) error {
	if t.db.plain && strings.Contains(sql, " HAVING ") {
		return nil
	}
	out := make([]string, columns)
	err := t.query(ctx, spanner.Statement{SQL: sql}, nil, nil, func(r *row) error {
		for i := range out {
			out[i] = r.text(i)
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

var errEnough = errors.New("spanner: enough rows")

// Tables implements migrate.Database, from the database's own statements: they
// are the same on Spanner and on what emulates it.
func (t *tables) Tables(ctx context.Context) ([]migrate.Table, error) {
	ddl, err := t.db.admin.GetDatabaseDdl(ctx, &adminpb.GetDatabaseDdlRequest{Database: t.db.name})
	if err != nil {
		return nil, classify(err, nil)
	}
	t.have = introspect(ddl.Statements)
	return t.have, nil
}

// introspect reads statements; what it can't read is left out.
func introspect(statements []string) []migrate.Table {
	var out []migrate.Table
	at := make(map[spansql.ID]int)
	for _, text := range statements {
		s, err := spansql.ParseDDLStmt(text)
		if err != nil {
			continue
		}
		switch s := s.(type) {
		case *spansql.CreateTable:
			table := migrate.Table{Name: string(s.Name)}
			for _, c := range s.Columns {
				have := migrate.Column{Name: string(c.Name), Declared: c.Type.SQL(), NotNull: c.NotNull}
				if c.Default != nil {
					have.Default = c.Default.SQL()
				}
				if c.Generated != nil {
					have.Generated = c.Generated.SQL()
				}
				table.Columns = append(table.Columns, have)
			}
			for _, k := range s.PrimaryKey {
				table.PrimaryKey = append(table.PrimaryKey, string(k.Column))
			}
			at[s.Name] = len(out)
			out = append(out, table)
		case *spansql.CreateIndex:
			i, ok := at[s.Table]
			if !ok || s.NullFiltered {
				continue
			}
			x := migrate.Index{Name: string(s.Name), Unique: s.Unique}
			for _, k := range s.Columns {
				x.Keys = append(x.Keys, migrate.Key{Column: string(k.Column), Desc: k.Desc})
			}
			out[i].Indexes = append(out[i].Indexes, x)
		}
	}
	return out
}
