package storetest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

func transaction(d *db) {
	d.do("create Author", `{"data":{"id":"a","name":"Ada","age":1}}`)
	d.wantBody("transaction _project", `{"operations":[
		{"op":"create","entity":"Author","data":{"id":"b","name":"Bob"},"select":"name"},
		{"op":"update","entity":"authors","id":"a","data":{"age":2},"options":{"select":["age"]}},
		{"op":"count","entity":"Author"},
		{"op":"updateMany","entity":"Author","filter":{"age":2},"data":{"age":3}},
		{"op":"findAll","entity":"Author","filter":{"age":3},"select":"age"},
		{"op":"delete","entity":"Author","id":"b"},
		{"op":"delete","entity":"Author","id":"nobody"},
		{"op":"deleteMany","entity":"Author","filter":{"name":"nobody"}},
		{"op":"findById","entity":"Author","id":"b"}]}`,
		`{"status":"ok","data":[{"id":"b","_version":1,"name":"Bob"},{"id":"a","_version":2,"age":2},2,1,[{"id":"a","_version":3,"age":3}],true,false,0,null],"metadata":{"count":9,"position":"E-5"}}`)
	c := d.changesAfter(1)
	for _, x := range c {
		if x.Tx != c[0].Seq {
			d.Errorf("change %d has tx %d, want %d", x.Seq, x.Tx, c[0].Seq)
		}
	}
	// What is deleted and made again within one transaction is there.
	d.want("transaction _project", `{"operations":[{"op":"create","entity":"Shelf","data":{"id":"s"}},{"op":"delete","entity":"Shelf","id":"s"},{"op":"create","entity":"Shelf","data":{"id":"s"},"select":"id"},
		{"op":"updateMany","entity":"Shelf","filter":{},"data":{"place":"x"}},{"op":"deleteMany","entity":"Shelf","filter":{}}]}`, `[{"id":"s","_version":1,"place":null},true,{"id":"s","_version":1},1,1]`)
	at := d.seq()
	f := d.refusal(fault.Conflict, "transaction _project", `{"operations":[{"op":"create","entity":"Author","data":{"id":"c","name":"C"}},{"op":"create","entity":"Author","data":{"id":"c","name":"C"}}]}`)
	if m, ok := f.Details.(map[string]any); !ok || m["index"] != 1 {
		d.Errorf("details: %v", f.Details)
	}
	f = d.refusal(fault.ValidationError, "transaction _project", `{"operations":[{"op":"create","entity":"Author","data":{"id":"c","name":"C"}},{"op":"create","entity":"Author","data":{}}]}`)
	if m, ok := f.Details.(map[string]any); !ok || m["index"] != 1 || m["details"] == nil {
		d.Errorf("details: %v", f.Details)
	}
	for args, code := range map[string]fault.Code{
		`{"operations":[]}`: fault.InvalidRequest, `{"operations":{}}`: fault.InvalidRequest, `{}`: fault.MissingParams, `{"operations":[7]}`: fault.InvalidRequest,
		`{"operations":[{"op":"nope","entity":"Author"}]}`:                                                             fault.UnknownOp,
		`{"operations":[{"op":"stream","entity":"Author"}]}`:                                                           fault.UnknownOp,
		`{"operations":[{"op":"transaction","entity":"_project","operations":[]}]}`:                                    fault.UnknownOp,
		`{"operations":[{"op":"create","entity":"Nope","data":{}}]}`:                                                   fault.UnknownEntity,
		`{"operations":[{"op":"update","entity":"Author","data":{}}]}`:                                                 fault.MissingID,
		`{"operations":[{"op":"findAll","entity":"Author","filter":{"nope":1}}]}`:                                      fault.InvalidFilter,
		`{"operations":[` + strings.Repeat(`{"op":"count","entity":"Author"},`, 500) + `{"op":"count","entity":"A"}]}`: fault.InvalidRequest,
	} {
		d.fails(code, "transaction _project", args)
	}
	d.wantLog(at)
	d.want("count Author", `{}`, `1`)
}

