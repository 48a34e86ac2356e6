package mongodb

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/migrate"
)

// sample is how many documents of a collection are looked at: half of them the
// first, half the last by id.
const sample = 200

// introspect reads the collections that are wanted: their indexes, and what the
// members of a sample of their documents are. A member is of no type where the
// sample has none.
func (db *DB) introspect(ctx context.Context, want []migrate.Table) (have []migrate.Table, warnings []migrate.Misfit, err error) {
	specs, err := db.data.ListCollectionSpecifications(ctx, newDoc().raw())
	if err != nil {
		return nil, nil, db.failed(ctx, err, nil)
	}
	for _, spec := range specs {
		i := slices.IndexFunc(want, func(t migrate.Table) bool { return t.Name == spec.Name })
		if i < 0 {
			continue
		}
		w := &want[i]
		t := migrate.Table{Name: w.Name, PrimaryKey: w.PrimaryKey}
		if spec.Type != "collection" && spec.Type != "" {
			return nil, nil, fault.New(fault.Conflict, "%s is a %s of the database, not a collection; choose another name or database", w.Name, spec.Type)
		}
		if locale, ok := spec.Options.Lookup("collation", "locale").StringValueOK(); ok && locale != "simple" {
			warnings = append(warnings, migrate.Misfit{
				Table: w.Name, Reason: "the collection has a collation: text compares by it, not by code point",
				Found: locale, Wanted: "simple", Do: "copy the documents into a collection without one",
			})
		}
		if err := db.columns(ctx, w, &t); err != nil {
			return nil, nil, err
		}
		if t.Indexes, err = db.indexes(ctx, w.Name); err != nil {
			return nil, nil, err
		}
		have = append(have, t)
	}
	return have, warnings, nil
}

func (db *DB) indexes(ctx context.Context, collection string) ([]migrate.Index, error) {
	cur, err := db.data.Collection(collection).Indexes().List(ctx)
	if err != nil {
		return nil, db.failed(ctx, err, nil)
	}
	var out []migrate.Index
	err = db.each(ctx, ctx, cur, nil, func(raw bson.Raw) error {
		x := migrate.Index{}
		x.Name, _ = raw.Lookup("name").StringValueOK()
		x.Unique, _ = raw.Lookup("unique").BooleanOK()
		keys, _ := raw.Lookup("key").DocumentOK()
		elements, _ := keys.Elements()
		for _, el := range elements {
			n, ok := el.Value().AsInt64OK()
			if !ok || el.Key() == "_id" && len(elements) == 1 {
				return nil // a text or hashed index; the one that every collection has
			}
			x.Keys = append(x.Keys, migrate.Key{Column: physicalName(el.Key()), Desc: n < 0})
		}
		filter, _ := raw.Lookup("partialFilterExpression").DocumentOK()
		x.Where = parseConditions(filter)
		out = append(out, x)
		return nil
	})
	return out, err
}

// parseConditions reads what conditions writes; another form gives a condition
// that equals none of ours.
func parseConditions(filter bson.Raw) []migrate.Condition {
	elements, _ := filter.Elements()
	var out []migrate.Condition
	for _, el := range elements {
		c := migrate.Condition{Column: el.Key()}
		switch v := el.Value(); v.Type {
		case bson.TypeNull:
		case bson.TypeString:
			c.Op, c.Text = migrate.Equals, v.StringValue()
		default:
			sub, _ := v.DocumentOK()
			if exists, ok := sub.Lookup("$exists").BooleanOK(); !ok || !exists {
				c.Op, c.Text = migrate.Equals, "\x00"+v.String()
			} else {
				c.Op = migrate.IsNotNull
			}
		}
		out = append(out, c)
	}
	return out
}

// columns looks at a sample of documents and tells for each wanted column the
// first type in it that is not the wanted one.
func (db *DB) columns(ctx context.Context, w, t *migrate.Table) error {
	own := strings.HasPrefix(w.Name, "_octo_")
	for _, c := range w.Columns {
		h := migrate.Column{Name: c.Name, Declared: c.Declared, NotNull: c.NotNull}
		if !own {
			h.Declared = ""
		}
		t.Columns = append(t.Columns, h)
	}
	if own {
		return nil
	}
	lacking := false
	for _, order := range []bson.Raw{byID, newest} {
		cur, err := db.data.Collection(w.Name).Find(ctx, everything, options.Find().SetSort(order).SetLimit(sample/2))
		if err != nil {
			return db.failed(ctx, err, nil)
		}
		err = db.each(ctx, ctx, cur, nil, func(raw bson.Raw) error {
			for i, c := range w.Columns {
				v := raw.Lookup(memberName(c.Name))
				if len(v.Value) == 0 || v.Type == bson.TypeNull {
					lacking = lacking || c.Default != ""
					continue
				}
				if name := typeName(v.Type); !sameType(name, c.Declared) && t.Columns[i].Declared == "" {
					t.Columns[i].Declared = name
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if lacking {
		t.Columns = slices.DeleteFunc(t.Columns, func(c migrate.Column) bool {
			i := slices.IndexFunc(w.Columns, func(x migrate.Column) bool { return x.Name == c.Name })
			return w.Columns[i].Default != ""
		})
	}
	return nil
}

// sameType tells that a value of a type is what a column of the wanted one
// holds: whole numbers of other programs compare and sort as ours do.
func sameType(found, wanted string) bool {
	return found == wanted || found == "int" && (wanted == "long" || wanted == "double") || found == "long" && wanted == "double"
}

// typeName is the name that $type knows a type by.
func typeName(t bson.Type) string {
	switch t {
	case bson.TypeInt32:
		return "int"
	case bson.TypeInt64:
		return "long"
	case bson.TypeDouble:
		return "double"
	case bson.TypeString:
		return "string"
	case bson.TypeBoolean:
		return "bool"
	case bson.TypeDateTime:
		return "date"
	case bson.TypeObjectID:
		return "objectId"
	case bson.TypeDecimal128:
		return "decimal"
	case bson.TypeEmbeddedDocument:
		return "object"
	case bson.TypeArray:
		return "array"
	}
	return t.String()
}
