package odata

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

const (
	// maxParts bounds the requests of one batch.
	maxParts = 100
	// maxBatchReply bounds the replies of one batch together, in bytes.
	maxBatchReply = 32 << 20
)

// batch is the requests of one $batch, in order.
type batch struct {
	outer *request
	parts []*part
	made  map[string]reference // by a part's id: the record that it created
	size  int
}

// part is one request of a batch.
type part struct {
	id, group string
	after     []string
	method    string
	url       string
	headers   map[string]string // by lower-case name
	body      []byte
	bad       error
	answered  *request // with its response
	skipped   bool     // not done, because an earlier one failed
}

// batchReference finds what $id stands for: a record that an earlier part of the
// batch made.
func (r *request) batchReference(name string) (reference, bool) {
	id, ok := strings.CutPrefix(name, "$")
	if !ok || r.batch == nil {
		return reference{}, false
	}
	if r.group != nil {
		if n, ok := r.group.index[id]; ok && n < len(r.group.of) {
			made := r.group.of[n].res.entity
			if made.typ == nil {
				return reference{}, false
			}
			return reference{made.typ, `{"$ref":` + strconv.Itoa(n) + `}`}, true
		}
	}
	made, ok := r.batch.made[id]
	return made, ok
}

// batched serves $batch.
func (r *request) batched() error {
	r.x.Op = "batch"
	if r.method != "POST" || len(r.segments) > 1 {
		return r.allow("POST")
	}
	if r.batch != nil {
		return fault.New(fault.InvalidRequest, "a batch holds no other batch")
	}
	b := &batch{outer: r, made: map[string]reference{}}
	kind, boundary := contentType(r.header("Content-Type"))
	var err error
	switch kind {
	case "multipart/mixed":
		err = b.multipart(boundary)
	case "application/json", "":
		err = b.readJSON()
	default:
		return &status{415, fault.New(fault.InvalidRequest, "a batch is application/json or multipart/mixed")}
	}
	if err != nil {
		return err
	}
	if err := b.run(); err != nil {
		return err
	}
	if r.form.prefer.proceed {
		r.res.applied("continue-on-error")
	}
	// Clients of 4.0 ask for JSON with every request, and mean the parts; only 4.01
	// lets a multipart batch be answered in JSON.
	asked := strings.HasPrefix(r.header("Accept"), "application/json") && strings.TrimSpace(r.header("OData-MaxVersion")) == "4.01"
	if kind == "multipart/mixed" && !asked {
		b.replyMultipart()
	} else {
		b.replyJSON()
	}
	r.x.Op = "batch"
	return nil
}

