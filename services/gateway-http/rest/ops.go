package rest

import (
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// begin takes the op and the parameters; false means that it has replied.
func (r *request) begin(op string, takes accept) bool {
	r.mesh.Op, r.x.Op = op, op
	if err := r.params.parse(r.x, takes); err != nil {
		r.x.Fail(err)
		return false
	}
	if h := r.x.Header("Octo-Min-Position"); h != "" && r.params.minPosition == "" {
		r.params.minPosition = h
	}
	r.version = r.x.Header("If-Match")
	return true
}

// finish closes the request object and sends it, or replies with err.
func (t *REST) finish(r *request, err error) {
	if err == nil {
		err = r.expect()
	}
	if err != nil {
		r.x.Buf = r.args.b
		r.x.Fail(err)
		return
	}
	r.mesh.Args = r.args.end()
	r.x.Buf = r.mesh.Args
	t.send(r)
}

// expect turns If-Match into expectedVersion; * is any version.
func (r *request) expect() error {
	if r.version == "" || r.version == "*" {
		return r.guarded()
	}
	n, err := gateway.Version(r.mesh.Op, r.version)
	if err != nil {
		return err
	}
	r.args.key("expectedVersion")
	r.args.b = strconv.AppendInt(r.args.b, n, 10)
	return nil
}

// guarded refuses If-Match where it could not be honoured.
func (r *request) guarded() error {
	if r.version == "" {
		return nil
	}
	return gateway.Versioned(r.mesh.Op)
}

// perform serves an op: id, unless it is "", is the record in the path, the
// parameters are those that the op takes, and put, unless it is nil, adds what a
// body holds.
func (t *REST) perform(r *request, op string, takes accept, id string, put func(o *object, body []byte) error) {
	if !r.begin(op, takes) {
		return
	}
	var body []byte
	if put != nil {
		var ok bool
		if body, ok = r.x.JSONBody(); !ok {
			return
		}
	}
	r.args = newObject(r.x.Buf)
	if id != "" {
		r.args.text("id", id)
	}
	err := r.params.read(&r.args, r.entity)
	if err == nil && len(body) > 0 {
		err = put(&r.args, body)
	}
	t.finish(r, err)
}

// What a body can be: the record, or members of the request object.
var (
	asData    = func(o *object, body []byte) error { return o.json("data", body) }
	asMembers = (*object).members
)

// posted serves the ops whose body is the request object itself.
func (t *REST) posted(r *request, method, op string, takes accept, id string) {
	if method != "POST" {
		r.refuse(method, allowPost)
		return
	}
	t.perform(r, op, takes, id, asMembers)
}

// bulk serves PUT /c/bulk {filter,data} and DELETE /c/bulk {filter} or ?filter=.
func (t *REST) bulk(r *request, method string) {
	switch method {
	case "PUT":
		t.perform(r, "updateMany", 0, "", asMembers)
	case "DELETE":
		t.perform(r, "deleteMany", takesFilter, "", asMembers)
	default:
		r.refuse(method, allowBulk)
	}
}

// search takes GET with q or query, and Octonet's POST {query, fields, options}.
func (t *REST) search(r *request, method string) {
	switch method {
	case "GET":
		t.perform(r, "search", takesFind, "", nil)
	case "POST":
		t.perform(r, "search", takesFind, "", searchMembers)
	default:
		r.refuse(method, allowSearch)
	}
}

// searchMembers copies a search body and calls its "fields", an array or a
// comma-separated text, by the name that the op has for them: searchFields.
func searchMembers(o *object, body []byte) error {
	doc, err := strictjson.Parse(body)
	if err != nil {
		return err
	}
	defer doc.Release()
	obj, err := doc.Root.Object()
	if err != nil {
		return fault.New(fault.InvalidRequest, "the body must be a JSON object")
	}
	obj.Visit(func(k []byte, v *fastjson.Value) {
		if string(k) != "fields" {
			o.jsonKey(string(k))
			o.b = strictjson.Compact(o.b, v)
			return
		}
		o.key("searchFields")
		if s, err := v.StringBytes(); err == nil {
			o.b = appendList(o.b, string(s))
		} else {
			o.b = strictjson.Compact(o.b, v)
		}
	})
	return nil
}

// projectOp serves what concerns a whole project: POST _transaction and
// _restore, GET _changes, _catalog and _export.
func (t *REST) projectOp(r *request, segments []string) {
	method := r.x.Method()
	r.mesh.Entity, r.x.LogEntity = mesh.ProjectEntity, mesh.ProjectEntity
	if len(segments) > 1 {
		r.x.NotFound()
		return
	}
	switch segments[0] {
	case "_transaction":
		t.posted(r, method, "transaction", 0, "")
	case "_changes":
		t.changes(r, method)
	case "_catalog":
		t.only(r, method, "catalog", 0)
	case "_export":
		t.only(r, method, "export", 0)
	case "_restore":
		t.posted(r, method, "restore", 0, "")
	default:
		r.x.NotFound()
	}
}

func (t *REST) changes(r *request, method string) {
	if method != "GET" {
		r.refuse(method, allowRead)
		return
	}
	if !r.begin("changes", takesChanges) {
		return
	}
	r.args = newObject(r.x.Buf)
	err := position(&r.args, "position", r.params.position)
	if err == nil {
		err = number(&r.args, "limit", r.params.limit)
	}
	t.finish(r, err)
}
