package jsonrpc

import (
	"encoding/json"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/openapi"
	"github.com/octomesh/octomesh/services/gateway-http/procedure"
)

// discover is the method that describes the others (OpenRPC, section Service
// Discovery Method).
const discover = "rpc.discover"

// openRPC is the version of the specification that descriptions follow.
const openRPC = "1.3.2"

// list serves GET /rpc: {"jsonrpc":"2.0","methods":[names]}, Octonet's list, of
// what the caller may use.
func (t *JSONRPC) list(x *httpserver.Exchange) {
	x.Op = "list"
	var desk procedure.Desk
	if err := desk.Open(t.door, x, false); err != nil {
		e := x.Coded(err)
		x.JSON(e.Code.HTTP(), appendError(nil, x, nil, 0, e))
		return
	}
	body, tag := t.artefacts.Of("list", desk.Project, desk.View(), func() []byte {
		b := append([]byte(`{"jsonrpc":"2.0","methods":["`), discover+`"`...)
		procedure.Procedures(desk.Project, desk.View(), func(e *schema.Entity, op *mesh.Op) {
			b = schema.AppendString(append(b, ','), procedure.NameOf(e, op))
		})
		return append(b, "]}"...)
	})
	door.Describe(x, "application/json", body, tag)
}

// discover replies with the description.
func (t *JSONRPC) discover(x *httpserver.Exchange, desk *procedure.Desk, id []byte) {
	x.JSON(fasthttp.StatusOK, described(id, t.document(desk)))
}

// document is the description for the caller, which nobody may change.
func (t *JSONRPC) document(desk *procedure.Desk) []byte {
	body, _ := t.artefacts.Of(discover, desk.Project, desk.View(), func() []byte { return describe(desk.Project, desk.View()) })
	return body
}

// described is the response object that holds a document.
func described(id, document []byte) []byte {
	b := append(make([]byte, 0, len(document)+len(id)+40), `{"jsonrpc":"2.0","id":`...)
	b = append(b, id...)
	b = append(append(b, `,"result":`...), document...)
	return append(b, '}')
}

// object is a JSON object; encoding/json sorts its members, so a description is
// the same bytes each time.
type object = map[string]any

// describe makes the OpenRPC document of a project in a view.
func describe(p *gateway.Project, v mesh.View) []byte {
	d := &description{descriptors: object{}}
	d.methods = []object{{
		"name": discover, "summary": "This description", "params": []object{}, "paramStructure": "by-name",
		"result": object{"name": "document", "schema": object{"$ref": "https://raw.githubusercontent.com/open-rpc/meta-schema/master/schema.json"}},
	}}
	components := object{"errors": failures(), "contentDescriptors": d.descriptors}
	if v.Any() {
		schemas := openapi.Schemas(p, v)
		schemas["Metadata"] = object{"type": "object", "properties": object{"count": whole, "total": whole, "next": text, "cursors": object{"type": "array", "items": text}, "position": text}}
		components["schemas"] = schemas
		procedure.Procedures(p, v, d.method)
	}
	b, err := json.Marshal(object{
		"openrpc": openRPC,
		"info": object{
			"title": "Octomesh: " + p.Slug, "version": p.Version, "license": object{"name": "Apache-2.0"},
			"description": "Entities over JSON-RPC. A result is {data, metadata}; the data of an error is {code, message, details, requestId}.",
		},
		"methods": d.methods, "components": components,
	})
	if err != nil { // it is made of what can be encoded
		panic(err)
	}
	return b
}

// description is one that is being made.
type description struct {
	methods     []object
	descriptors object
}

func (d *description) method(e *schema.Entity, op *mesh.Op) {
	params := []object{}
	for _, name := range procedure.Members(op) {
		params = append(params, d.param(e, op, name))
	}
	m := object{
		"name": procedure.NameOf(e, op), "summary": procedure.Summary(op), "paramStructure": "by-name", "params": params,
		"result": object{"name": "result", "schema": result(e, op)}, "errors": d.failures(op),
	}
	if e != nil {
		m["tags"] = []object{{"name": e.Name}}
	} else {
		m["tags"] = []object{{"name": "project"}}
	}
	d.methods = append(d.methods, m)
}