// readJSON reads a batch as section 19 of the JSON format has it.
func (b *batch) readJSON() error {
	if err := strictjson.Check(b.outer.body, strictjson.DefaultDepth); err != nil {
		return err
	}
	var in struct {
		Requests []struct {
			ID      string            `json:"id"`
			Method  string            `json:"method"`
			URL     string            `json:"url"`
			Group   string            `json:"atomicityGroup"`
			After   []string          `json:"dependsOn"`
			Headers map[string]string `json:"headers"`
			Body    json.RawMessage   `json:"body"`
			If      json.RawMessage   `json:"if"`
		} `json:"requests"`
	}
	if err := json.Unmarshal(b.outer.body, &in); err != nil {
		return fault.New(fault.InvalidRequest, "a batch is {\"requests\":[{\"id\",\"method\",\"url\",\"headers\",\"body\"},…]}, with texts for id, method and url")
	}
	ids, groups, last := map[string]bool{}, map[string]bool{}, ""
	for _, q := range in.Requests {
		p := &part{id: q.ID, group: q.Group, after: q.After, method: strings.ToUpper(q.Method), url: q.URL, headers: map[string]string{}, body: q.Body}
		for name, value := range q.Headers {
			p.headers[strings.ToLower(name)] = value
		}
		if q.If != nil {
			p.bad = fault.New(fault.Unsupported, "the condition \"if\" of a request can't be asked: send it in a batch of its own, or with If-Match")
		}
		switch {
		case q.ID == "" || ids[q.ID] || groups[q.ID]:
			return fault.New(fault.InvalidRequest, "every request of a batch has an id of its own")
		case q.Group != "" && q.Group != last && groups[q.Group]:
			return fault.New(fault.InvalidRequest, "the requests of an atomicity group stand next to each other")
		}
		if last = q.Group; last != "" {
			groups[last] = true
		}
		for _, id := range q.After {
			if !ids[id] && !groups[id] {
				return fault.New(fault.InvalidRequest, "dependsOn names %q, which no earlier request has as its id or atomicity group", short(id))
			}
		}
		ids[q.ID] = true
		if p.headers["content-type"] != "" && len(p.body) > 0 && p.body[0] == '"' && !strings.Contains(p.headers["content-type"], "json") {
			var text string
			if json.Unmarshal(p.body, &text) == nil {
				p.body = []byte(text)
			}
		}
		if err := b.add(p); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) add(p *part) error {
	if len(b.parts) == maxParts {
		return fault.New(fault.InvalidRequest, "a batch has at most %d requests", maxParts)
	}
	b.parts = append(b.parts, p)
	return nil
}

// run does the parts in order; those of an atomicity group together.
func (b *batch) run() error {
	failed := map[string]bool{}
	for i := 0; i < len(b.parts); {
		end := i + 1
		for b.parts[i].group != "" && end < len(b.parts) && b.parts[end].group == b.parts[i].group {
			end++
		}
		run := b.parts[i:end]
		ok := b.ready(run, failed)
		if ok {
			if run[0].group != "" {
				ok = b.atomic(run)
			} else {
				ok = b.single(run[0])
			}
		}
		if !ok {
			for _, p := range run {
				failed[p.id] = true
			}
			failed[run[0].group] = run[0].group != ""
		}
		if i = end; !ok && !b.outer.form.prefer.proceed {
			b.parts = b.parts[:end]
			break
		}
		if b.size > maxBatchReply {
			return fault.New(fault.PayloadTooLarge, "the replies of the batch are larger than %d bytes", maxBatchReply)
		}
	}
	return nil
}

// ready refuses parts whose predecessors failed.
func (b *batch) ready(run []*part, failed map[string]bool) bool {
	for _, p := range run {
		for _, id := range p.after {
			if failed[id] {
				for _, q := range run {
					b.dropped(q, "a request that it depends on failed")
				}
				return false
			}
		}
	}
	return true
}

func (b *batch) dropped(p *part, why string) {
	p.answered = &request{x: b.outer.x, form: b.outer.form}
	p.answered.res.err = &status{http.StatusFailedDependency, fault.New(fault.InvalidRequest, "%s", why)}
}

// request makes the request that a part is. Each part counts for its caller's
// rate, the first one with the batch itself.
func (b *batch) request(p *part, n int, g *group) *request {
	o := b.outer
	r := &request{
		t: o.t, x: o.x, ctx: o.ctx, project: o.project, model: o.model, call: o.call, root: o.root, form: o.form,
		method: p.method, body: p.body, batch: b, group: g, room: o.room,
		header: func(name string) string { return p.headers[strings.ToLower(name)] },
	}
	p.answered = r
	err := p.bad
	if err == nil {
		r.segments, r.query, err = b.resolve(p.url)
	}
	if err == nil {
		err = b.sameProject(r)
	}
	if err == nil && n > 0 {
		_, _, _, err = o.t.door.Identify(o.x, false)
	}
	if key := p.headers["idempotency-key"]; key != "" {
		r.call.IdempotencyKey = key
	} else if r.call.IdempotencyKey != "" {
		r.call.IdempotencyKey += "/" + strconv.Itoa(n)
	}
	if len(r.call.IdempotencyKey) > 128 || strings.Trim(r.call.IdempotencyKey, visible) != "" {
		err = fault.New(fault.InvalidRequest, "Idempotency-Key must be 1 to 128 visible ASCII characters")
	}
	switch p.method {
	case "GET", "POST", "PATCH", "PUT", "DELETE", "MERGE":
	default:
		if err == nil {
			err = fault.New(fault.MethodNotAllowed, "a request of a batch is GET, POST, PATCH, PUT or DELETE")
		}
	}
	r.res.err = err
	return r
}

const visible = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

func (b *batch) place(p *part) int {
	for i, q := range b.parts {
		if q == p {
			return i
		}
	}
	return 0
}

func (b *batch) single(p *part) bool {
	r := b.request(p, b.place(p), nil)
	if r.res.err == nil {
		r.run()
	}
	if r.res.err == nil && r.res.entity.typ != nil {
		b.made[p.id] = r.res.entity
	}
	b.size += len(r.res.body)
	return r.res.err == nil
}

// resolve takes a part's URL apart: relative to the service root, from the host's
// root, or whole.
func (b *batch) resolve(at string) (segments []string, query string, err error) {
	at, query, _ = strings.Cut(at, "?")
	// Of this project and no other: the batch is authorized as a whole.
	path, ok := b.outer.below(at)
	if !ok {
		return nil, "", fault.New(fault.InvalidRequest, "a request of a batch is below the batch's own service root")
	}
	for s := range strings.SplitSeq(strings.TrimSuffix(path, "/"), "/") {
		text, err := unescape(s)
		if err != nil || text == "" || text == "." || text == ".." || len(segments) == 8 {
			return nil, "", errPath
		}
		segments = append(segments, text)
	}
	return segments, query, nil
}

// sameProject refuses a part that names another project than the batch: all of
// it is done in one.
func (b *batch) sameProject(r *request) error {
	options, _ := url.ParseQuery(r.query) // what can't be read is refused where it is used
	for _, named := range []string{r.header("X-Project"), options.Get("project")} {
		if named != "" && named != b.outer.project.Slug {
			return fault.New(fault.InvalidRequest, "a request of a batch is done in the batch's own project: name another one in a batch of its own")
		}
	}
	return nil
}

// below takes the service root off a URL, which may be relative to it, begin at
// the host's root, or be whole: then any host may stand there, since a proxy may
// have its own name for this one. ok is false below any other root, such as
// another project's.
func (r *request) below(address string) (path string, ok bool) {
	own, _ := fromHost(r.root)
	at, whole := fromHost(address)
	if !whole && !strings.HasPrefix(address, "/") {
		return address, true
	}
	return strings.CutPrefix(at, own)
}

// fromHost returns a URL's path, and whether a scheme and a host stood before it.
func fromHost(address string) (path string, whole bool) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok || strings.ContainsAny(scheme, "/('") {
		return address, false
	}
	_, path, _ = strings.Cut(rest, "/")
	return "/" + path, true
}

// httpStatus is a response's status.
func (r *request) httpStatus() int {
	if r.res.err == nil {
		return r.res.status
	}
	var s *status
	if errors.As(r.res.err, &s) && s.http != 0 {
		return s.http
	}
	if n := versionStatus(r.res.err); n != 0 {
		return n
	}
	return fault.From(r.res.err).Code.HTTP()
}
