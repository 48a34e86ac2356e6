package storetest

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
)

// t0 and t1 are the times of the first and the second request.
const (
	t0 = `"2026-01-02T03:04:05.000Z"`
	t1 = `"2026-01-02T03:04:06.000Z"`
	t2 = `"2026-01-02T03:04:07.000Z"`
)

func create(d *db) {
	d.wantBody("create Author", `{"data":{"id":"ada","name":"  Ada ","email":"ADA@X.org","age":36,"tags":["a","b"]}}`,
		`{"status":"ok","data":{"id":"ada","_version":1,"name":"Ada","email":"ada@x.org","age":36,"rank":"silver","tags":["a","b"],"agent":null,"books":[],"createdAt":`+t0+`,"updatedAt":`+t0+`},"metadata":{"position":"E-1"}}`)
	d.want("create Author", `{"data":{"name":"Bob","agent":"ada","rank":"gold"}}`,
		`{"id":"n1","_version":1,"name":"Bob","email":null,"age":null,"rank":"gold","tags":null,"agent":"ada","books":[],"createdAt":`+t1+`,"updatedAt":`+t1+`}`)
	// A record may refer to itself from the beginning.
	d.want("create Author", `{"data":{"id":"eve","name":"Eve","agent":"eve"},"select":["agent"]}`, `{"id":"eve","_version":1,"agent":"eve"}`)
	// What was written is what is read, by the entity's name and by its collection.
	d.wantBody("findById authors", `{"id":"ada"}`,
		`{"status":"ok","data":{"id":"ada","_version":1,"name":"Ada","email":"ada@x.org","age":36,"rank":"silver","tags":["a","b"],"agent":null,"books":[],"createdAt":`+t0+`,"updatedAt":`+t0+`}}`)
	d.wantBody("findById Author", `{"id":"nobody"}`, `{"status":"ok","data":null}`)
	d.wantBody("findOne Author", `{"filter":{"name":"nobody"}}`, `{"status":"ok","data":null}`)
	d.want("findOne Author", `{"filter":{"name":"Bob"},"select":"name"}`, `{"id":"n1","_version":1,"name":"Bob"}`)
	if r, err := d.call("findById Author", `{"id":"ada"}`); err != nil || r.Version != 1 || !r.Position.IsZero() {
		d.Errorf("the reply to a read: version %d, position %s", r.Version, r.Position)
	}
	r, err := d.call("create Author", `{"data":{"name":"Cy"}}`)
	if err != nil || r.Version != 1 || r.Position.Seq != 4 || r.Position.Epoch != d.conn.Epoch() {
		d.Errorf("the reply to a write: version %d, position %s, %v", r.Version, r.Position, err)
	}
	if d.rings.Load() != 4 {
		d.Errorf("the doorbell rang for %d, want 4", d.rings.Load())
	}
	f := d.refusal(fault.Conflict, "create Author", `{"data":{"name":"Dan","email":"ada@x.ORG"}}`)
	if f.Details == nil {
		d.Error("a taken unique value: no details")
	}
	d.fails(fault.Conflict, "create Author", `{"data":{"id":"ada","name":"Dan"}}`)
	d.wantLog(0, "created Author ada 1", "created Author n1 1", "created Author eve 1", "created Author n2 1")
}

func ids(d *db) {
	for _, id := range []string{"a", "0", "A.b_c~d:e@f-g", "9007199254740993", strings.Repeat("x", 128)} {
		d.want("create Genre", `{"data":{"id":"`+id+`"},"select":"id"}`, `{"id":"`+id+`","_version":1}`)
		d.want("findById Genre", `{"id":"`+id+`","select":"id"}`, `{"id":"`+id+`","_version":1}`)
	}
	d.wantIDs("findAll Genre", `{"filter":{"id":"A.b_c~d:e@f-g"}}`, "A.b_c~d:e@f-g")
	d.want("create Genre", `{"data":{"id":null,"name":"x"},"select":"id"}`, `{"id":"n1","_version":1}`)
	d.want("create Genre", `{"data":{"id":""},"select":"id"}`, `{"id":"n2","_version":1}`)
	for _, id := range []string{".", "..", "count", "one", "search", "bulk", "upsert", "aggregate", "stream", "a b", "a/b", "../x", "é", "*", ">", "a\\u000ab", "'; --", strings.Repeat("x", 129)} {
		d.fails(fault.ValidationError, "create Genre", `{"data":{"id":"`+id+`"}}`)
		d.fails(fault.InvalidRequest, "findById Genre", `{"id":"`+id+`"}`)
		d.fails(fault.InvalidRequest, "delete Genre", `{"id":"`+id+`"}`)
	}
	d.fails(fault.InvalidRequest, "findById Genre", `{"id":7}`)
	d.fails(fault.MissingID, "findById Genre", `{"id":""}`)
	d.fails(fault.ValidationError, "create Genre", `{"data":{"id":7}}`)
}

