package entity

import (
	"fmt"
	"testing"

	"github.com/octomesh/octomesh/pkg/mesh"
)

// A transaction needs the class of every operation in it: else a key that may
// only write could read through one.
func TestClassesOfATransaction(t *testing.T) {
	for _, c := range []struct{ entity, op, args, want string }{
		{"Product", "findAll", `{}`, "[read]"},
		{"Product", "deleteMany", `{}`, "[write]"},
		{"Product", "nothing", `{}`, "[read]"},
		{"_project", "export", `{}`, "[admin]"},
		{"_project", "transaction", `{"operations":[{"op":"create"},{"op":"delete"}]}`, "[write]"},
		{"_project", "transaction", `{"operations":[{"op":"create"},{"op":"findAll"}]}`, "[write read]"},
		{"_project", "transaction", `{"operations":"[{\"op\":\"count\"}]"}`, "[write read]"},
		{"_project", "transaction", `{"operations":[{"op":"restore"}]}`, "[write]"}, // no operation of a transaction
		{"_project", "transaction", `{"operations":7}`, "[write]"},
		{"_project", "transaction", `{`, "[write]"},
		{"_project", "transaction", ``, "[write]"},
	} {
		if got := fmt.Sprint(classes(&mesh.Request{Entity: c.entity, Op: c.op, Args: []byte(c.args)})); got != c.want {
			t.Errorf("%s %s asks for %s, want %s", c.op, c.args, got, c.want)
		}
	}
}