// param is a reference to a content descriptor, which methods share unless it
// speaks of an entity.
func (d *description) param(e *schema.Entity, op *mesh.Op, name string) object {
	key, s := name, params[name]
	if name == "data" && e != nil {
		kind := "Patch"
		if op.Name == "create" {
			kind = "Input"
		}
		key, s = e.Name+kind, ref("schemas", e.Name+kind)
	}
	needed := procedure.Needs(op, name)
	if needed {
		key += ".required"
	}
	d.descriptors[key] = object{"name": name, "required": needed, "schema": s}
	return ref("contentDescriptors", key)
}

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

var (
	text  = object{"type": "string"}
	whole = object{"type": "integer", "minimum": 0}
	names = object{"oneOf": []object{{"type": "array", "items": object{"type": "string"}}, {"type": "string", "description": "Names between commas."}}}
)

var params = map[string]object{
	"filter": {"type": "object", "description": `The filter language of docs/query.md, for example {"price":{"$gte":30}}.`},
	"sort":   {"oneOf": []object{{"type": "object", "additionalProperties": object{"enum": []int{1, -1}}}, {"type": "string"}, {"type": "array"}}},
	"limit":  {"type": "integer", "minimum": 0, "description": "Records in a page; 100 unless given, 1000 at most."},
	"skip":   whole, "cursor": text, "cursors": {"type": "boolean", "description": "Ask for metadata.cursors, one behind each record."}, "count": {"type": "boolean", "description": "Ask for metadata.total."},
	"select": names, "exclude": names, "relations": names, "searchFields": names,
	"includeDeleted": {"type": "boolean"}, "minPosition": {"type": "string", "description": "Wait until the reader has come to this position."},
	"id": {"type": "string", "pattern": "^[A-Za-z0-9._~:@-]{1,128}$"}, "query": text, "field": text, "value": {}, "amount": {"type": "number"},
	"data": {"type": "object"}, "stages": {"type": "array", "items": object{"type": "object"}}, "expectedVersion": {"type": "integer", "minimum": 1},
	"idempotencyKey": {"type": "string", "minLength": 1, "maxLength": 128, "description": "Repeating a write with the same key gives the first reply again."},
	"operations":     {"type": "array", "items": object{"type": "object", "required": []string{"op", "entity"}}},
	"position":       text, "records": {"type": "array", "items": object{"type": "object", "required": []string{"entity", "data"}}},
}

// result is the schema of {data, metadata}.
func result(e *schema.Entity, op *mesh.Op) object {
	var data object
	switch op.Name {
	case "findAll", "search", "stream":
		data = object{"type": "array", "items": ref("schemas", e.Name)}
	case "findOne", "findById", "update", "addToSet", "pull", "increment":
		data = object{"oneOf": []object{ref("schemas", e.Name), {"type": "null"}}}
	case "create", "upsert":
		data = ref("schemas", e.Name)
	case "count", "deleteMany":
		data = object{"type": "integer"}
	case "delete":
		data = object{"type": "boolean"}
	default:
		data = object{}
	}
	return object{"type": "object", "properties": object{"data": data, "metadata": ref("schemas", "Metadata")}}
}

// failures refers to the errors that are worth a client's while, of the
// operation's class; components have one for each number.
func (d *description) failures(op *mesh.Op) []object {
	codes := []fault.Code{fault.InvalidRequest, fault.Unauthorized, fault.Forbidden, fault.RateLimited, fault.Overloaded}
	if op.Class != mesh.Read {
		codes = append(codes, fault.ValidationError, fault.Conflict)
	}
	list := make([]object, len(codes))
	for i, c := range codes {
		list[i] = ref("errors", string(c))
	}
	return list
}

// failures are the errors of calls, one for each number.
func failures() object {
	seen, all := map[int]bool{}, object{}
	for _, i := range fault.Table {
		if !seen[i.JSONRPC] {
			seen[i.JSONRPC] = true
			all[string(i.Code)] = object{"code": i.JSONRPC, "message": i.Meaning}
		}
	}
	return all
}
