package projects_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/protofile/number"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/auth/projects"
	"github.com/octomesh/octomesh/services/auth/system"
)

func (o *office) numbers(slug string) map[string]int32 {
	o.t.Helper()
	b, m := &bucket{values: map[string]string{}}, &projects.Mirror{}
	check(o.t, o.list.Publish(o.t.Context(), b, m))
	var v struct {
		Numbers number.Numbers `json:"numbers"`
	}
	check(o.t, json.Unmarshal([]byte(b.values[slug]), &v))
	if v.Numbers["Note"] == nil {
		o.t.Fatalf("%s has no numbers: %s", slug, b.values[slug])
	}
	return v.Numbers["Note"].Fields
}

// Numbers outlive changes of the schemas, restarts, and the project's rest.
func TestNumbersStay(t *testing.T) {
	o := open(t)
	note := func(fields string) projects.Project {
		return want("shop", func(p *projects.Project) {
			p.Schemas = json.RawMessage(`[{"name":"Note","collection":"notes","fields":{` + fields + `}}]`)
		})
	}
	check(t, o.sync(note(`"text":"string"`)))
	check(t, o.sync(note(`"first":"string","text":"string"`)))
	o.load()
	check(t, o.sync())
	check(t, o.sync(note(`"first":"string","more":"number"`)))
	got := o.numbers("shop")
	for key, n := range map[string]int32{"id:string": 1, "text:string": 2, "_version:int64": 3, "first:string": 4, "more:double": 5} {
		if got[key] != n {
			t.Errorf("%s is %d, want %d", key, got[key], n)
		}
	}
}

// A system store of the time before there were numbers starts and gains them,
// with one write.
func TestNumbersOfAnOldStore(t *testing.T) {
	now, err := os.ReadFile("../system/schemas.json")
	check(t, err)
	var kept []string
	for _, line := range strings.Split(string(now), "\n") {
		if !strings.Contains(line, `"numbers"`) {
			kept = append(kept, line)
		} else {
			kept[len(kept)-1] = strings.TrimSuffix(kept[len(kept)-1], ",")
		}
	}
	old, err := schema.Parse([]byte(strings.Join(kept, "\n")))
	check(t, err)
	path := filepath.Join(t.TempDir(), "system.db")
	t.Run("before", func(t *testing.T) {
		o := openAt(t, path, old)
		_, err := o.store.Call(t.Context(), &mesh.Request{
			Project: "_system", Entity: system.Project, Op: "create", Principal: system.Principal,
			Args: []byte(`{"data":{"id":"p1","slug":"default","dialect":"sqlite","schemas":` + notes + `,"strategy":"update","source":"tree"}}`),
		}, nil)
		check(t, err)
	})
	cat, err := system.Catalog()
	check(t, err)
	o := openAt(t, path, cat)
	if o.id("default") != "p1" {
		t.Errorf("it is another project: %s", o.id("default"))
	}
	check(t, o.sync(want("default")))
	check(t, o.sync(want("default")))
	if o.writes != 1 || o.numbers("default")["text:string"] != 2 {
		t.Errorf("%d writes, %v", o.writes, o.numbers("default"))
	}
}
