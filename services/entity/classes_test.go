package entity

import (
	"context"
	"fmt"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/entity/projects"
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
		if got := fmt.Sprint(classes(nil, &mesh.Request{Entity: c.entity, Op: c.op, Args: []byte(c.args)}, false)); got != c.want {
			t.Errorf("%s %s asks for %s, want %s", c.op, c.args, got, c.want)
		}
	}
}

// Where the setting says so, deleteMany is for administrators, and no
// transaction leads around that.
func TestDeleteManyForAdministrators(t *testing.T) {
	for _, c := range []struct{ op, args, want string }{
		{"deleteMany", `{"filter":{}}`, "[write admin]"},
		{"updateMany", `{"filter":{}}`, "[write]"},
		{"delete", `{"id":"1"}`, "[write]"},
		{"transaction", `{"operations":[{"op":"create"},{"op":"deleteMany"}]}`, "[write admin]"},
		{"transaction", `{"operations":"[{\"op\":\"deleteMany\"}]"}`, "[write admin]"},
		{"transaction", `{"operations":[{"op":"create"},{"op":"delete"}]}`, "[write]"},
	} {
		entity := "Product"
		if c.op == "transaction" {
			entity = mesh.ProjectEntity
		}
		if got := fmt.Sprint(classes(nil, &mesh.Request{Entity: entity, Op: c.op, Args: []byte(c.args)}, true)); got != c.want {
			t.Errorf("%s %s asks for %s, want %s", c.op, c.args, got, c.want)
		}
	}
	all, writer := []string{"read", "write", "admin"}, []string{"read", "write"}
	for setting, want := range map[string]fault.Code{"": "", "write": "", "admin": fault.Forbidden} {
		s := &Service{config: Config{DeleteMany: setting}}
		call := s.authorized(&projects.Project{ID: "p", Slug: "p"})(mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
			return &mesh.Reply{}, nil
		}))
		for i, operations := range [][]string{all, writer} {
			who := &mesh.Principal{ID: "k:a", Kind: mesh.Key, Scopes: mesh.Scopes{"projects": {"*"}, "operations": operations, "transports": {"*"}}}
			_, err := call.Call(t.Context(), &mesh.Request{Entity: "Product", Op: "deleteMany", Header: mesh.Header{Transport: "rest"}, Principal: who})
			if got := fault.CodeOf(err); got != []fault.Code{"", want}[i] {
				t.Errorf("%q lets %v: %v", setting, operations, err)
			}
		}
	}
}
