package gateway_test

import (
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
)

func TestBeside(t *testing.T) {
	for _, c := range []struct{ args, op, position, tag, want string }{
		{`{}`, "update", "", "", `{}`},
		{`{}`, "update", "e-7", `"3"`, `{"minPosition":"e-7","expectedVersion":3}`},
		{"{ }\n", "update", "e-7", "", `{ "minPosition":"e-7"}`},
		{"{\n}", "delete", "", `W/"3"`, "{\n\"expectedVersion\":3}"},
		{`{"id":"{" } `, "update", "e-7", `"3"`, `{"id":"{" ,"minPosition":"e-7","expectedVersion":3}`},
		{`{"minPosition":"e-8"}`, "update", "e-7", "", `{"minPosition":"e-8"}`},
		{`{"expectedVersion":1}`, "update", "e-7", `"3"`, `{"expectedVersion":1,"minPosition":"e-7"}`},
		{`{}`, "count", "", `"3"`, "INVALID_REQUEST"},
		{`{}`, "update", "", `3`, "INVALID_REQUEST"},
		{`{}`, "update", "", `"abc"`, "CONFLICT"},
		{`{}`, "update", "", `"0"`, "CONFLICT"},
		{`{}`, "update", "nowhere", "", "INVALID_REQUEST"},
		{`[]`, "update", "e-7", "", "INVALID_REQUEST"},
	} {
		received := []byte(c.args + "after")
		got, err := gateway.Beside(received[:len(c.args)], c.op, c.position, c.tag)
		if err != nil {
			got = []byte(fault.CodeOf(err))
		}
		if string(got) != c.want || string(received) != c.args+"after" {
			t.Errorf("%q %s %s: %q, want %q (%q)", c.args, c.position, c.tag, got, c.want, received)
		}
	}
}
