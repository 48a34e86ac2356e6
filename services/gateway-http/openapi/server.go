package openapi

// general adds the routes that need no rights on entities.
func (d *description) general() {
	const tag = "server"
	public := object{"security": []object{{}}}
	status := object{"type": "object", "required": []string{"status"}, "properties": object{"status": object{"const": "ok"}}}
	plain := func(description string, schema object) object {
		return object{"description": description, "content": object{"application/json": object{"schema": schema}}}
	}
	names := list(object{"type": "string"})
	health := object{"type": "object", "required": []string{"status", "transports", "entities"}, "properties": object{
		"status": object{"const": "ok"}, "transports": names, "entities": names, "project": object{"type": "string"},
	}}
	d.operation(d.prefix+"/health", "get", "health", tag, "Tell that the server answers", 200, plain("It does.", health), public)
	d.operation("/livez", "get", "livez", tag, "Tell that the process lives", 200, plain("It does.", status), public)
	d.operation("/readyz", "get", "readyz", tag, "Tell that calls can be answered", 200, plain("They can.", status), public)
	d.operation(d.prefix+"/openapi.json", "get", "openapi", tag, "This description, as far as the caller may see", 200, plain("It is.", object{"type": "object"}), public)
	d.operation("/api/auth/verify", "get", "verify", tag, "Tell who the credential is", 200, reply("Its principal and rights.", object{"type": "object"}), nil)
	d.operation("/api/auth/ticket", "post", "ticket", tag, "A ticket for one URL of a browser", 200, reply("It is good once, for expiresIn seconds.", object{
		"type": "object", "required": []string{"ticket", "expiresIn"}, "properties": object{"ticket": object{"type": "string"}, "expiresIn": object{"type": "integer"}},
	}), nil)
	if !d.view.Read {
		return
	}
	text := object{"schema": object{"type": "string"}}
	live := refs("entity", "eventFilter", "position", "Last-Event-ID", "ticket")
	d.operation(d.prefix+"/events", "get", "events", tag, "Live events as a text/event-stream", 200,
		object{"description": "The stream stays open; docs/live.md describes its events.", "content": object{"text/event-stream": text}}, object{"parameters": live})
	d.operation(d.prefix+"/ws", "get", "ws", tag, "Requests and live events over a WebSocket", 101,
		object{"description": "The connection is a WebSocket from here on; docs/live.md describes its messages."}, object{"parameters": refs("events", "ticket")})
	d.paths[d.prefix+"/ws"].(object)["get"].(object)["responses"].(object)["426"] = ref("responses", failureName(400))
}

// wholeProject adds what concerns all entities.
func (d *description) wholeProject() {
	const tag = "server"
	base := d.prefix + "/api/v1/"
	if d.view.Write {
		item := object{"type": "object", "required": []string{"op", "entity"}, "properties": object{"op": object{"type": "string"}, "entity": object{"type": "string"}}}
		d.operation(base+"_transaction", "post", "transaction", tag, "Do several operations, all or none", 200, reply("The replies, in order.", list(object{})),
			object{"parameters": refs("Idempotency-Key"), "requestBody": body(object{"type": "object", "required": []string{"operations"}, "properties": object{"operations": list(item)}})})
	}
	if d.view.Read {
		d.operation(base+"_changes", "get", "changes", tag, "Read the change log after a position", 200, reply("Changes, oldest first.", list(object{"type": "object"})),
			object{"parameters": refs("position", "limit")})
		d.operation(base+"_catalog", "get", "catalog", tag, "The project's schemas", 200, reply("The catalog.", object{}), nil)
	}
	if d.view.Admin {
		d.operation(base+"_export", "get", "export", tag, "All records of one moment, a line each", 200,
			object{"description": "Lines of {\"entity\",\"data\"}, parents first.", "content": object{"application/x-ndjson": object{"schema": object{"type": "string"}}}}, nil)
		line := object{"type": "object", "required": []string{"entity", "data"}, "properties": object{"entity": object{"type": "string"}, "data": object{"type": "object"}}}
		d.operation(base+"_restore", "post", "restore", tag, "Store lines of an export, at most 500, all or none", 200, reply("How many, and which references had no target.", object{}),
			object{"parameters": refs("Idempotency-Key"), "requestBody": body(object{"type": "object", "required": []string{"records"}, "properties": object{"records": list(line)}})})
	}
}

// admin adds the routes of API keys.
func (d *description) admin() {
	const tag = "server"
	one := object{"type": "object", "properties": object{
		"id": object{"type": "string"}, "prefix": object{"type": "string"}, "label": object{"type": "string"},
		"apiKey":      object{"type": "string", "description": "The whole key, in the reply to its creation alone."},
		"permissions": object{"type": "object"}, "enabled": object{"type": "boolean"}, "expiresAt": object{"type": []string{"string", "null"}, "format": "date-time"},
	}}
	input := object{"type": "object", "properties": object{
		"label": object{"type": "string"}, "env": object{"enum": []string{"live", "test"}}, "account": object{"type": "string"}, "permissions": object{"type": "object"},
		"enabled": object{"type": "boolean"}, "expiresAt": object{"type": []string{"string", "null"}, "format": "date-time"},
	}}
	id := refs("id")
	d.operation("/api/api-keys", "get", "listKeys", tag, "List API keys", 200, reply("All keys, without their secrets.", list(one)), nil)
	d.operation("/api/api-keys", "post", "createKey", tag, "Make an API key", 201, reply("The key, whole for this once.", one), object{"requestBody": body(input)})
	d.operation("/api/api-keys/{id}", "put", "updateKey", tag, "Change an API key", 200, reply("The key.", one), object{"parameters": id, "requestBody": body(input)})
	d.operation("/api/api-keys/{id}", "delete", "deleteKey", tag, "Delete an API key", 200, reply("Whether there was one.", object{"type": "boolean"}), object{"parameters": id})
	d.operation("/api/api-keys/scopes", "get", "listScopes", tag, "List the scopes that keys can have", 200, reply("The scopes.", list(object{"type": "object"})), nil)
	d.operation("/metrics", "get", "metrics", tag, "Figures in Prometheus' text form", 200,
		object{"description": "The figures.", "content": object{"text/plain": object{"schema": object{"type": "string"}}}}, nil)
}
