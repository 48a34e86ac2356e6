package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// A collection is a table whose columns need no declaration, so package migrate
// decides what is to be done, and only collections and indexes are made here.
// Each step may be done by several processes at once and leads to the same, so
// they take no lock. Unique indexes are partial: they hold documents in which
// all of their members are there, which is why null is left out of documents.

// words is migrate's view of MongoDB: the types are the names that $type knows.
var words = &sqlgen.Dialect{
	Name:       "mongodb",
	ColumnType: func(c *schema.Column, _ bool) string { return bsonName(c.Type.Kind()) },
	Types:      sqlgen.SystemTypes{Text: "string", Key: "string", Int: "long", Bytes: "binData"},
	Tables:     sqlgen.Tables{NullsEqual: true, Transactional: true},
	IndexID:    true,
	QuoteOpen:  '"', QuoteClose: '"',
}

func engine() migrate.Engine {
	return migrate.Engine{Dialect: words, Fits: func(want, have migrate.Column) bool {
		return have.Declared == "" || have.Declared == want.Declared
	}}
}

func bsonName(k schema.Kind) string {
	switch k {
	case schema.KindBool:
		return "bool"
	case schema.KindInt:
		return "long"
	case schema.KindFloat:
		return "double"
	case schema.KindTime:
		return "date"
	}
	return "string" // texts, JSON as it came, decimals in their order
}

// plan decides what a strategy does.
func (db *DB) plan(ctx context.Context, cat *schema.Catalog, s driver.Strategy) (*migrate.Plan, error) {
	have, warnings, err := db.introspect(ctx, migrate.Wanted(cat, words))
	if err != nil {
		return nil, err
	}
	p := engine().Plan(s, cat, have)
	for i := range p.Misfits {
		m := &p.Misfits[i]
		if strings.HasPrefix(m.Do, "run ") {
			m.Do = "use the strategy update"
		}
	}
	if s != driver.None && !s.Empties() {
		p.Warnings = append(p.Warnings, warnings...)
	}
	return &p, nil
}

// migrate runs the steps of a strategy.
func (db *DB) migrate(ctx context.Context, cat *schema.Catalog, s driver.Strategy) error {
	p, err := db.plan(ctx, cat, s)
	if err != nil {
		return err
	}
	if err := p.Fault(); err != nil {
		return err
	}
	for _, step := range p.Steps {
		if err := db.step(ctx, step); err != nil {
			return migrate.StepFault(step, db.failed(ctx, err, nil))
		}
		note := newDoc().text("catalog", cat.Version).text("step", stepText(step)).date("at", time.Now().UnixMilli()).raw()
		if _, err := db.data.Collection(sqlgen.JournalTable).InsertOne(ctx, withID(note)); err != nil {
			return db.failed(ctx, err, nil)
		}
	}
	return nil
}

// withID puts a new ObjectID before the members of a document.
func withID(raw bson.Raw) bson.Raw {
	d := newDoc()
	key := bson.NewObjectID()
	d.b = append(append(d.b, byte(bson.TypeObjectID)), "_id\x00"...)
	d.b = append(d.b, key[:]...)
	d.b = append(d.b, raw[4:len(raw)-1]...)
	return d.raw()
}

// Apply implements driver.Conn.
func (db *DB) Apply(ctx context.Context, cat *schema.Catalog) error {
	if err := db.migrate(ctx, cat, db.strategy.Later()); err != nil {
		return err
	}
	db.catalog.Store(cat)
	return nil
}

// Examine implements driver.Examiner.
func (db *DB) Examine(ctx context.Context, cat *schema.Catalog) (*driver.Examination, error) {
	p, err := db.plan(ctx, cat, driver.Update)
	if err != nil {
		return nil, err
	}
	x := &driver.Examination{Steps: make([]driver.Step, len(p.Steps)), Misfits: p.Misfits, Warnings: p.Warnings}
	for i, s := range p.Steps {
		x.Steps[i] = driver.Step{Table: s.Table, SQL: stepText(s)}
	}
	return x, nil
}

