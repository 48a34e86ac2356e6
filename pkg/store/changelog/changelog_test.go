package changelog_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/changelog"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

func TestHash(t *testing.T) {
	t.Parallel()
	hash := func(op, entity, args string) []byte {
		doc, err := strictjson.Parse([]byte(args))
		if err != nil {
			t.Fatal(err)
		}
		defer doc.Release()
		return changelog.Hash(op, entity, doc.Root, func(member []byte) bool { return string(member) == "reqId" })
	}
	const args = `{"id":"a","data":{"x":[1,{"b":null,"a":"é"}]}}`
	want := hash("update", "E", args)
	if len(want) != sha256.Size {
		t.Fatalf("%d bytes", len(want))
	}
	for _, same := range []string{
		`{ "data" : {"x":[1, {"a":"\u00e9","b":null}]}, "id":"a" }`,
		`{"reqId":7,"id":"a","data":{"x":[1,{"b":null,"a":"é"}]}}`,
	} {
		if !bytes.Equal(hash("update", "E", same), want) {
			t.Errorf("%s has another hash", same)
		}
	}
	for _, other := range []string{
		`{"id":"a","data":{"x":[1,{"b":null,"a":"e"}]}}`, `{"id":"a","data":{"x":[{"b":null,"a":"é"},1]}}`, `{"id":"a"}`,
		`{"id":"a","data":{"reqId":7,"x":[1,{"b":null,"a":"é"}]}}`,
	} {
		if bytes.Equal(hash("update", "E", other), want) {
			t.Errorf("%s has the same hash", other)
		}
	}
	if bytes.Equal(hash("create", "E", args), want) || bytes.Equal(hash("update", "F", args), want) || bytes.Equal(hash("updat", "eE", args), want) {
		t.Error("op and entity make no difference")
	}
	// Many members are sorted too, and not in the square of their number.
	var forth, back []string
	for i := range 20_000 {
		m := `"k` + string(schema.IntOf(int64(i)).AppendJSON(nil)) + `":1`
		forth, back = append(forth, m), append(back, m)
	}
	slices.Reverse(back)
	if !bytes.Equal(hash("x", "E", "{"+strings.Join(forth, ",")+"}"), hash("x", "E", "{"+strings.Join(back, ",")+"}")) {
		t.Error("order makes a difference")
	}
}

func entity(t *testing.T) *schema.Entity {
	t.Helper()
	cat, err := schema.Parse([]byte(`[{"name":"E","collection":"es","timestamps":true,"fields":{"a":"string","n":"integer","pin":{"type":"string","hidden":true}},"relations":{"up":{"type":"many-to-one","target":"E"}}}]`))
	if err != nil {
		t.Fatal(err)
	}
	return cat.Entity("E")
}

func TestDiffRebuildsTheRowBefore(t *testing.T) {
	t.Parallel()
	e := entity(t)
	before, err := changelog.Row(e, []byte(`{"id":"x","_version":3,"a":"é","n":9007199254740993,"up":"y","createdAt":"2026-01-01T00:00:00.000Z","updatedAt":"2026-01-01T00:00:00.000Z"}`))
	if err != nil {
		t.Fatal(err)
	}
	after := slices.Clone(before)
	after[e.Column("_version").Index] = schema.IntOf(4)
	after[e.Column("a").Index] = schema.Null
	after[e.Column("up").Index] = schema.TextOf("z")
	after[e.Column("pin").Index] = schema.TextOf("1234")
	after[e.Column("updatedAt").Index] = schema.TimeOf(0)
	changed, old := changelog.Diff(e, before, after)
	if strings.Join(changed, " ") != "a up" {
		t.Errorf("changed: %v", changed)
	}
	if want := `{"_version":3,"a":"é","up":"y","updatedAt":"2026-01-01T00:00:00.000Z"}`; string(old) != want {
		t.Errorf("old: %s, want %s", old, want)
	}
	if changed, old := changelog.Diff(e, before, before); changed != nil || old != nil {
		t.Errorf("nothing differs: %v %s", changed, old)
	}
	old, changed, err = changelog.Mask(e, old, changed, func(c *schema.Column) bool { return c.Name != "up" })
	if err != nil || string(old) != `{"_version":3,"a":"é","updatedAt":"2026-01-01T00:00:00.000Z"}` || strings.Join(changed, " ") != "a" {
		t.Errorf("masked: %s %v %v", old, changed, err)
	}
}

func TestRowOfDamagedRecord(t *testing.T) {
	t.Parallel()
	for _, record := range []string{``, `{`, `[]`, `{"n":"x"}`} {
		if _, err := changelog.Row(entity(t), []byte(record)); err == nil {
			t.Errorf("%q was read", record)
		}
	}
}
