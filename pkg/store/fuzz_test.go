package store_test

import (
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// FuzzCall sends arbitrary request objects through every op: whatever comes, the
// answer is JSON or a coded refusal that is not our fault.
func FuzzCall(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"id":"a"}`, `{"filter":{"n":1}}`, `{"data":{"n":1,"s":"x","self":"a","many":["a"],"list":[1]}}`, `{"id":"a","data":{"n":null}}`,
		`{"filter":{"$or":[{"s":{"$regex":"^a"}},{"n":{"$in":[1,2]}}]},"sort":"-n,s","limit":2,"skip":1,"select":"n","relations":["self.many"],"count":true}`,
		`{"query":"x","searchFields":["s"]}`, `{"stages":[{"$group":{"_by":"s","n":{"$sum":"n"}}}]}`, `{"id":"a","field":"list","value":{"x":[1]}}`,
		`{"id":"a","field":"n","amount":1e300}`, `{"operations":[{"op":"create","entity":"E","data":{}},{"op":"update","entity":"E","id":{"$ref":0},"data":{"self":{"$ref":0}}}]}`,
		`{"position":"tail"}`, `{"options":{"cursor":"AQAA"}}`, `{"filter":"{\"n\":1}","data":"{}"}`,
	} {
		for op := range mesh.Ops {
			f.Add(uint8(op), []byte(seed))
		}
	}
	s := storeOf(f, `[{"name":"E","collection":"es","softDelete":true,"timestamps":true,"fields":{"n":"number","s":{"type":"string","unique":true},"i":"integer","list":"array","j":"json"},
		"relations":{"self":{"type":"many-to-one","target":"E","onDelete":"cascade"},"many":{"type":"many-to-many","target":"E"},"back":{"type":"one-to-many","target":"E","mappedBy":"self"}}}]`)
	f.Fuzz(func(t *testing.T, op uint8, args []byte) {
		o := mesh.Ops[int(op)%len(mesh.Ops)]
		entity := "E"
		if o.Project {
			entity = mesh.ProjectEntity
		}
		r, err := s.Call(t.Context(), &mesh.Request{Project: "p", Entity: entity, Op: o.Name, Args: args}, nil)
		switch {
		case err != nil:
			if code := fault.CodeOf(err); code.HTTP() >= 500 {
				t.Errorf("%s %q: %v", o.Name, args, err)
			}
		case r.Chunks != nil:
			if err := r.Chunks.Close(); err != nil {
				t.Error(err)
			}
		default:
			if err := strictjson.Check(r.Body, 40); err != nil {
				t.Errorf("%s %q: the reply is no JSON: %v\n%s", o.Name, args, err, r.Body)
			}
		}
	})
}