// drop removes the catalog's collections and the system's.
func (db *DB) drop(ctx context.Context, cat *schema.Catalog) error {
	for _, t := range migrate.Wanted(cat, words) {
		if err := db.data.Collection(t.Name).Drop(ctx); err != nil {
			return db.failed(ctx, err, nil)
		}
	}
	return nil
}

func (db *DB) step(ctx context.Context, s migrate.Step) error {
	c := db.data.Collection(s.Table)
	switch {
	case s.Drop:
		return c.Drop(ctx)
	case s.Create != nil:
		err := db.data.CreateCollection(ctx, s.Table)
		if hasCode(err, codeNamespaceExists) { // another process was faster
			err = nil
		}
		if err != nil || len(s.Create.PrimaryKey) < 2 || s.Table[0] == '_' {
			return err
		}
		keys := newDoc() // the links of an owner
		for _, k := range s.Create.PrimaryKey {
			keys.one(k, 1)
		}
		_, err = c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys.raw(), Options: options.Index().SetName("ix_" + s.Table)})
		return err
	case s.Add != nil: // _version, which older documents lack: they begin with 1
		lacks := newDoc().null(s.Add.Name).raw()
		_, err := c.UpdateMany(ctx, lacks, newDoc().object("$set").int(s.Add.Name, 1).raw())
		return err
	case s.DropIndex != nil:
		err := c.Indexes().DropOne(ctx, s.DropIndex.Name)
		if hasCode(err, codeIndexNotFound) {
			err = nil
		}
		return err
	}
	_, err := c.Indexes().CreateOne(ctx, model(s.Index))
	return err
}

func hasCode(err error, code int) bool {
	var server mongo.ServerError
	return errors.As(err, &server) && server.HasErrorCode(code)
}

func model(x *migrate.Index) mongo.IndexModel {
	keys := newDoc()
	for _, k := range x.Keys {
		n := int32(1)
		if k.Desc {
			n = -1
		}
		keys.one(memberName(k.Column), n)
	}
	o := options.Index().SetName(x.Name)
	if x.Unique {
		o.SetUnique(true)
	}
	if len(x.Where) > 0 {
		o.SetPartialFilterExpression(conditions(x.Where))
	}
	return mongo.IndexModel{Keys: keys.raw(), Options: o}
}

// memberName is the member of a column by its physical name, see member: only
// the id is called id.
func memberName(physical string) string {
	if physical == "id" {
		return "_id"
	}
	return physical
}

func physicalName(member string) string {
	if member == "_id" {
		return "id"
	}
	return member
}

// conditions writes the filter of a partial index; MongoDB allows equality, with
// null too, and {$exists: true}.
func conditions(where []migrate.Condition) bson.Raw {
	d := newDoc()
	for _, c := range where {
		switch c.Op {
		case migrate.IsNull:
			d.null(c.Column)
		case migrate.IsNotNull:
			d.object(c.Column).truth("$exists", true).end()
		default:
			d.text(c.Column, c.Text)
		}
	}
	return d.raw()
}

// stepText writes a step as the shell does it, for the journal and Examine.
func stepText(s migrate.Step) string {
	c := fmt.Sprintf("db.getCollection(%q)", s.Table)
	switch {
	case s.Drop:
		return c + ".drop()"
	case s.Create != nil:
		return fmt.Sprintf("db.createCollection(%q)", s.Table)
	case s.Add != nil:
		return fmt.Sprintf("%s.updateMany({%q: null}, {$set: {%q: NumberLong(1)}})", c, s.Add.Name, s.Add.Name)
	case s.DropIndex != nil:
		return fmt.Sprintf("%s.dropIndex(%q)", c, s.DropIndex.Name)
	}
	m := model(s.Index)
	text := fmt.Sprintf("%s.createIndex(%s, {name: %q", c, m.Keys, s.Index.Name)
	if s.Index.Unique {
		text += ", unique: true"
	}
	if len(s.Index.Where) > 0 {
		text += fmt.Sprintf(", partialFilterExpression: %s", conditions(s.Index.Where))
	}
	return text + "})"
}
