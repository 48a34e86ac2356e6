package openapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// statuses are those of the fault table that an HTTP client can see.
var statuses = func() []int {
	var out []int
	for _, i := range fault.Table {
		if i.Code != fault.Cancelled && !slices.Contains(out, i.HTTP) {
			out = append(out, i.HTTP)
		}
	}
	slices.Sort(out)
	return out
}()

func failureName(status int) string { return fmt.Sprintf("Failure%d", status) }

// failures are the error responses, one for each status, with its codes.
func failures() object {
	out := object{}
	for _, s := range statuses {
		var text []string
		var codes []string
		for _, i := range fault.Table {
			if i.HTTP == s {
				codes = append(codes, string(i.Code))
				text = append(text, string(i.Code)+": "+i.Meaning)
			}
		}
		h := object{"X-Request-Id": ref("headers", "X-Request-Id")}
		if s == 429 || s == 503 || s == 504 {
			h["Retry-After"] = ref("headers", "Retry-After")
		}
		if s == 429 {
			for _, name := range []string{"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} {
				h[name] = ref("headers", name)
			}
		}
		out[failureName(s)] = object{
			"description": strings.Join(text, " "), "headers": h,
			"content": object{"application/json": object{"schema": object{
				"allOf": []object{ref("schemas", "Error"), {"properties": object{"error": object{"properties": object{"code": object{"enum": codes}}}}}},
			}}},
		}
	}
	return out
}

// common adds the schemas that belong to no entity.
func (d *description) common() object {
	d.schemas["Error"] = object{"type": "object", "required": []string{"status", "error"}, "properties": object{
		"status": object{"const": "error"},
		"error": object{"type": "object", "required": []string{"code", "message"}, "properties": object{
			"code": object{"type": "string"}, "message": object{"type": "string"}, "details": object{},
		}},
	}}
	d.schemas["Metadata"] = object{"type": "object", "properties": object{
		"count":    object{"type": "integer", "description": "Records in this page, or touched."},
		"total":    object{"type": "integer", "description": "All that match, where asked for."},
		"next":     object{"type": "string", "description": "Cursor of the next page."},
		"position": object{"type": "string", "description": "Where a write stands in the change log."},
	}}
	d.schemas["Filter"] = object{"type": "object", "description": "The filter language of docs/query.md, for example {\"price\":{\"$gte\":30}}."}
	return d.schemas
}

// parameters are those that routes share.
func parameters() object {
	out := object{}
	add := func(name, in, wire, description string, s object) {
		p := object{"name": wire, "in": in, "description": description, "schema": s}
		if in == "path" {
			p["required"] = true
		}
		out[name] = p
	}
	text, whole, flag := object{"type": "string"}, object{"type": "integer", "minimum": 0}, object{"type": "boolean"}
	query := func(name, description string, s object) { add(name, "query", name, description, s) }
	add("id", "path", "id", "The record's id.", object{"type": "string", "pattern": "^[A-Za-z0-9._~:@-]{1,128}$"})
	out["filter"] = object{"name": "filter", "in": "query", "description": "A filter as JSON.", "content": object{"application/json": object{"schema": ref("schemas", "Filter")}}}
	out["eventFilter"] = object{"name": "filter", "in": "query", "description": "A filter as JSON; events then say enter, stay or leave.", "content": object{"application/json": object{"schema": ref("schemas", "Filter")}}}
	query("sort", "Fields, - for descending: price,-title; or JSON {\"price\":1}.", text)
	query("limit", "Records in a page; 100 unless given, 1000 at most.", whole)
	query("skip", "Records to pass over; a cursor is cheaper.", whole)
	query("cursor", "metadata.next of the page before.", text)
	query("count", "Ask for metadata.total.", flag)
	query("format", "csv or parquet: everything that the query finds, as a file; json is a page.", object{"enum": []string{"json", "csv", "parquet"}})
	query("select", "Members to show, between commas.", text)
	query("exclude", "Members to leave out, between commas.", text)
	query("relations", "Relations to populate, between commas; include is the same.", text)
	query("includeDeleted", "Soft-deleted records too.", flag)
	query("minPosition", "Wait until the reader has come to this position.", text)
	query("query", "The text to find; q is the same.", text)
	query("fields", "The fields to search, between commas.", text)
	query("entity", "Entities to hear of, between commas; all unless given.", text)
	query("position", "The position to go on from.", text)
	query("ticket", "A ticket of /api/auth/ticket, for browsers.", text)
	query("events", "0 for no events before the first subscribe.", object{"enum": []string{"0", "1"}})
	header := func(name, description string, s object) { add(name, "header", name, description, s) }
	header("Octo-Min-Position", "Wait until the reader has come to this position.", text)
	header("Last-Event-ID", "The position to go on from; before the parameter.", text)
	header("If-None-Match", "An ETag that the reader has.", text)
	header("If-Match", "The ETag that the record must still have, or *.", text)
	header("Idempotency-Key", "Repeating a write with the same key gives the first reply again.", object{"type": "string", "minLength": 1, "maxLength": 128})
	return out
}

func headers() object {
	h := func(description string) object {
		return object{"description": description, "schema": object{"type": "string"}}
	}
	return object{
		"X-Request-Id":         h("The request's id, as given or made."),
		"Octo-Position":        h("Where the write stands in the change log."),
		"ETag":                 h("The record's version, quoted."),
		"Location":             h("The new record's address."),
		"Idempotency-Replayed": h("true for the stored reply of a key seen before."),
		"Retry-After":          h("Seconds after which a repetition makes sense."),
		"RateLimit-Limit":      h("Calls that the key may make at once, after a rest."),
		"RateLimit-Remaining":  h("Calls that are left now."),
		"RateLimit-Reset":      h("Seconds until all are left again."),
	}
}

