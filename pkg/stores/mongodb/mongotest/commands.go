package mongotest

import (
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// commands are those that read or write documents.
var commands = map[string]func(*command) (bson.D, error){
	"find": (*command).find, "aggregate": (*command).aggregate,
	"insert": (*command).insert, "update": (*command).update, "delete": (*command).delete, "findAndModify": (*command).findAndModify,
	"create": (*command).create, "drop": (*command).drop, "dropDatabase": (*command).dropDatabase, "createIndexes": (*command).createIndexes,
	"dropIndexes": (*command).dropIndexes, "listCollections": (*command).listCollections, "listIndexes": (*command).listIndexes,
}

// ns is the namespace that the command's first member names.
func (c *command) ns() string {
	name, _ := c.body.Lookup(c.name).StringValueOK()
	return c.db + "." + name
}

func (c *command) number(name string) int64 {
	n, _ := c.body.Lookup(name).AsInt64OK()
	return n
}

func (c *command) document(name string) bson.Raw {
	d, _ := c.body.Lookup(name).DocumentOK()
	return d
}

// reads are the documents of the collection as the command sees them.
func (c *command) reads(ns string) []bson.Raw {
	if x := c.at[ns]; x != nil {
		return x.all()
	}
	return nil
}

// byID narrows a filter down that names one _id.
func (c *command) byID(ns string, filter bson.Raw) []bson.Raw {
	x := c.at[ns]
	if x == nil {
		return nil
	}
	id, err := filter.LookupErr("_id")
	if err != nil || id.Type == bson.TypeEmbeddedDocument || id.Type == bson.TypeRegex || id.Type == bson.TypeNull {
		return x.all()
	}
	if d, ok := x.docs[keyOf(id)]; ok {
		return []bson.Raw{d.raw}
	}
	return nil
}

func (c *command) find() (bson.D, error) {
	filter := c.document("filter")
	docs, err := filtered(c.byID(c.ns(), filter), filter)
	if err != nil {
		return nil, err
	}
	docs = page(sorted(docs, c.document("sort")), c.number("skip"), max(c.number("limit"), -c.number("limit")))
	docs = projected(docs, c.document("projection"))
	return c.cursor(c.ns(), docs, c.body.Lookup("batchSize"))
}

func (c *command) aggregate() (bson.D, error) {
	docs, err := pipeline(c.reads(c.ns()), documents(c.body.Lookup("pipeline")))
	if err != nil {
		return nil, err
	}
	return c.cursor(c.ns(), docs, c.document("cursor").Lookup("batchSize"))
}

// cursor answers with a first batch and keeps the rest.
func (c *command) cursor(ns string, docs []bson.Raw, size bson.RawValue) (bson.D, error) {
	n, ok := size.AsInt64OK()
	if !ok {
		n = 101
	}
	single, _ := c.body.Lookup("singleBatch").BooleanOK()
	batch, rest := docs[:min(int(n), len(docs))], docs[min(int(n), len(docs)):]
	id := int64(0)
	if len(rest) > 0 && !single {
		c.nextID++
		id = c.nextID
		c.cursors[id] = rest
	}
	cur := bson.D{{Key: "firstBatch", Value: array(batch)}, {Key: "id", Value: id}, {Key: "ns", Value: ns}}
	if c.time != 0 {
		cur = append(cur, bson.E{Key: "atClusterTime", Value: bson.Timestamp{T: c.time}})
	}
	return bson.D{{Key: "cursor", Value: cur}}, nil
}

func array(docs []bson.Raw) bson.A {
	a := make(bson.A, len(docs))
	for i, d := range docs {
		a[i] = d
	}
	return a
}

func (s *Server) getMore(m *message) (bson.D, error) {
	id, _ := m.body.Lookup("getMore").AsInt64OK()
	name, _ := m.body.Lookup("collection").StringValueOK()
	db, _ := m.body.Lookup("$db").StringValueOK()
	docs, ok := s.cursors[id]
	if !ok {
		return nil, refuse(43, "cursor id %d not found", id)
	}
	n, ok := m.body.Lookup("batchSize").AsInt64OK()
	if !ok || n == 0 {
		n = int64(len(docs))
	}
	batch, rest := docs[:min(int(n), len(docs))], docs[min(int(n), len(docs)):]
	if s.cursors[id] = rest; len(rest) == 0 {
		delete(s.cursors, id)
		id = 0
	}
	return bson.D{{Key: "cursor", Value: bson.D{{Key: "nextBatch", Value: array(batch)}, {Key: "id", Value: id}, {Key: "ns", Value: db + "." + name}}}, {Key: "ok", Value: 1.0}}, nil
}

// statement runs one part of a write, again when it had to wait for a
// transaction. What fn has changed is in force only when it returns no error.
func (c *command) statement(fn func(x *collection) error) error {
	for {
		if c.tx != nil {
			c.at = c.tx.state
		} else {
			c.at = c.now
		}
		x, done := c.change(c.ns())
		err := fn(x)
		if err == nil {
			done()
			return nil
		}
		if !errors.Is(err, errAgain) {
			return err
		}
	}
}

// write collects the outcome of the statements of a write command.
type write struct {
	n, modified int64
	upserted    bson.A
	errors      bson.A
}

func (w *write) failed(i int, err error) error {
	var r *refusal
	if !errors.As(err, &r) || r.code == 112 { // the command as a whole
		return err
	}
	w.errors = append(w.errors, append(bson.D{{Key: "index", Value: int32(i)}, {Key: "code", Value: r.code}, {Key: "errmsg", Value: r.text}}, r.extra...))
	return nil
}

func (w *write) reply(update bool) bson.D {
	d := bson.D{{Key: "n", Value: int32(w.n)}}
	if update {
		d = append(d, bson.E{Key: "nModified", Value: int32(w.modified)})
	}
	if len(w.upserted) > 0 {
		d = append(d, bson.E{Key: "upserted", Value: w.upserted})
	}
	if len(w.errors) > 0 {
		d = append(d, bson.E{Key: "writeErrors", Value: w.errors})
	}
	return d
}

func (c *command) insert() (bson.D, error) {
	var w write
	for i, raw := range c.m.list("documents") {
		raw = withID(raw)
		err := c.statement(func(x *collection) error {
			if err := c.conflict(c.ns(), keyOf(raw.Lookup("_id"))); err != nil {
				return err
			}
			return x.put(c.ns(), raw, "")
		})
		if err == nil {
			w.n++
		} else if err := w.failed(i, err); err != nil {
			return nil, err
		} else {
			break
		}
	}
	return w.reply(false), nil
}

func (c *command) update() (bson.D, error) {
	var w write
	for i, u := range c.m.list("updates") {
		if err := c.updateOne(&w, i, u); err != nil {
			if err := w.failed(i, err); err != nil {
				return nil, err
			}
			break
		}
	}
	return w.reply(true), nil
}

func (c *command) updateOne(w *write, i int, u bson.Raw) error {
	filter, _ := u.Lookup("q").DocumentOK()
	change, ok := u.Lookup("u").DocumentOK()
	if !ok {
		return refuse(9, "mongotest has no pipelines in updates")
	}
	multi, _ := u.Lookup("multi").BooleanOK()
	upsert, _ := u.Lookup("upsert").BooleanOK()
	var matched, modified int64
	var made bson.RawValue
	err := c.statement(func(x *collection) error {
		matched, modified, made = 0, 0, bson.RawValue{}
		docs, err := filtered(c.byID(c.ns(), filter), filter)
		if err != nil {
			return err
		}
		if !multi && len(docs) > 1 {
			docs = docs[:1]
		}
		for _, d := range docs {
			matched++
			changed, err := c.replace(x, d, change)
			if err != nil {
				return err
			}
			if changed {
				modified++
			}
		}
		if len(docs) == 0 && upsert {
			made, err = c.upsert(x, filter, change)
		}
		return err
	})
	if err != nil {
		return err
	}
	w.n += matched
	w.modified += modified
	if made.Type != 0 {
		w.n++
		w.upserted = append(w.upserted, bson.D{{Key: "index", Value: int32(i)}, {Key: "_id", Value: made}})
	}
	return nil
}

// replace changes one document in x.
func (c *command) replace(x *collection, d, change bson.Raw) (changed bool, err error) {
	next, err := apply(d, change, false)
	if err != nil || string(next) == string(d) { // nothing to do takes no lock
		return false, err
	}
	key := keyOf(d.Lookup("_id"))
	if err := c.conflict(c.ns(), key); err != nil {
		return false, err
	}
	return true, x.put(c.ns(), next, key)
}

func (c *command) upsert(x *collection, filter, change bson.Raw) (bson.RawValue, error) {
	next, err := apply(seed(filter), change, true)
	if err != nil {
		return bson.RawValue{}, err
	}
	next = withID(next)
	id := next.Lookup("_id")
	if err := c.conflict(c.ns(), keyOf(id)); err != nil {
		return id, err
	}
	return id, x.put(c.ns(), next, "")
}

func (c *command) delete() (bson.D, error) {
	var w write
	for i, u := range c.m.list("deletes") {
		filter, _ := u.Lookup("q").DocumentOK()
		limit, _ := u.Lookup("limit").AsInt64OK()
		var n int64
		err := c.statement(func(x *collection) error {
			n = 0
			docs, err := filtered(c.byID(c.ns(), filter), filter)
			if err != nil {
				return err
			}
			for _, d := range page(docs, 0, limit) {
				key := keyOf(d.Lookup("_id"))
				if err := c.conflict(c.ns(), key); err != nil {
					return err
				}
				delete(x.docs, key)
				n++
			}
			return nil
		})
		if err == nil {
			w.n += n
		} else if err := w.failed(i, err); err != nil {
			return nil, err
		} else {
			break
		}
	}
	return w.reply(false), nil
}

func (c *command) findAndModify() (bson.D, error) {
	filter := c.document("query")
	remove, _ := c.body.Lookup("remove").BooleanOK()
	after, _ := c.body.Lookup("new").BooleanOK()
	upsert, _ := c.body.Lookup("upsert").BooleanOK()
	var value any
	err := c.statement(func(x *collection) error {
		value = nil
		docs, err := filtered(c.byID(c.ns(), filter), filter)
		if err != nil {
			return err
		}
		docs = page(sorted(docs, c.document("sort")), 0, 1)
		switch {
		case len(docs) == 0 && upsert:
			id, err := c.upsert(x, filter, c.document("update"))
			if err == nil && after {
				value = x.docs[keyOf(id)].raw
			}
			return err
		case len(docs) == 0:
			return nil
		}
		value = docs[0]
		key := keyOf(docs[0].Lookup("_id"))
		if remove {
			if err := c.conflict(c.ns(), key); err != nil {
				return err
			}
			delete(x.docs, key)
			return nil
		}
		_, err = c.replace(x, docs[0], c.document("update"))
		if err == nil && after {
			value = x.docs[key].raw
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return bson.D{{Key: "value", Value: value}}, nil
}

func (c *command) own(ns string) bool { return strings.HasPrefix(ns, c.db+".") }
