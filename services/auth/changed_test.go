package auth_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/services/auth"
)

// TestChangesAreTold starts over other schemas: what touches stored records is
// in the log, and nothing is while they stay the same.
func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "schemas.json")
	write := func(text string) { check(t, os.WriteFile(file, []byte(text), 0o600)) }
	var log bytes.Buffer
	with := func(c *auth.Config, d *auth.Deps) {
		c.Schemas = file
		d.Log = slog.New(slog.NewJSONHandler(&log, nil))
	}
	const before = `[{"name":"A","collection":"as","fields":{"n":"number","s":"string"}}]`
	write(before)
	h := open(t, with)
	check(t, h.stop())
	write(" " + before)
	h.start(with)
	check(t, h.stop())
	if strings.Contains(log.String(), "schemas") {
		t.Errorf("equal schemas are told of:\n%s", log.String())
	}
	write(`[{"name":"A","collection":"as","fields":{"s":{"type":"string","unique":true},"t":"text"}}]`)
	h.start(with)
	check(t, h.stop())
	for _, want := range []string{
		`"project":"default","safe":1,"backfill":1,"destructive":1`,
		`"class":"backfill","change":"alterField","entity":"A","field":"s","detail":"unique: false -> true"`,
		`"class":"destructive","change":"removeField","entity":"A","field":"n"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is missing in\n%s", want, log.String())
		}
	}
}