func transactionRefs(d *db) {
	d.want("transaction _project", `{"operations":[
		{"op":"create","entity":"Author","data":{"name":"Ada"},"select":"name"},
		{"op":"create","entity":"Genre","data":{"name":"g"},"select":"name"},
		{"op":"upsert","entity":"Book","filter":{"title":"T"},"data":{"author":{"$ref":0},"genres":[{"$ref":1}]},"select":"author"},
		{"op":"update","entity":"Book","id":{"$ref":2},"data":{"pages":9,"editor":{"$ref":0}},"select":"pages,editor"},
		{"op":"addToSet","entity":"Author","id":{"$ref":0},"field":"tags","value":"x","select":"tags"},
		{"op":"findById","entity":"Book","id":{"$ref":2},"select":"title","relations":"author"}]}`,
		`[{"id":"n1","_version":1,"name":"Ada"},{"id":"n2","_version":1,"name":"g"},{"id":"n3","_version":1,"author":"n1"},{"id":"n3","_version":2,"pages":9,"editor":"n1"},{"id":"n1","_version":2,"tags":["x"]},`+
			`{"id":"n3","_version":2,"title":"T","author":{"id":"n1","_version":2,"name":"Ada","email":null,"age":null,"rank":"silver","tags":["x"],"agent":null,"books":[],"createdAt":`+t0+`,"updatedAt":`+t0+`}}]`)
	for _, bad := range []string{
		`[{"op":"create","entity":"Book","data":{"title":"x","author":{"$ref":0}}}]`,
		`[{"op":"create","entity":"Book","data":{"title":"x","author":{"$ref":-1}}}]`,
		`[{"op":"update","entity":"Author","id":"nobody","data":{}},{"op":"create","entity":"Book","data":{"title":"x","author":{"$ref":0}}}]`,
		`[{"op":"count","entity":"Author"},{"op":"create","entity":"Book","data":{"title":"x","author":{"$ref":0}}}]`,
	} {
		d.fails(fault.ValidationError, "transaction _project", `{"operations":`+bad+`}`)
	}
	d.fails(fault.InvalidRequest, "transaction _project", `{"operations":[{"op":"delete","entity":"Author","id":{"$ref":0}}]}`)
	d.fails(fault.InvalidRequest, "delete Author", `{"id":{"$ref":0}}`)
	d.want("count Book", `{}`, `1`)
}

// again makes the same request twice under the key and compares the replies.
func (d *db) again(key, what, args string) {
	d.Helper()
	d.key = key
	defer func() { d.key = "" }()
	first, err := d.call(what, args)
	if err != nil {
		d.Fatalf("%s: %v", what, err)
	}
	at := d.seq()
	second, err := d.call(what, args)
	if err != nil {
		d.Fatalf("%s again: %v", what, err)
	}
	if first.Replayed || !second.Replayed {
		d.Errorf("%s: replayed %v, then %v", what, first.Replayed, second.Replayed)
	}
	if string(first.Body) != string(second.Body) || first.Version != second.Version || first.Position != second.Position {
		d.Errorf("%s: the replies differ:\n%s\n%s", what, first.Body, second.Body)
	}
	if d.seq() != at {
		d.Errorf("%s: the second one wrote something", what)
	}
}

