package openapi

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// description is one that is being made.
type description struct {
	project *gateway.Project
	view    mesh.View
	prefix  string // of the project's paths, "" for the default project
	paths   object
	schemas object
}

// operation adds one operation. ok is the response of success.
func (d *description) operation(path, method, id, tag, summary string, status int, ok object, more object) {
	responses := object{strconv.Itoa(status): ok}
	for _, s := range statuses {
		responses[strconv.Itoa(s)] = object{"$ref": "#/components/responses/" + failureName(s)}
	}
	op := object{"operationId": id, "tags": []string{tag}, "summary": summary, "responses": responses}
	for k, v := range more {
		op[k] = v
	}
	item, found := d.paths[path].(object)
	if !found {
		item = object{}
		d.paths[path] = item
	}
	item[method] = op
}

func body(schema object) object {
	return object{"required": true, "content": object{"application/json": object{"schema": schema}}}
}

func reply(description string, data object, headers ...string) object {
	r := object{"description": description, "content": object{"application/json": object{"schema": envelope(data)}}}
	h := object{"X-Request-Id": ref("headers", "X-Request-Id")}
	for _, name := range headers {
		h[name] = ref("headers", name)
	}
	r["headers"] = h
	return r
}

func envelope(data object) object {
	return object{
		"type": "object", "required": []string{"status"},
		"properties": object{"status": object{"const": "ok"}, "data": data, "metadata": ref("schemas", "Metadata")},
	}
}

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

func refs(names ...string) []object {
	out := make([]object, len(names))
	for i, n := range names {
		out[i] = ref("parameters", n)
	}
	return out
}

func list(item object) object { return object{"type": "array", "items": item} }

// entity adds an entity's schemas and routes.
func (d *description) entity(e *schema.Entity) {
	d.entitySchemas(e)
	base := d.prefix + "/api/v1/" + e.Collection
	one := ref("schemas", e.Name)
	orNull := object{"oneOf": []object{one, {"type": "null"}}}
	if d.view.Read {
		d.reads(e, base, one, orNull)
	}
	if d.view.Write {
		d.writes(e, base, one, orNull)
	}
}

func (d *description) reads(e *schema.Entity, base string, one, orNull object) {
	n := e.Name
	find := append(refs("filter", "sort", "limit", "skip", "cursor", "count", "select", "exclude", "relations", "includeDeleted", "minPosition", "Octo-Min-Position"), fields(e)...)
	where := append(refs("filter", "includeDeleted", "minPosition", "Octo-Min-Position"), fields(e)...)
	id := refs("id", "select", "exclude", "relations", "includeDeleted", "minPosition", "Octo-Min-Position", "If-None-Match")
	page := reply("A page of records; with format or Accept, all of them as a file.", list(one))
	page["content"].(object)["text/csv"] = object{"schema": object{"type": "string"}}
	page["content"].(object)["application/vnd.apache.parquet"] = object{"schema": object{"type": "string", "format": "binary"}}
	d.operation(base, "get", "findAll"+n, n, "List records", 200, page, object{"parameters": append(refs("format"), find...)})
	d.operation(base+"/{id}", "get", "findById"+n, n, "Read one record", 200, reply("The record; data is null if there is none.", orNull, "ETag"), object{"parameters": id})
	d.paths[base+"/{id}"].(object)["get"].(object)["responses"].(object)["304"] = object{"description": "The reader has this version."}
	d.operation(base+"/count", "get", "count"+n, n, "Count records", 200, reply("The number of records.", object{"type": "integer"}), object{"parameters": where})
	d.operation(base+"/one", "get", "findOne"+n, n, "Read the first record that matches", 200, reply("The record, or null.", orNull, "ETag"), object{"parameters": find})
	d.operation(base+"/stream", "get", "stream"+n, n, "Read all records, one a line", 200, object{
		"description": "Records as newline-delimited JSON, of any number.", "content": object{"application/x-ndjson": object{"schema": one}},
	}, object{"parameters": find})
	search := refs("query", "fields", "sort", "limit", "skip", "cursor", "select", "exclude", "relations", "includeDeleted", "minPosition")
	d.operation(base+"/search", "get", "search"+n, n, "Search texts", 200, reply("The records found.", list(one)), object{"parameters": search})
	d.operation(base+"/search", "post", "searchPost"+n, n, "Search texts", 200, reply("The records found.", list(one)), object{"requestBody": body(object{
		"type": "object", "required": []string{"query"}, "properties": object{
			"query": object{"type": "string"}, "fields": object{"oneOf": []object{{"type": "string"}, list(object{"type": "string"})}}, "options": object{"type": "object"},
		},
	})})
	d.operation(base+"/aggregate", "post", "aggregate"+n, n, "Group and compute", 200, reply("One object a group.", list(object{"type": "object"})), object{"requestBody": body(object{
		"type": "object", "required": []string{"stages"}, "properties": object{"stages": list(object{"type": "object"})},
	})})
}

