package mongodb_test

import (
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/stores/mongodb"
	"github.com/octomesh/octomesh/pkg/stores/mongodb/mongotest"
)

// other is a program that had the database before us.
func other(t *testing.T, uri, database string) *mongo.Database {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(t.Context()) })
	return client.Database(database)
}

func misfits(t *testing.T, err error) string {
	t.Helper()
	wantCode(t, err, fault.Conflict)
	list, _ := fault.From(err).Details.([]driver.Misfit)
	var out []string
	for _, m := range list {
		out = append(out, m.Table+"."+m.Column+": "+m.Found)
	}
	return strings.Join(out, "; ")
}

// TestAdoption opens collections that others have filled: what fits is served,
// what does not is reported.
func TestAdoption(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t, mongotest.Options{})
	cat := catalog(t, things)
	fill := func(name string, docs ...any) string {
		uri := server.URI(name)
		if _, err := other(t, uri, name).Collection("things").InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
		return uri
	}
	try := func(uri string, s driver.Strategy) (driver.Conn, error) {
		conn, err := mongodb.Open(t.Context(), uri, cat, mongodb.Options{Strategy: s})
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
		return conn, err
	}
	uri := fill("ids", bson.D{{Key: "n", Value: 1}})
	if _, err := try(uri, driver.Update); misfits(t, err) != "things.id: objectId" {
		t.Errorf("ids: %v", err)
	}
	uri = fill("types", bson.D{{Key: "_id", Value: "a"}, {Key: "n", Value: "7"}, {Key: "code", Value: bson.A{"x"}}})
	if _, err := try(uri, driver.Update); misfits(t, err) != "things.n: string; things.code: array" {
		t.Errorf("types: %v", err)
	}
	uri = fill("twice", bson.D{{Key: "_id", Value: "a"}, {Key: "code", Value: "x"}}, bson.D{{Key: "_id", Value: "b"}, {Key: "code", Value: "x"}})
	if _, err := try(uri, driver.Update); err == nil {
		t.Error("equal values of a unique field were taken")
	} else {
		wantCode(t, err, fault.Conflict)
	}
	uri = fill("fits", bson.D{{Key: "_id", Value: "a"}, {Key: "n", Value: int32(7)}, {Key: "more", Value: true}}, bson.D{{Key: "_id", Value: "b"}})
	if _, err := try(uri, driver.Validate); !strings.Contains(misfits(t, err), "things._version: ") {
		t.Errorf("validate: %v", err)
	}
	conn, err := try(uri, driver.Update)
	if err != nil {
		t.Fatal(err)
	}
	e := cat.Entity("Thing")
	q := all(cat)
	q.Where = query.Compare{Column: e.Column("n"), Op: query.Eq, Value: schema.IntOf(7)}
	found := 0
	err = conn.Select(t.Context(), q, func(r driver.Row) error {
		found++
		if string(r.AppendJSON(nil, 1)) != "1" || string(r.AppendJSON(nil, e.Column("n").Index)) != "7" {
			return errors.New("the adopted document is shown otherwise")
		}
		return nil
	})
	if err != nil || found != 1 {
		t.Errorf("%d found, %v", found, err)
	}
	x, err := conn.(driver.Examiner).Examine(t.Context(), cat)
	if err != nil || len(x.Steps) != 0 || len(x.Misfits) != 0 {
		t.Errorf("examined once more: %+v, %v", x, err)
	}
	if _, err := try(uri, driver.Validate); err != nil {
		t.Errorf("validate what update has made: %v", err)
	}
}

// TestStrategies makes and drops collections as the strategy says.
func TestStrategies(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t, mongotest.Options{})
	cat, uri := catalog(t, things), server.URI("s")
	run := func(s driver.Strategy) (rows int64, err error) {
		conn, err := mongodb.Open(t.Context(), uri, cat, mongodb.Options{Strategy: s})
		if err != nil {
			return 0, err
		}
		rows, _ = count(t, conn, cat)
		if err := conn.Write(t.Context(), put(cat, string(s), string(s))); err != nil {
			t.Errorf("%s: %v", s, err)
		}
		return rows, conn.Close()
	}
	if _, err := run(driver.Validate); err == nil {
		t.Error("validate made what was missing")
	}
	for _, c := range []struct {
		s    driver.Strategy
		rows int64
	}{{driver.Update, 0}, {driver.Validate, 1}, {driver.None, 2}, {driver.Create, 0}, {driver.CreateDrop, 0}, {driver.None, 0}} {
		if rows, err := run(c.s); err != nil || rows != c.rows {
			t.Errorf("%s: %d rows, %v; want %d", c.s, rows, err, c.rows)
		}
	}
}