func idempotency(d *db) {
	d.again("k1", "create Author", `{"data":{"name":"Ada","age":1,"tags":["a"]}}`)
	d.again("k2", "update Author", `{"id":"n1","data":{"age":2}}`)
	d.again("k3", "increment Author", `{"id":"n1","field":"age","amount":1}`)
	d.again("k4", "upsert Author", `{"filter":{"email":"b@x"},"data":{"name":"Bob"}}`)
	d.again("k5", "addToSet Author", `{"id":"n1","field":"tags","value":"b"}`)
	d.again("k6", "delete Author", `{"id":"n1"}`)
	d.want("count Author", `{}`, `1`)
	// White space, order of members and the request's number make no difference.
	d.key = "k4"
	if r, err := d.call("upsert Author", ` {"reqId":9, "data" : {"name":"Bob"}, "filter":{"email":"b@x"}}`); err != nil || !r.Replayed {
		d.Errorf("the same request in other words: %v", err)
	}
	d.fails(fault.Conflict, "upsert Author", `{"filter":{"email":"b@x"},"data":{"name":"Eve"}}`)
	d.fails(fault.Conflict, "upsert Publisher", `{"filter":{"name":"x"},"data":{"name":"Bob"}}`)
	d.fails(fault.Conflict, "create Author", `{"data":{"name":"Bob"}}`)
	// Somebody else's key is another key.
	if r, err := d.callAs(&mesh.Principal{ID: "k:other"}, nil, "create Author", `{"data":{"name":"Eve"}}`); err != nil || r.Replayed {
		d.Errorf("somebody else's key: %v", err)
	}
	// A failure is no reply: the key is free for the next attempt.
	d.key = "k7"
	d.fails(fault.Conflict, "create Author", `{"data":{"name":"Bob","email":"b@x"}}`)
	d.do("delete Author", `{"id":"n2"}`)
}

func idempotencyStored(d *db) {
	shelf(d)
	d.again("k1", "update Author", `{"id":"nobody","data":{"age":2}}`)
	d.again("k2", "update Author", `{"id":"a1","data":{"name":"Ada"}}`)
	d.again("k3", "updateMany Author", `{"filter":{},"data":{"age":7}}`)
	d.again("k4", "updateMany Author", `{"filter":{"id":"a1"},"data":{"age":8}}`)
	d.again("k5", "delete Genre", `{"id":"g1"}`)
	d.again("k6", "delete Genre", `{"id":"nope"}`)
	d.again("k7", "transaction _project", `{"operations":[{"op":"create","entity":"Author","data":{"name":"T"}},{"op":"update","entity":"Author","id":"a2","data":{"age":9}},{"op":"deleteMany","entity":"Genre","filter":{"id":"g3"}},{"op":"updateMany","entity":"Author","filter":{"id":"a1"},"data":{"age":1}},{"op":"delete","entity":"Genre","id":"nope"},{"op":"count","entity":"Book"}]}`)
	d.again("k8", "deleteMany Author", `{"filter":{}}`)
	d.again("k9", "update Book", `{"id":"b9","data":{"genres":[]},"relations":"genres"}`)
	// What is trimmed is forgotten: the key is free again.
	if _, err := d.conn.Trim(d.Context(), time.UnixMilli(start).Add(time.Hour), d.seq()); err != nil {
		d.Fatal(err)
	}
	d.key = "k6"
	defer func() { d.key = "" }()
	if r, err := d.call("delete Genre", `{"id":"nope"}`); err != nil || r.Replayed {
		d.Errorf("a trimmed reply is remembered: %v", err)
	}
}