func types(d *db) {
	d.want("create Kind", `{"data":{"id":"k","s":"x","t":"long","n":1.5,"b":false,"d":"2020-02-29T12:00:00.1239+02:00","j":{"b":[1,{"c":null}],"a":1.50},
		"a":[1,"two",null],"i":-7,"c":12.340,"f":1e-9,"o":"507f1f77bcf86cd799439011","e":"y","y":"AQID","lines":[{"sku":"p"}]}}`,
		`{"id":"k","_version":1,"s":"x","t":"long","n":1.5,"b":false,"d":"2020-02-29T10:00:00.123Z","j":{"b":[1,{"c":null}],"a":1.50},"a":[1,"two",null],"i":-7,"c":12.34,"f":1e-9,"o":"507f1f77bcf86cd799439011","e":"y","y":"AQID","lines":[{"sku":"p","n":1}],"made":`+t0+`}`)
	d.want("findById Kind", `{"id":"k"}`,
		`{"id":"k","_version":1,"s":"x","t":"long","n":1.5,"b":false,"d":"2020-02-29T10:00:00.123Z","j":{"b":[1,{"c":null}],"a":1.50},"a":[1,"two",null],"i":-7,"c":12.34,"f":1e-9,"o":"507f1f77bcf86cd799439011","e":"y","y":"AQID","lines":[{"sku":"p","n":1}],"made":`+t0+`}`)
	d.want("create Kind", `{"data":{"id":"plain","d":"2020-01-01","made":null},"select":"d,made"}`,
		`{"id":"plain","_version":1,"d":"2020-01-01T00:00:00.000Z","made":null}`)
	for _, bad := range []string{
		`"s":1`, `"n":"1"`, `"b":"true"`, `"b":1`, `"d":"yesterday"`, `"d":1`, `"d":"2020-02-30"`, `"a":{}`, `"a":"x"`, `"i":1.5`, `"i":"x"`, `"c":"1/2"`,
		`"e":"z"`, `"y":"%%"`, `"n":1e999`, `"s":{"$ref":0}`, `"o":"a b"`,
	} {
		d.fails(fault.ValidationError, "create Kind", `{"data":{`+bad+`}}`)
	}
	d.want("count Kind", `{}`, `2`)
}

func bigNumbers(d *db) {
	for id, v := range map[string]string{
		"a": `"i":9007199254740993`, "b": `"i":-9223372036854775808`, "c": `"i":9223372036854775807`,
		"d": `"c":12345678901234567890.123456789`, "e": `"c":-0.000000000000000001`, "f": `"n":5e-324`, "g": `"n":1.7976931348623157e+308`,
		"h": `"n":0.1`, "i": `"n":1e+21`, "j": `"n":9007199254740992`,
	} {
		name := v[1:2]
		d.want("create Kind", `{"data":{"id":"`+id+`",`+v+`},"select":"`+name+`"}`, `{"id":"`+id+`","_version":1,`+v+`}`)
		d.want("findById Kind", `{"id":"`+id+`","select":"`+name+`"}`, `{"id":"`+id+`","_version":1,`+v+`}`)
		d.wantIDs("findAll Kind", `{"filter":{`+v+`}}`, id)
	}
	d.want("create Kind", `{"data":{"id":"z","n":-0.0,"i":1e3,"c":"1.0"},"select":"n,i,c"}`, `{"id":"z","_version":1,"n":0,"i":1000,"c":1}`)
	d.wantIDs("findAll Kind", `{"filter":{"i":{"$gt":9007199254740992}},"sort":"i"}`, "a c")
	d.fails(fault.ValidationError, "create Kind", `{"data":{"i":9223372036854775808}}`)
	d.fails(fault.ValidationError, "create Kind", `{"data":{"c":`+strings.Repeat("9", 40)+`}}`)
}

