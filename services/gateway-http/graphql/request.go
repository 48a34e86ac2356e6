package graphql

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fastjson"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/run"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/replies"
)

// request is one HTTP request.
type request struct {
	t *GraphQL
	x *httpserver.Exchange
	caller
	media media
	get   bool
	docs  []*strictjson.Doc // what the operations alias
	min   string            // position that reads wait for
	room  replies.Room      // of all operations
	// single is the stream that takes the responses, nil for a request that has its
	// own.
	single *single
}

// operation is one GraphQL request. Its texts alias the HTTP request.
type operation struct {
	query, name, hash string
	id                string // extensions.operationId
	variables         *fastjson.Value
}

// bodies are buffers for responses, which are copied once when they are whole.
var bodies = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

func (r *request) serve() {
	x := r.x
	r.room.Open(replies.Limit, nil)
	r.media = negotiate(x.Header("Accept"))
	r.get = x.Method() == fasthttp.MethodGet
	if !r.get && x.Method() != fasthttp.MethodPost {
		x.SetHeader("Allow", allow)
		r.refuse(0, fault.New(fault.MethodNotAllowed, "this route takes %s", allow))
		return
	}
	var err error
	if r.caller, err = r.t.enter(x); err != nil {
		r.refuse(0, err)
		return
	}
	if token := streamToken(x); token != "" {
		if r.single, err = r.t.singles.of(token, &r.caller); err != nil {
			r.refuse(0, err)
			return
		}
		r.media = response // whose statuses tell what was not accepted
	}
	if r.min = x.Header("Octo-Min-Position"); r.min != "" {
		if _, err := mesh.ParsePosition(r.min); err != nil {
			r.refuse(0, err)
			return
		}
	}
	defer func() {
		for _, d := range r.docs {
			d.Release()
		}
	}()
	list, batched, status, err := r.read()
	if err != nil {
		r.refuse(status, err)
		return
	}
	switch {
	case r.single != nil:
		r.accept(list, batched)
		return
	case r.media == events:
		r.t.stream(r, list, batched)
		return
	}
	room := bodies.Get().(*[]byte)
	dst := (*room)[:0]
	if batched {
		dst, status = r.all(dst, list), fasthttp.StatusOK
	} else {
		dst, status = r.one(dst, &list[0])
	}
	r.reply(status, dst)
	if cap(dst) <= 1<<20 {
		*room = dst
		bodies.Put(room)
	}
}

// read takes the operations from the URL or the body.
func (r *request) read() (list []operation, batched bool, status int, err error) {
	if r.get {
		op, err := r.fromURL()
		return []operation{op}, false, fasthttp.StatusBadRequest, err
	}
	if status, err = r.json(); err != nil {
		return nil, false, status, err
	}
	doc, err := strictjson.Parse(r.x.Body())
	if err != nil {
		return nil, false, 0, err
	}
	r.docs = append(r.docs, doc)
	if doc.Root.Type() != fastjson.TypeArray {
		op, err := operationOf(doc.Root)
		return []operation{op}, false, fasthttp.StatusBadRequest, err
	}
	items, _ := doc.Root.Array()
	if len(items) == 0 || len(items) > maxBatched {
		return nil, true, 0, fault.New(fault.InvalidRequest, "a batch has between 1 and %d requests", maxBatched)
	}
	for _, item := range items {
		op, err := operationOf(item)
		if err != nil {
			return nil, true, 0, err
		}
		list = append(list, op)
	}
	return list, true, 0, nil
}

