package octomesh

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
)

// asked runs a command and returns what it printed.
func asked(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = Main(args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

const (
	schemasBefore = `[{"name":"User","collection":"users","fields":{"email":{"type":"string"},"n":{"type":"integer"}}}]`
	schemasAfter  = `[{"name":"User","collection":"users","fields":{"email":{"type":"string","unique":true},"age":{"type":"integer","required":true}}},{"name":"Q","collection":"qs"}]`
)

func TestSchemaDiff(t *testing.T) {
	dir := t.TempDir()
	before, after, bad := filepath.Join(dir, "before.json"), filepath.Join(dir, "after.json"), filepath.Join(dir, "bad.json")
	for file, text := range map[string]string{before: schemasBefore, after: schemasAfter, bad: `[{"name":"User","fields":{"a":"strin","b":7}}]`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	status, out, _ := asked(t, "schema", "diff", before, after)
	for _, want := range []string{"backfill     alterField           User.email  (unique: false -> true)", "destructive  removeField          User.n", "safe         addEntity            Q"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if status != exitOK {
		t.Error(status)
	}
	if status, out, _ = asked(t, "schema", "diff", before, before); status != exitOK || out != "no difference\n" {
		t.Error(status, out)
	}
	var list []schema.Difference
	status, out, errs := asked(t, "schema", "diff", "--json", "--fail-on", "destructive", before, after)
	if err := json.Unmarshal([]byte(out), &list); err != nil || status != exitFailed || len(list) != 4 || list[0].Class != schema.Backfill || !strings.Contains(errs, "1 lose") {
		t.Errorf("%d %v %+v %s", status, err, list, errs)
	}
	if status, out, _ = asked(t, "schema", "diff", "--json", before, before); status != exitOK || out != "[]\n" {
		t.Error(status, out)
	}
	if status, _, errs = asked(t, "schema", "diff", before, bad); status != exitFailed || !strings.Contains(errs, "fields.a") || !strings.Contains(errs, "fields.b") {
		t.Error(status, errs)
	}
	if status, _, errs = asked(t, "schema", "diff", before, filepath.Join(dir, "none.json")); status != exitFailed || !strings.Contains(errs, "none.json") {
		t.Error(status, errs)
	}
}

func TestSchemaPlan(t *testing.T) {
	dir := t.TempDir()
	file, base := filepath.Join(dir, "after.json"), filepath.Join(dir, "p.db")
	if err := os.WriteFile(file, []byte(schemasAfter), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--schemas", file, "--db-uri", base, "--data-dir", dir}
	plan := func(more ...string) (int, string, string) {
		return asked(t, append(append([]string{"schema", "plan"}, flags...), more...)...)
	}
	status, out, _ := plan()
	if status != exitOK || !strings.Contains(out, `CREATE TABLE "users"`) {
		t.Errorf("%d\n%s", status, out)
	}
	if _, err := os.Stat(base); err == nil {
		t.Error("the plan made the database")
	}
	cat, err := schema.Parse([]byte(schemasBefore))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := sqlite.Open(t.Context(), base, cat, sqlite.Options{Strategy: driver.Update}) // and it is being served
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var got []examined
	status, out, errs := plan("--json")
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != exitOK || len(got) != 1 || got[0].Project != "default" {
		t.Fatalf("%d %v %s %s", status, err, out, errs)
	}
	var classes []string
	for _, s := range got[0].Steps {
		classes = append(classes, s.Table+" "+s.Class.String())
	}
	if strings.Join(classes, ", ") != "users backfill, qs safe, users backfill" {
		t.Errorf("%q", classes)
	}
	if status, out, _ = asked(t, append([]string{"doctor", "--tables"}, flags...)...); status != exitOK || !strings.Contains(out, "default (sqlite): 3 steps to do, 0 misfits") {
		t.Error(status, out)
	}
	typed := strings.Replace(schemasAfter, `"email":{"type":"string"`, `"email":{"type":"integer"`, 1)
	if err := os.WriteFile(file, []byte(typed), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, errs = plan(); status != exitFailed || !strings.Contains(out, "table users, column email") || !strings.Contains(errs, "default") {
		t.Errorf("%d\n%s%s", status, out, errs)
	}
	if status, _, errs = plan("--project", "other"); status != exitFailed || !strings.Contains(errs, "other") {
		t.Error(status, errs)
	}
	if status, out, _ = plan("--db-dialect", "nonesuch"); status != exitFailed || !strings.Contains(out, "cannot be looked at") {
		t.Error(status, out)
	}
}