func (d *description) writes(e *schema.Entity, base string, one, orNull object) {
	n := e.Name
	input, patch, filter := ref("schemas", n+"Input"), ref("schemas", n+"Patch"), ref("schemas", "Filter")
	keyed := refs("Idempotency-Key")
	guarded := refs("id", "If-Match", "Idempotency-Key")
	many := object{"type": "object", "required": []string{"filter", "data"}, "properties": object{"filter": filter, "data": patch}}
	d.operation(base, "post", "create"+n, n, "Create a record", 201, reply("The new record.", one, "ETag", "Location", "Octo-Position", "Idempotency-Replayed"),
		object{"parameters": append(refs("relations"), keyed...), "requestBody": body(input)})
	for _, method := range []string{"put", "patch"} {
		d.operation(base+"/{id}", method, map[string]string{"put": "update", "patch": "patch"}[method]+n, n, "Change the named members of a record", 200,
			reply("The record as it is now; null if there is none.", orNull, "ETag", "Octo-Position", "Idempotency-Replayed"), object{"parameters": guarded, "requestBody": body(patch)})
	}
	d.operation(base+"/{id}", "delete", "delete"+n, n, "Delete a record", 200,
		reply("Whether there was one.", object{"type": "boolean"}, "Octo-Position", "Idempotency-Replayed"), object{"parameters": guarded})
	d.operation(base+"/upsert", "post", "upsert"+n, n, "Update the record that matches, or create one", 200, reply("The record.", one, "ETag", "Octo-Position", "Idempotency-Replayed"),
		object{"parameters": keyed, "requestBody": body(many)})
	count := reply("How many records, in metadata.count.", object{"type": []string{"integer", "null"}}, "Octo-Position", "Idempotency-Replayed")
	where := object{"type": "object", "required": []string{"filter"}, "properties": object{"filter": filter}}
	d.operation(base+"/bulk", "put", "updateMany"+n, n, "Change all records that match", 200, count, object{"parameters": keyed, "requestBody": body(many)})
	d.operation(base+"/bulk", "delete", "deleteMany"+n, n, "Delete all records that match", 200, count, object{"parameters": append(refs("filter"), keyed...), "requestBody": object{"required": false, "content": body(where)["content"]}})
	d.operation(base+"/updateMany", "post", "updateManyPost"+n, n, "Change all records that match", 200, count, object{"parameters": keyed, "requestBody": body(many)})
	d.operation(base+"/deleteMany", "post", "deleteManyPost"+n, n, "Delete all records that match", 200, count, object{"parameters": keyed, "requestBody": body(where)})
	for op, member := range map[string]string{"addToSet": "value", "pull": "value", "increment": "amount"} {
		value := object{}
		if member == "amount" {
			value = object{"type": "number"}
		}
		d.operation(base+"/{id}/"+op, "post", op+n, n, arraySummaries[op], 200, reply("The record; null if there is none.", orNull, "ETag", "Octo-Position", "Idempotency-Replayed"),
			object{"parameters": guarded, "requestBody": body(object{
				"type": "object", "required": []string{"field", member}, "properties": object{"field": object{"type": "string"}, member: value},
			})})
	}
}

var arraySummaries = map[string]string{
	"addToSet": "Add a value to an array or a link to a relation", "pull": "Take a value out of an array or a link out of a relation", "increment": "Add to a number",
}