func changes(d *db) {
	d.want("changes _project", `{"position":"`+d.conn.Epoch()+`-0"}`, `[]`)
	d.do("create Shelf", `{"data":{"id":"s","place":"x"}}`, "update Shelf", `{"id":"s","data":{"place":"y"}}`, "upsert Shelf", `{"filter":{"id":"t"},"data":{}}`, "delete Shelf", `{"id":"s"}`)
	event := func(n int, verb, id, rest string) string {
		return fmt.Sprintf(`{"type":"event","event":"entity.%s","project":"p","entity":"Shelf","id":"%s",%s,"position":"E-%d"`, verb, id, rest, n)
	}
	want := `[` + event(1, "created", "s", `"data":{"id":"s","_version":1,"place":"x"}`) + `,"at":"2026-01-02T03:04:06.000Z","op":"created"},` +
		event(2, "updated", "s", `"data":{"id":"s","_version":2,"place":"y"},"changed":["place"]`) + `,"at":"2026-01-02T03:04:07.000Z","op":"updated","old":{"_version":1,"place":"x"}},` +
		event(3, "upserted", "t", `"data":{"id":"t","_version":1,"place":null},"changed":[],"inserted":true`) + `,"at":"2026-01-02T03:04:08.000Z","op":"upserted"},` +
		event(4, "deleted", "s", `"data":{"id":"s","_version":2,"place":"y"}`) + `,"at":"2026-01-02T03:04:09.000Z","op":"deleted"}]`
	d.wantBody("changes _project", `{"position":"`+d.conn.Epoch()+`-0"}`, `{"status":"ok","data":`+want+`,"metadata":{"count":4,"position":"E-4"}}`)
	if body := d.body("changes _project", `{"position":"`+d.conn.Epoch()+`-1","limit":2}`); !strings.HasSuffix(body, `"metadata":{"count":2,"position":"`+d.conn.Epoch()+`-3"}}`) {
		d.Errorf("two changes: %s", body)
	}
	d.wantBody("changes _project", `{"position":"tail"}`, `{"status":"ok","data":[],"metadata":{"count":0,"position":"E-4"}}`)
	d.wantBody("changes _project", `{"position":"`+d.conn.Epoch()+`-4"}`, `{"status":"ok","data":[],"metadata":{"count":0,"position":"E-4"}}`)
	d.fails(fault.Gap, "changes _project", `{"position":"`+d.conn.Epoch()+`-5"}`)
	d.fails(fault.Gap, "changes _project", `{"position":"other-1"}`)
	d.fails(fault.InvalidRequest, "changes _project", `{"position":"x"}`)
	d.fails(fault.MissingParams, "changes _project", `{}`)
	d.fails(fault.InvalidRequest, "changes _project", `{"position":"tail","limit":0}`)
	// What is older than the log is a gap.
	if _, err := d.conn.Trim(d.Context(), time.UnixMilli(start).Add(time.Hour), 3); err != nil {
		d.Fatal(err)
	}
	d.fails(fault.Gap, "changes _project", `{"position":"`+d.conn.Epoch()+`-0"}`)
	if body := d.body("changes _project", `{"position":"`+d.conn.Epoch()+`-3"}`); !strings.Contains(body, `"count":1`) {
		d.Errorf("behind the trimmed ones: %s", body)
	}
}

func positions(d *db) {
	d.do("create Shelf", `{"data":{"id":"s"}}`)
	epoch := d.conn.Epoch()
	d.want("count Shelf", `{"minPosition":"`+epoch+`-1","options":null}`, `1`)
	d.fails(fault.Gap, "count Shelf", `{"minPosition":"other-1"}`)
	d.fails(fault.InvalidRequest, "count Shelf", `{"minPosition":"x"}`)
	// A read that asks for the next write waits for it.
	done := make(chan error, 1)
	go func() {
		r, err := d.call("count Shelf", `{"minPosition":"`+epoch+`-2"}`)
		if err == nil && member(string(r.Body), "data") != "2" {
			err = errors.New(string(r.Body))
		}
		done <- err
	}()
	d.do("create Shelf", `{"data":{"id":"t"}}`)
	if err := <-done; err != nil {
		d.Error(err)
	}
	if p, err := d.store.Position(d.Context()); err != nil || p.Seq != 2 || p.Epoch != epoch {
		d.Errorf("the position: %v %v", p, err)
	}
}