// json refuses a body that is declared as anything but JSON in UTF-8.
func (r *request) json() (int, error) {
	kind, params, _ := strings.Cut(string(r.x.Ctx.Request.Header.ContentType()), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if e := r.x.Header("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return fasthttp.StatusUnsupportedMediaType, fault.New(fault.InvalidRequest, "send the body without Content-Encoding")
	}
	if kind != "application/json" && kind != "application/graphql+json" {
		return fasthttp.StatusUnsupportedMediaType, fault.New(fault.InvalidRequest, "the body must be JSON: send Content-Type: application/json (with curl: --json instead of -d)")
	}
	if _, charset, ok := strings.Cut(strings.ToLower(params), "charset="); ok && strings.Trim(strings.TrimSpace(charset), `"`) != "utf-8" {
		return fasthttp.StatusUnsupportedMediaType, fault.New(fault.InvalidRequest, "the body must be in UTF-8")
	}
	return 0, nil
}

func (r *request) fromURL() (op operation, err error) {
	op.query, op.name = r.x.Query("query"), r.x.Query("operationName")
	if !utf8.ValidString(op.query) || !utf8.ValidString(op.name) {
		return op, fault.New(fault.InvalidRequest, "query parameters must be valid UTF-8")
	}
	parse := func(name string) (*fastjson.Value, error) {
		text := r.x.Query(name)
		if text == "" {
			return nil, nil
		}
		doc, err := strictjson.Parse([]byte(text))
		if err != nil {
			return nil, fault.New(fault.ParseError, "%s: %s", name, fault.From(err).Message)
		}
		r.docs = append(r.docs, doc)
		if doc.Root.Type() != fastjson.TypeObject && doc.Root.Type() != fastjson.TypeNull {
			return nil, fault.New(fault.InvalidRequest, "%s must be an object", name)
		}
		return doc.Root, nil
	}
	if op.variables, err = parse("variables"); err != nil {
		return op, err
	}
	extensions, err := parse("extensions")
	if err != nil {
		return op, err
	}
	op.extend(extensions)
	if op.query == "" && op.hash == "" {
		return op, fault.New(fault.InvalidRequest, "send the document as query")
	}
	return op, nil
}

// operationOf reads {"query","operationName","variables","extensions"}. Further
// members are left alone, as the draft asks.
func operationOf(v *fastjson.Value) (op operation, err error) {
	if v.Type() != fastjson.TypeObject {
		return op, fault.New(fault.InvalidRequest, "the body must be an object with query, or a list of such")
	}
	text := func(name string) string {
		f := v.Get(name)
		if f == nil || f.Type() == fastjson.TypeNull {
			return ""
		}
		b, e := f.StringBytes()
		if e != nil && err == nil {
			err = fault.New(fault.InvalidRequest, "%s must be a text", name)
		}
		return textOf(b)
	}
	object := func(name string) *fastjson.Value {
		f := v.Get(name)
		if f == nil || f.Type() == fastjson.TypeNull {
			return nil
		}
		if f.Type() != fastjson.TypeObject && err == nil {
			err = fault.New(fault.InvalidRequest, "%s must be an object", name)
		}
		return f
	}
	op.query, op.name, op.variables = text("query"), text("operationName"), object("variables")
	op.extend(object("extensions"))
	if err == nil && op.query == "" && op.hash == "" {
		err = fault.New(fault.InvalidRequest, "send the document as query")
	}
	return op, err
}

// extend reads the extensions that are known: the hash of a persisted operation as
// Apollo's clients send it, and the id that graphql-sse gives an operation of many.
func (op *operation) extend(extensions *fastjson.Value) {
	if extensions != nil {
		op.hash = textOf(extensions.GetStringBytes("persistedQuery", "sha256Hash"))
		op.id = textOf(extensions.GetStringBytes("operationId"))
	}
}

// errNotPersisted is how Apollo's clients learn that they have to send the text.
const errNotPersisted = `{"errors":[{"message":"PersistedQueryNotFound","extensions":{"code":"PERSISTED_QUERY_NOT_FOUND"}}]}`

// document finds the text of an operation, and keeps it under its hash. false
// means that it is not known. Errors: INVALID_REQUEST.
func (t *GraphQL) document(op *operation) (bool, error) {
	if op.hash == "" {
		return true, nil
	}
	if len(op.hash) != 2*sha256.Size {
		return false, fault.New(fault.InvalidRequest, "extensions.persistedQuery.sha256Hash must be a SHA-256 in hexadecimal digits")
	}
	if op.query == "" {
		var ok bool
		op.query, ok = t.persisted.get(op.hash)
		return ok, nil
	}
	if known, ok := t.persisted.get(op.hash); ok && known == op.query {
		return true, nil
	}
	sum := sha256.Sum256([]byte(op.query))
	if hex.EncodeToString(sum[:]) != op.hash {
		return false, fault.New(fault.InvalidRequest, "the hash of the document is another one than sha256Hash")
	}
	if len(op.query) <= t.Limits.Bytes {
		t.persisted.put(strings.Clone(op.hash), strings.Clone(op.query), len(op.query)+256)
	}
	return true, nil
}

// all carries the requests of a batch out, one after the other.
func (r *request) all(dst []byte, list []operation) []byte {
	dst = append(dst, '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
			if len(dst) > run.MaxReply { // nothing is carried out whose answer has no room
				dst = run.Refuse(dst, r.x.Coded(fault.New(fault.PayloadTooLarge, "the responses of the batch are larger than %d MB: send this request by itself", run.MaxReply>>20)))
				continue
			}
			if _, err := r.t.door.Rates.Take(r.who); err != nil {
				dst = run.Refuse(dst, r.x.Coded(err))
				continue
			}
			if r.header.IdempotencyKey != "" { // one key is one request
				r.header.IdempotencyKey = run.Key(r.x.Header("Idempotency-Key"), "b", i)
			}
		}
		dst, _ = r.one(dst, &list[i])
	}
	return append(dst, ']')
}

