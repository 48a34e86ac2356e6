package storetest

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
)

// exported returns the lines of an export.
func (d *db) exported() []string {
	d.Helper()
	r, err := d.call("export _project", `{}`)
	if err != nil {
		d.Fatal(err)
	}
	defer r.Chunks.Close()
	var all []byte
	for {
		b, err := r.Chunks.Next(d.Context())
		if errors.Is(err, io.EOF) {
			return strings.Split(strings.TrimSuffix(string(all), "\n"), "\n")
		}
		if err != nil {
			d.Fatal(err)
		}
		all = append(all, b...)
	}
}

// An export is parents first, by id, without versions and what is hidden; what
// was exported and restored elsewhere exports to the same bytes.
func exportRestore(d *db) {
	d.do(
		"create Author", `{"data":{"id":"z","name":"Zoë","pin":"1234","tags":["x"]}}`,
		"create Author", `{"data":{"id":"a","name":"Ada","agent":"z","age":36}}`,
		"create Genre", `{"data":{"id":"g2","name":"Drama"}}`,
		"create Genre", `{"data":{"id":"g1","name":"Crime"}}`,
		"create Book", `{"data":{"id":"b","title":"T","author":"a","genres":["g2","g1"]}}`,
		"create Note", `{"data":{"id":"n","text":"gone"}}`,
		"create Note", `{"data":{"id":"m","parent":"n"}}`,
		"delete Note", `{"id":"m"}`,
		"create Cat", `{"data":{"id":"tom","name":"Tom"}}`,
		"update Author", `{"id":"a","data":{"age":37}}`,
	)
	want := []string{
		`{"entity":"Author","data":{"id":"a","name":"Ada","email":null,"age":37,"rank":"silver","tags":null,"agent":"z","createdAt":"2026-01-02T03:04:06.000Z","updatedAt":"2026-01-02T03:04:14.000Z"}}`,
		`{"entity":"Author","data":{"id":"z","name":"Zoë","email":null,"age":null,"rank":"silver","tags":["x"],"agent":null,"createdAt":"2026-01-02T03:04:05.000Z","updatedAt":"2026-01-02T03:04:05.000Z"}}`,
		`{"entity":"Genre","data":{"id":"g1","name":"Crime"}}`,
		`{"entity":"Genre","data":{"id":"g2","name":"Drama"}}`,
		`{"entity":"Book","data":{"id":"b","title":"T","pages":null,"price":null,"author":"a","editor":null,"publisher":null,"shelf":null,"genres":["g1","g2"]}}`,
		`{"entity":"Note","data":{"id":"m","text":null,"code":null,"parent":"n","on":null,"createdAt":"2026-01-02T03:04:11.000Z","updatedAt":"2026-01-02T03:04:11.000Z","deletedAt":"2026-01-02T03:04:12.000Z"}}`,
		`{"entity":"Note","data":{"id":"n","text":"gone","code":null,"parent":null,"on":null,"createdAt":"2026-01-02T03:04:10.000Z","updatedAt":"2026-01-02T03:04:10.000Z","deletedAt":null}}`,
		`{"entity":"Cat","data":{"id":"tom","name":"Tom","lives":9}}`,
	}
	lines := d.exported()
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		d.Errorf("exported\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}

	other := open(d.T, d.h, library)
	args := `{"records":[` + strings.Join(lines, ",") + `]}`
	missing := `{"count":8,"missing":[{"index":0,"field":"agent","target":"z"},{"index":5,"field":"parent","target":"n"}]}`
	other.want("restore _project", args, missing)
	other.want("restore _project", args, `{"count":8,"missing":[]}`)
	if got := strings.Join(other.exported(), "\n"); got != strings.Join(want, "\n") {
		d.Errorf("after restoring, exported\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	other.wantIDs("findAll Note", `{}`, "n")
	// The second time only what was left out changed anything.
	other.wantLog(0, "upserted Author a 1", "upserted Author z 1", "upserted Genre g1 1", "upserted Genre g2 1", "upserted Book b 1",
		"upserted Note m 1", "upserted Note n 1", "upserted Cat tom 1", "upserted Author a 2", "upserted Note m 2")

	seq := other.seq()
	for line, code := range map[string]fault.Code{
		`{"entity":"Nobody","data":{"id":"x"}}`:                     fault.UnknownEntity,
		`{"entity":"Genre","data":{"name":"x"}}`:                    fault.MissingID,
		`{"entity":"Genre","data":{"id":"x","nope":1}}`:             fault.ValidationError,
		`{"entity":"Genre","data":{"id":"../x"}}`:                   fault.ValidationError,
		`{"entity":"Review","data":{"id":"x","book":"nobody"}}`:     fault.ValidationError,
		`{"entity":"Dog","data":{"id":"tom"}}`:                      fault.Conflict,
		`{"entity":"Genre"}`:                                        fault.InvalidRequest,
		`{"entity":"Genre","data":{"id":"x"},"more":1}`:             fault.InvalidRequest,
		`{"entity":"_project","data":{"id":"x"}}`:                   fault.UnknownOp,
		`{"entity":"Author","data":{"id":"x","name":"X","age":-1}}`: fault.ValidationError,
	} {
		other.fails(code, "restore _project", fmt.Sprintf(`{"records":[{"entity":"Genre","data":{"id":"fine","name":"f"}},%s]}`, line))
	}
	other.fails(fault.MissingParams, "restore _project", `{}`)
	other.fails(fault.InvalidRequest, "restore _project", `{"records":[]}`)
	if other.seq() != seq {
		d.Error("a refused restore left something behind")
	}
	other.key = "once"
	one := `{"records":[{"entity":"Genre","data":{"id":"new","name":"N"}}]}`
	first := other.body("restore _project", one)
	if again := other.body("restore _project", one); again != first {
		d.Errorf("the replay is %s, was %s", again, first)
	}
}