func stream(d *db) {
	people(d)
	read := func(args string) string {
		d.Helper()
		r, err := d.call("stream Author", args)
		if err != nil {
			d.Fatal(err)
		}
		defer func() { _ = r.Chunks.Close() }()
		var out strings.Builder
		for {
			b, err := r.Chunks.Next(d.Context())
			if err == io.EOF {
				return out.String()
			}
			if err != nil {
				d.Fatal(err)
			}
			out.Write(b)
		}
	}
	if got, want := read(`{"filter":{"age":20},"select":"name","sort":"-name"}`), `{"id":"p2","_version":1,"name":"b"}`+"\n"+`{"id":"p3","_version":1,"name":"C"}`+"\n"; got != want {
		d.Errorf("got %q, want %q", got, want)
	}
	if got := read(`{"filter":{"age":99}}`); got != "" {
		d.Errorf("got %q", got)
	}
	if got := read(`{"limit":2,"skip":1,"select":"id"}`); got != `{"id":"p2","_version":1}`+"\n"+`{"id":"p3","_version":1}`+"\n" {
		d.Errorf("got %q", got)
	}
	d.do("update Author", `{"id":"p1","data":{"agent":"p2"}}`)
	if got := read(`{"filter":{"id":"p1"},"select":"id","relations":"agent"}`); !strings.HasPrefix(got, `{"id":"p1","_version":2,"agent":{"id":"p2","_version":1,"name":"b",`) {
		d.Errorf("got %q", got)
	}
	d.fails(fault.InvalidFilter, "stream Author", `{"filter":{"nope":1}}`)
	d.fails(fault.InvalidRequest, "stream Author", `{"limit":-1}`)
}

// A stream is one state, however slowly it is read, and Close gives it back.
func streamClose(d *db) {
	text := strings.Repeat("x", 1000)
	for i := range 4 {
		var ops []string
		for j := range 500 {
			ops = append(ops, fmt.Sprintf(`{"op":"create","entity":"Shelf","data":{"id":"s%d-%03d","place":%q}}`, i, j, text))
		}
		d.do("transaction _project", `{"operations":[`+strings.Join(ops, ",")+`]}`)
	}
	r, err := d.call("stream Shelf", `{}`)
	if err != nil {
		d.Fatal(err)
	}
	b, err := r.Chunks.Next(d.Context())
	if err != nil || len(b) < 256<<10 || len(b) > 512<<10 {
		d.Fatalf("the first chunk has %d bytes: %v", len(b), err)
	}
	lines := strings.Count(string(b), "\n")
	d.do("deleteMany Shelf", `{"filter":{}}`)
	for {
		b, err := r.Chunks.Next(d.Context())
		if err != nil {
			if err != io.EOF {
				d.Error(err)
			}
			break
		}
		lines += strings.Count(string(b), "\n")
	}
	if lines != 2000 {
		d.Errorf("%d records, want 2000", lines)
	}
	if err := r.Chunks.Close(); err != nil {
		d.Error(err)
	}
	// Relations of a long stream are filled in batch by batch.
	var ops []string
	for j := range 500 {
		ops = append(ops, fmt.Sprintf(`{"op":"create","entity":"Book","data":{"title":"%d","author":{"$ref":0}}}`, j))
	}
	ops[0] = `{"op":"create","entity":"Author","data":{"name":"A"}}`
	d.do("transaction _project", `{"operations":[`+strings.Join(ops, ",")+`]}`, "transaction _project", `{"operations":[`+strings.Join(ops, ",")+`]}`)
	if r, err = d.call("stream Book", `{"relations":"author","sort":"-title"}`); err != nil {
		d.Fatal(err)
	}
	lines = 0
	for {
		b, err := r.Chunks.Next(d.Context())
		if err != nil {
			break
		}
		lines += strings.Count(string(b), `"author":{"id":"n`)
	}
	if err := r.Chunks.Close(); err != nil || lines != 998 {
		d.Errorf("%d records with their author, want 998: %v", lines, err)
	}
	for range 20 { // more than there are connections: each Close frees its own
		r, err := d.call("stream Author", `{}`)
		if err != nil {
			d.Fatal(err)
		}
		if err := r.Chunks.Close(); err != nil {
			d.Error(err)
		}
		if err := r.Chunks.Close(); err != nil {
			d.Error(err)
		}
	}
}