// prepared is an operation that may be carried out; else refused is the response
// to it, and status what that has as its own.
type prepared struct {
	plan    *plan.Plan
	vars    *plan.Vars
	refused []byte
	status  int
}

// prepare finds out what is asked.
func (r *request) prepare(op *operation) prepared {
	refuse := func(status int, err error) prepared {
		return prepared{refused: run.Refuse(nil, r.x.Coded(err)), status: status}
	}
	known, err := r.t.document(op)
	if err != nil {
		return refuse(r.media.refused(), err)
	}
	if !known {
		r.x.SetHeader("Cache-Control", "no-store")
		return prepared{refused: []byte(errNotPersisted), status: fasthttp.StatusOK}
	}
	p, problems := r.t.compile(&r.caller, op.query, op.name)
	if problems != nil {
		r.x.Code = string(problems[0].Code)
		return prepared{refused: run.Problems(nil, problems), status: r.media.refused()}
	}
	r.x.Op = string(p.Kind)
	switch {
	case p.Kind == ast.Subscription && r.media != events && r.single == nil:
		return refuse(r.media.refused(), fault.New(fault.InvalidRequest, "subscriptions go over a WebSocket (graphql-transport-ws) or, with Accept: text/event-stream, over server-sent events"))
	case r.get && p.Kind == ast.Mutation:
		r.x.SetHeader("Allow", "POST, OPTIONS")
		return refuse(fasthttp.StatusMethodNotAllowed, fault.New(fault.MethodNotAllowed, "a GET can only ask a query: send a mutation by POST"))
	}
	vars, err := r.t.bind(p, op.variables)
	if err != nil {
		return refuse(r.media.refused(), err)
	}
	return prepared{plan: p, vars: vars, status: fasthttp.StatusOK}
}

// one carries an operation out and tells the status of a reply that has it alone.
func (r *request) one(dst []byte, op *operation) ([]byte, int) {
	p := r.prepare(op)
	if p.refused != nil {
		return append(dst, p.refused...), p.status
	}
	return r.execute(dst, p.plan, p.vars), p.status
}

func (r *request) execute(dst []byte, p *plan.Plan, vars *plan.Vars) []byte {
	if len(p.Roots) > 0 && p.Roots[0].Means != nil && p.Roots[0].Means.Entity != nil {
		r.x.LogEntity = p.Roots[0].Means.Entity.Name
	}
	out := run.Do(r.x.Context(), run.Request{
		Caller: r.t.door.Caller, Room: &r.room, Project: r.project.Slug, Header: r.header, Plan: p, Vars: vars, MinPosition: r.min, Log: r.t.door.Log,
	}, dst)
	if !out.Position.IsZero() {
		var room [40]byte
		r.x.Ctx.Response.Header.SetBytesV("Octo-Position", out.Position.Append(room[:0]))
	}
	if out.Replayed {
		r.x.SetHeader("Idempotency-Replayed", "true")
	}
	if out.Err != nil {
		_ = r.x.Coded(out.Err)
	}
	return out.Body
}