func texts(d *db) {
	long := 100_000
	if n := d.h.LongText; n > 0 {
		long = n / 2 // the change log holds all of the record
		d.fails(fault.ValidationError, "create Kind", `{"data":{"s":"`+strings.Repeat("x", n+1)+`"}}`)
	}
	for id, text := range map[string]string{
		"empty": ``, "space": ` `, "emoji": `😀👩‍👩‍👧`, "nfc": "\u00e9", "nfd": "e\u0301", "quote": `\"'\\`, "lines": `a\nb\tc\r`, "control": `\u0001\u001f`,
		"sql": `'); DROP TABLE authors; --`, "percent": `100%_`, "html": `<b>&amp;</b>`, "long": strings.Repeat("x", long), "sep": "\u2028",
	} {
		d.want("create Kind", `{"data":{"id":"`+id+`","s":"`+text+`"},"select":"s"}`, `{"id":"`+id+`","_version":1,"s":"`+text+`"}`)
		d.want("findById Kind", `{"id":"`+id+`","select":"s"}`, `{"id":"`+id+`","_version":1,"s":"`+text+`"}`)
		d.wantIDs("findAll Kind", `{"filter":{"s":"`+text+`"}}`, id)
	}
	d.want("create Kind", `{"data":{"id":"escaped","s":"\u00e9\/\ud83d\ude00"},"select":"s"}`, `{"id":"escaped","_version":1,"s":"é/😀"}`)
}

func embedded(d *db) {
	d.want("create Kind", `{"data":{"id":"a","lines":[{"n":2,"sku":"x"},{"sku":"y"}]},"select":"lines"}`,
		`{"id":"a","_version":1,"lines":[{"n":2,"sku":"x"},{"sku":"y","n":1}]}`)
	for _, bad := range []string{`[{}]`, `[{"sku":1}]`, `[{"sku":"x","n":0}]`, `[{"sku":"x","other":1}]`, `["x"]`, `{"sku":"x"}`} {
		d.fails(fault.ValidationError, "update Kind", `{"id":"a","data":{"lines":`+bad+`}}`)
	}
	d.want("addToSet Kind", `{"id":"a","field":"lines","value":{"sku":"y"},"select":"lines"}`, `{"id":"a","_version":1,"lines":[{"n":2,"sku":"x"},{"sku":"y","n":1}]}`)
	d.want("pull Kind", `{"id":"a","field":"lines","value":{"sku":"y"},"select":"lines"}`, `{"id":"a","_version":2,"lines":[{"n":2,"sku":"x"}]}`)
}

func validation(d *db) {
	f := d.refusal(fault.ValidationError, "create Author", `{"data":{"email":"no at","age":200,"rank":"lead","tags":[1],"nope":1,"books":["b"]}}`)
	want := "email age rank tags nope books"
	if got := problemFields(f); got != want {
		d.Errorf("details name [%s], want [%s]", got, want)
	}
	// What is required is asked for when everything else fits.
	if got := problemFields(d.refusal(fault.ValidationError, "create Author", `{"data":{}}`)); got != "name" {
		d.Errorf("details name [%s], want [name]", got)
	}
	d.fails(fault.ValidationError, "create Author", `{"data":{"name":null}}`)
	d.fails(fault.ValidationError, "create Author", `{"data":{"name":"`+strings.Repeat("é", 21)+`"}}`)
	d.fails(fault.ValidationError, "create Author", `{"data":{"name":"x","agent":"nobody"}}`)
	d.fails(fault.ValidationError, "create Author", `{"data":{"name":"x","agent":["a"]}}`)
	d.fails(fault.ValidationError, "create Author", `{"data":{"name":"x","deletedAt":null}}`)
	d.fails(fault.ValidationError, "create Author", `{"data":{"name":"x","agent":{"$ref":0}}}`)
	d.fails(fault.ValidationError, "create Review", `{"data":{"stars":1}}`)
	d.want("create Author", `{"data":{"id":"a","name":"`+strings.Repeat("é", 20)+`","age":0,"agent":""},"select":"agent"}`, `{"id":"a","_version":1,"agent":null}`)
	d.fails(fault.ValidationError, "update Author", `{"id":"a","data":{"name":null}}`)
	d.fails(fault.ValidationError, "update Author", `{"id":"a","data":{"age":-1}}`)
	d.fails(fault.ValidationError, "updateMany Author", `{"filter":{},"data":{"rank":"lead"}}`)
	d.fails(fault.ValidationError, "upsert Author", `{"filter":{"rank":"lead"},"data":{"name":"x"}}`)
	d.wantLog(0, "created Author a 1")
}