// fields are the friendly parameters of an entity: field=value.
func fields(e *schema.Entity) []object {
	var out []object
	for _, m := range e.Members {
		c := m.Column
		if c == nil || c.Hidden || c.Type == schema.JSON || c.Type == schema.Array || c.Name == "limit" || c.Name == "format" {
			continue
		}
		out = append(out, object{
			"name": c.Name, "in": "query", "schema": scalar(c),
			"description": "Records with this value; " + c.Name + "[op]=value for op ne, gt, gte, lt, lte, in, nin, regex, exists.",
		})
	}
	return out
}

// entitySchemas adds X (as read), XInput (to create) and XPatch (to change).
func (d *description) entitySchemas(e *schema.Entity) {
	read, write := object{}, object{}
	required := []string{"id", "_version"}
	var needed []string
	for _, m := range e.Members {
		switch {
		case m.Relation != nil:
			read[m.Name], write[m.Name] = relation(m.Relation)
		case m.Column != nil && !m.Column.Hidden:
			c := m.Column
			read[c.Name] = nullable(scalar(c), c)
			if c.Role == schema.RoleField {
				write[c.Name] = nullable(scalar(c), c)
			}
			if c.Role == schema.RoleField && c.Required && (c.Field == nil || c.Field.Default == nil) {
				needed = append(needed, c.Name)
			}
		}
	}
	for _, f := range e.Fields {
		if c := e.Column(f.Name); f.Hidden && c != nil {
			s := nullable(scalar(c), c)
			s["writeOnly"] = true
			write[f.Name] = s
		}
	}
	for _, c := range e.Columns {
		if c.Role == schema.RoleID {
			write[c.Name] = scalar(c)
		}
	}
	shape := func(properties object, required []string) object {
		s := object{"type": "object", "properties": properties}
		if e.Description != "" {
			s["description"] = e.Description
		}
		if len(required) > 0 {
			s["required"] = required
		}
		return s
	}
	d.schemas[e.Name] = shape(read, required)
	if d.view.Write { // hidden fields are in these
		d.schemas[e.Name+"Input"] = shape(write, needed)
		d.schemas[e.Name+"Patch"] = shape(write, nil)
	}
}

func nullable(s object, c *schema.Column) object {
	t, plain := s["type"].(string)
	if c.Required || !plain || c.Role == schema.RoleID || c.Role == schema.RoleVersion {
		return s
	}
	s["type"] = []string{t, "null"}
	if e, ok := s["enum"].([]any); ok {
		s["enum"] = append(e, nil)
	}
	return s
}

// scalar is the schema of a column's values.
func scalar(c *schema.Column) object {
	s := typeOf(c.Type)
	f := c.Field
	if f == nil {
		return s
	}
	if f.Description != "" {
		s["description"] = f.Description
	}
	if len(f.Enum) > 0 {
		values := make([]any, len(f.Enum))
		for i, v := range f.Enum {
			values[i] = v
		}
		s["enum"] = values
	}
	if f.MaxLength > 0 {
		s["maxLength"] = f.MaxLength
	}
	if f.Pattern != "" {
		s["pattern"] = f.Pattern
	}
	if f.Min != nil {
		s["minimum"] = *f.Min
	}
	if f.Max != nil {
		s["maximum"] = *f.Max
	}
	if c.Type == schema.Array && f.ArrayOf != nil {
		s["items"] = element(f.ArrayOf)
	}
	return s
}

func element(a *schema.Element) object {
	if a.Fields == nil {
		return typeOf(a.Type)
	}
	properties := object{}
	for _, f := range a.Fields {
		properties[f.Name] = typeOf(f.Type)
	}
	return object{"type": "object", "properties": properties}
}

func typeOf(t schema.Type) object {
	switch t {
	case schema.Number, schema.Float, schema.Decimal:
		return object{"type": "number"}
	case schema.Integer:
		return object{"type": "integer", "format": "int64"}
	case schema.Boolean:
		return object{"type": "boolean"}
	case schema.Date:
		return object{"type": "string", "format": "date-time"}
	case schema.JSON:
		return object{}
	case schema.Array:
		return object{"type": "array"}
	case schema.Binary:
		return object{"type": "string", "contentEncoding": "base64"}
	}
	return object{"type": "string"}
}

// relation is a relation as it is read (an id, or the record where populated)
// and as it is written (ids).
func relation(r *schema.Relation) (read, write object) {
	target := ref("schemas", r.Target.Name)
	if r.Type == schema.OneToOne || r.Type == schema.ManyToOne {
		return object{"oneOf": []object{{"type": []string{"string", "null"}}, target}}, object{"type": []string{"string", "null"}}
	}
	return list(target), list(object{"type": "string"})
}

// Schemas are the JSON Schemas of a project's entities in a view, by their names
// in components: for each entity X there are X and, to write, XInput and XPatch.
func Schemas(p *gateway.Project, v mesh.View) map[string]any {
	d := &description{project: p, view: v, schemas: object{}}
	for _, e := range p.Catalog.Entities {
		d.entitySchemas(e)
	}
	return d.schemas
}
