package transporttest

import "github.com/octomesh/octomesh/pkg/mesh"

// oneCase is a request and the reply to it, both as they must arrive.
type oneCase struct {
	name            string
	project, entity string
	op              string
	args            string
	key             string
	reply           string
	position        mesh.Position
	replayed        bool
	version         int64
}

var at = mesh.Position{Epoch: "e1", Seq: 7}

// cases cover the fifteen ops, and what is easily lost on a wire.
var cases = []oneCase{
	{
		name: "findAll", entity: "Product", op: "findAll", args: `{"filter":{"price":{"$gte":10}},"sort":{"price":-1,"name":1},"limit":20,"skip":40,"select":["name","price"],"relations":["tags"]}`,
		reply: `{"status":"ok","data":[{"id":"1","_version":1,"name":"Chair"}],"metadata":{"count":1}}`,
	},
	{name: "findOne", entity: "Product", op: "findOne", args: `{"filter":{"name":"Chair"}}`, reply: `{"status":"ok","data":null}`},
	{name: "findById", entity: "Product", op: "findById", args: `{"id":"a:b~c@d.e-f_g"}`, reply: `{"status":"ok","data":{"id":"a:b~c@d.e-f_g","_version":3}}`, version: 3},
	{name: "count", entity: "Product", op: "count", args: `{"filter":{"active":true}}`, reply: `{"status":"ok","data":2,"metadata":{"total":2}}`},
	{name: "search", entity: "Product", op: "search", args: `{"query":"chär & co?=%","searchFields":["name"],"limit":5}`, reply: `{"status":"ok","data":[],"metadata":{"count":0}}`},
	{
		name: "aggregate", entity: "Product", op: "aggregate", args: `{"stages":[{"$group":{"_by":"role","n":{"$count":true}}},{"$sort":{"n":-1}}]}`,
		reply: `{"status":"ok","data":[{"role":null,"n":2}]}`,
	},
	{
		name: "create", entity: "Product", op: "create", args: `{"data":{"name":"Chair","note":null,"price":12.5}}`, key: "k-1",
		reply: `{"status":"ok","data":{"id":"1","_version":1,"name":"Chair","note":null,"price":12.5},"metadata":{"position":"e1-7"}}`, position: at, version: 1,
	},
	{name: "update", entity: "Product", op: "update", args: `{"id":"1","data":{"note":null}}`, reply: `{"status":"ok","data":{"id":"1","_version":2},"metadata":{"position":"e1-7"}}`, position: at, version: 2},
	{name: "delete", entity: "Product", op: "delete", args: `{"id":"1"}`, reply: `{"status":"ok","data":true,"metadata":{"position":"e1-7"}}`, position: at},
	{name: "upsert", entity: "Product", op: "upsert", args: `{"filter":{"sku":"x"},"data":{"name":"X"}}`, reply: `{"status":"ok","data":{"id":"1","_version":1},"metadata":{"position":"e1-7"}}`, position: at, version: 1},
	{name: "updateMany", entity: "Product", op: "updateMany", args: `{"filter":{},"data":{"active":false}}`, reply: `{"status":"ok","metadata":{"count":3,"position":"e1-7"}}`, position: at},
	{name: "deleteMany", entity: "Product", op: "deleteMany", args: `{"filter":{"active":false}}`, reply: `{"status":"ok","data":3,"metadata":{"count":3,"position":"e1-7"}}`, position: at},
	{name: "addToSet", entity: "Product", op: "addToSet", args: `{"id":"1","field":"tags","value":"new"}`, reply: `{"status":"ok","data":null}`},
	{name: "pull", entity: "Product", op: "pull", args: `{"id":"1","field":"tags","value":null}`, reply: `{"status":"ok","data":null}`},
	{name: "increment", entity: "Product", op: "increment", args: `{"id":"1","field":"stock","amount":-2.5}`, reply: `{"status":"ok","data":{"id":"1","_version":4},"metadata":{"position":"e1-7"}}`, position: at, version: 4},
	{
		name: "transaction", entity: mesh.ProjectEntity, op: "transaction", args: `{"operations":[{"op":"create","entity":"Product","data":{"name":"a"}},{"op":"delete","entity":"Product","id":{"$ref":0}}]}`,
		reply: `{"status":"ok","data":[{"id":"1"},true],"metadata":{"position":"e1-7"}}`, position: at,
	},
	{name: "a named project", project: "shop-2", entity: "Product", op: "findById", args: `{"id":"1"}`, reply: `{"status":"ok","data":null}`},
	{
		name: "unicode", entity: "Product", op: "create", args: `{"data":{"name":"é é 😀 \u2028 \"quoted\" \\ \/ \t <b>&amp;"}}`,
		reply: `{"status":"ok","data":{"id":"é","name":"é é 😀 \"quoted\" \\ <b>&"}}`,
	},
	{
		name: "numbers are exact", entity: "Product", op: "create", args: `{"data":{"a":9007199254740993,"b":0.1,"c":1e300,"d":-0.0,"e":123456789012345678901234567890.125}}`,
		reply: `{"status":"ok","data":{"id":"1","a":9007199254740993,"b":0.1,"c":1e+300,"e":123456789012345678901234567890.125}}`,
	},
	{
		name: "null is not absence", entity: "Product", op: "update", args: `{"id":"1","data":{"a":null,"b":[],"c":{},"d":"","e":false,"f":0}}`,
		reply: `{"status":"ok","data":{"id":"1","a":null,"b":[],"c":{},"d":"","e":false,"f":0}}`,
	},
	{name: "a replay is marked", entity: "Product", op: "create", args: `{"data":{}}`, key: "same-key", reply: `{"status":"ok","data":{"id":"1"},"metadata":{"position":"e1-7"}}`, position: at, replayed: true},
	{name: "the version expected", entity: "Product", op: "update", args: `{"id":"1","data":{"a":1},"expectedVersion":5}`, reply: `{"status":"ok","data":{"id":"1","_version":6}}`, version: 6},
	{name: "the position waited for", entity: "Product", op: "findById", args: `{"id":"1","minPosition":"e1-7"}`, reply: `{"status":"ok","data":null}`},
}
