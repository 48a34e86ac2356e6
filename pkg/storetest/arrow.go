package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// streamed reads a stream to its end.
func (d *db) streamed(entity, args string) (string, error) {
	d.Helper()
	r, err := d.call("stream "+entity, args)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Chunks.Close() }()
	var out strings.Builder
	for {
		b, err := r.Chunks.Next(d.Context())
		if errors.Is(err, io.EOF) {
			return out.String(), nil
		}
		if err != nil {
			return "", err
		}
		out.Write(b)
	}
}

// sameInColumns holds op stream's Arrow to its lines, byte for byte: what the
// engine puts into columns is what a reader of the lines would put there. The
// arguments are an object without its end; filled are the relations in it.
func (d *db) sameInColumns(entity, args string, rows int, filled ...string) {
	d.Helper()
	lines, err := d.streamed(entity, args+"}")
	if err != nil {
		d.Fatal(err)
	}
	form := `"format":"arrow"}`
	if rows > 0 {
		form = fmt.Sprintf(`"batchSize":%d,%s`, rows, form)
	}
	if args != "{" {
		form = "," + form
	}
	got, err := d.streamed(entity, args+form)
	if err != nil {
		d.Fatalf("stream %s %s: %v", entity, args, err)
	}
	e := d.cat.Entity(entity)
	first, _, _ := strings.Cut(lines, "\n")
	shape := columnar.NewShape(e, e.Members, columnar.Options{DecimalScale: columnar.AsText, Filled: func(r *schema.Relation) bool {
		return strings.Contains(" "+strings.Join(filled, " ")+" ", " "+r.Name+" ")
	}}).Only(func(name string) bool { return first == "" || member(first, name) != "" })
	w, err := columnar.NewEncoder(shape, "")
	if err != nil {
		d.Fatal(err)
	}
	defer w.Close()
	want := w.Schema(nil)
	batch := columnar.NewBuilder(shape, rows)
	for line := range strings.Lines(lines) {
		if err == nil {
			err = batch.AddJSON([]byte(strings.TrimSuffix(line, "\n")))
		}
		if err == nil && batch.Full() {
			want, err = w.Batch(want, batch)
		}
	}
	if err == nil && batch.Rows() > 0 {
		want, err = w.Batch(want, batch)
	}
	if err != nil {
		d.Fatal(err)
	}
	if want = w.End(want); !bytes.Equal([]byte(got), want) {
		d.Errorf("stream %s %s: %d records came as %d bytes of Arrow, their lines make %d others", entity, args, strings.Count(lines, "\n"), len(got), len(want))
	}
}

// kinds makes records of Kind with every sort of value in each member.
func kinds(d *db, n int) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	for i := range n {
		number := pick("null", "0", "-0", "0.1", "-1e300", "1e-7", "9007199254740993", strconv.FormatFloat(r.NormFloat64(), 'g', -1, 64))
		text := pick("null", `""`, `"plain"`, `"é \"q\" \\ 😀"`, `"line\nend\ttab"`, strconv.Quote(strings.Repeat("long ", r.IntN(200))))
		d.do("create Kind", fmt.Sprintf(`{"data":{"id":"k%04d","s":%s,"t":%s,"n":%s,"b":%s,"d":%s,"j":%s,"a":%s,"i":%s,"c":%s,"f":%s,"e":%s,"y":%s,"lines":%s}}`, i,
			text, text, number, pick("null", "true", "false"),
			pick("null", `"2026-01-02T03:04:05.678Z"`, `"1969-12-31T23:59:59.999Z"`, `"0001-01-01"`, `"9999-12-31T23:59:59.999Z"`),
			pick("null", "1", `"t"`, `{"a":[1,"}\"",null]}`, "[]", "true"), pick("null", "[]", `["x",""]`, `["é",1,{"a":2},null]`),
			pick("null", "0", "-1", "9223372036854775807", "-9223372036854775808"), pick("null", "0", "1.5", "-0.25", "12345678901234567.89"),
			number, pick("null", `"x"`, `"y"`), pick("null", `""`, `"AAH/"`), pick("null", "[]", `[{"sku":"a"},{"sku":"b","n":2}]`)))
	}
}

// arrow is op stream as Arrow.
func arrow(d *db) {
	kinds(d, 300)
	d.sameInColumns("Kind", `{"sort":"id"`, 0)
	d.sameInColumns("Kind", `{"sort":"-id","limit":50,"skip":7`, 7)
	d.sameInColumns("Kind", `{"filter":{"b":true},"select":"n,i,d","sort":"id"`, 1)
	d.sameInColumns("Kind", `{"filter":{"s":{"$regex":"^(?:pl)+ain$","$regexFlags":"i"}},"sort":"id"`, 0)
	d.sameInColumns("Kind", `{"filter":{"id":"none"}`, 0)
	shelf(d)
	d.sameInColumns("Book", `{"sort":"id"`, 0)
	d.sameInColumns("Book", `{"sort":"id","relations":["author","genres"]`, 0, "author", "genres")
	d.sameInColumns("Author", `{"sort":"id","relations":"books","exclude":"email"`, 1, "books")
	d.do("create Cat", `{"data":{"name":"c"}}`, "create Dog", `{"data":{"name":"d"}}`)
	d.sameInColumns("Cat", "{", 0)
	d.do("create Note", `{"data":{"id":"o1","text":"a"}}`, "create Note", `{"data":{"id":"o2","text":"b"}}`, "delete Note", `{"id":"o1"}`)
	d.sameInColumns("Note", `{"sort":"id"`, 0)
	d.sameInColumns("Note", `{"sort":"id","includeDeleted":true`, 0)
	d.guard = d.onlyTitled("One")
	d.sameInColumns("Book", `{"sort":"id"`, 0)
	d.guard = rules{secret: map[string]bool{"pages": true, "editor": true}}
	d.sameInColumns("Book", `{"sort":"id","relations":"author"`, 0, "author")
	d.guard = nil

	// A decimal is a number if that is asked for, and never another number.
	if _, err := d.streamed("Kind", `{"format":"arrow","decimal":2,"select":"c"}`); err != nil {
		d.Error(err)
	}
	if _, err := d.streamed("Kind", `{"format":"arrow","decimal":1,"select":"c"}`); fault.CodeOf(err) != fault.InvalidRequest {
		d.Errorf("a decimal that does not fit: %v", err)
	}
	for _, c := range []string{"zstd", "lz4"} {
		if got, err := d.streamed("Kind", `{"format":"arrow","compression":"`+c+`"}`); err != nil || got == "" {
			d.Errorf("%s: %v", c, err)
		}
	}
	for _, wrong := range []string{`"format":"csv"`, `"format":7`, `"batchSize":0`, `"batchSize":"many"`, `"decimal":39`, `"decimal":1.5`, `"format":"arrow","compression":"gzip"`} {
		d.fails(fault.InvalidRequest, "stream Kind", "{"+wrong+"}")
	}
	d.fails(fault.InvalidRequest, "findAll Kind", `{"format":"arrow"}`)
	d.fails(fault.InvalidFilter, "stream Kind", `{"format":"arrow","filter":{"nope":1}}`)
}
