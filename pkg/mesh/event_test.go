package mesh_test

import (
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
)

func TestAppendEvent(t *testing.T) {
	at := time.UnixMilli(1_790_000_000_123).UTC()
	for name, tc := range map[string]struct {
		change mesh.Change
		limit  int
		want   string
	}{
		"created": {
			change: mesh.Change{Seq: 7, Entity: "Article", ID: "a1", Verb: mesh.Created, After: []byte(`{"id":"a1","_version":1}`), At: at},
			want: `{"type":"event","event":"entity.created","project":"p","entity":"Article","id":"a1","data":{"id":"a1","_version":1},` +
				`"position":"e1-7","at":"2026-09-21T14:13:20.123Z","op":"created"}`,
		},
		"upserted": {
			change: mesh.Change{Seq: 8, Entity: "Article", ID: "a\"1", Verb: mesh.Upserted, After: []byte(`{}`), Old: []byte(`{"n":1}`), Changed: []string{"n"}, At: at},
			want: `{"type":"event","event":"entity.upserted","project":"p","entity":"Article","id":"a\"1","data":{},"changed":["n"],"inserted":false,` +
				`"position":"e1-8","at":"2026-09-21T14:13:20.123Z","op":"upserted","old":{"n":1}}`,
		},
		"truncated": {
			change: mesh.Change{Seq: 9, Entity: "Article", ID: "a1", Verb: mesh.Updated, After: []byte(`{"text":"long"}`), Old: []byte(`{"text":"l"}`), Changed: []string{"text"}, At: at},
			limit:  100,
			want: `{"type":"event","event":"entity.updated","project":"p","entity":"Article","id":"a1","truncated":true,"changed":["text"],` +
				`"position":"e1-9","at":"2026-09-21T14:13:20.123Z","op":"updated"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.change.AppendEvent(nil, "p", "e1", tc.limit)
			if string(got) != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
