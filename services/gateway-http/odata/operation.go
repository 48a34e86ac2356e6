package odata

import (
	"errors"
	"io"
	"strconv"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
	"github.com/octomesh/octomesh/services/gateway-http/odata/translate"
)

// operation serves a function or action of the namespace MostaJS: the ops of the
// mesh for which the standard has no verb. id is that of the record that it is
// bound to; where tells the records of the set that it is bound to, nil for all.
func (r *request) operation(o *metadata.Operation, t *metadata.Type, where translate.Cond, id string) error {
	r.x.Op = o.Name
	if !o.Action {
		if r.method != "GET" {
			return r.allow("GET, HEAD")
		}
		if o.Name == "stream" {
			return r.streamAll(t, where)
		}
		return r.findOne(t, where)
	}
	if r.method != "POST" {
		return r.allow("POST")
	}
	if where != nil {
		return fault.New(fault.Unsupported, "an action is for a whole entity set: send the condition as a parameter, or use …/$each")
	}
	args, err := r.parameters(id)
	if err != nil {
		return err
	}
	var allowed parse.Given
	if o.Gives == metadata.OneEntity {
		allowed = forOne
	}
	read, err := r.plan(t, nil, allowed)
	if err != nil {
		return err
	}
	if o.Gives == metadata.OneEntity {
		if args, err = r.populated(args, read); err == nil {
			args, err = r.expected(args)
		}
	} else {
		err = r.unconditional()
	}
	if err != nil {
		return err
	}
	if o.Name == "aggregate" {
		data, _, err := r.read(t, "aggregate", append(args, '}'))
		if err != nil {
			return err
		}
		r.value("Collection(Edm.Untyped)", data)
		return nil
	}
	return r.do(write{t.Name, o.Name, args, func(data []byte, reply *mesh.Reply) error {
		if o.Gives == metadata.ANumber {
			r.value("Edm.Int64", strconv.AppendInt(nil, touched(data, reply), 10))
			return nil
		}
		if isNull(data) {
			return r.missing()
		}
		return r.changed(read, data, reply, 200, r.root+t.Set+"('"+string(idOf(data))+"')")
	}})
}

// touched is how many records an op changed: data, or where a reply has none,
// metadata.count.
func touched(data []byte, reply *mesh.Reply) int64 {
	if len(data) > 0 {
		return number(data)
	}
	_, meta, err := parts(reply.Body)
	if err != nil {
		return 0
	}
	return number(member(meta, "count"))
}

func (r *request) value(kind string, value []byte) {
	body := r.context([]byte{'{'}, kind)
	r.json(200, append(append(append(body, `"value":`...), value...), '}'))
}

// parameters begins the request object with the members of the body.
func (r *request) parameters(id string) ([]byte, error) {
	args := []byte{'{'}
	if id != "" {
		args = append(add(args, "id"), id...)
	}
	if err := r.jsonBody(); err != nil || len(r.body) == 0 {
		return args, err
	}
	doc, err := strictjson.Parse(r.body)
	if err != nil {
		return nil, err
	}
	defer doc.Release()
	if _, err := doc.Root.Object(); err != nil {
		return nil, fault.New(fault.InvalidRequest, "the body must be a JSON object with the action's parameters")
	}
	compact := strictjson.Compact(nil, doc.Root)
	if len(compact) == 2 {
		return args, nil
	}
	if len(args) > 1 {
		args = append(args, ',')
	}
	return append(args, compact[1:len(compact)-1]...), nil
}

func (r *request) findOne(t *metadata.Type, where translate.Cond) error {
	read, err := r.plan(t, where, forFirst)
	if err != nil {
		return err
	}
	args, err := r.arguments(read)
	if err != nil {
		return err
	}
	data, _, err := r.read(t, "findOne", append(args, '}'))
	if err != nil {
		return err
	}
	if isNull(data) {
		r.res.status = 204
		return nil
	}
	if v := versionOf(data); len(v) > 0 {
		r.res.set("ETag", `W/"`+string(v)+`"`)
	}
	return r.show(read, data, 200)
}

// transaction serves the action import of that name: operations of the mesh, all
// or none.
func (r *request) transaction() error {
	r.x.Op = "transaction"
	if r.method != "POST" || len(r.segments) > 1 {
		return r.allow("POST")
	}
	if err := r.takes(0); err != nil {
		return err
	}
	if r.group != nil {
		return fault.New(fault.InvalidRequest, "an atomicity group is a transaction: it holds no other one")
	}
	args, err := r.parameters("")
	if err != nil {
		return err
	}
	return r.do(write{mesh.ProjectEntity, "transaction", args, func(data []byte, _ *mesh.Reply) error {
		r.value("Collection(Edm.Untyped)", data)
		return nil
	}})
}

// streamAll serves MostaJS.stream: every record that the options leave, a line
// each, in constant memory.
func (r *request) streamAll(t *metadata.Type, where translate.Cond) error {
	if r.batch != nil {
		return fault.New(fault.Unsupported, "a stream stands in no batch")
	}
	read, err := r.plan(t, where, forFirst|parse.GivenTop|parse.GivenSkip)
	if err != nil {
		return err
	}
	for _, x := range read.Expand {
		if x.Own() {
			return fault.New(fault.Unsupported, "a stream expands %s without options of its own", x.Name)
		}
	}
	args, err := r.arguments(read)
	if err != nil {
		return err
	}
	if read.Top >= 0 {
		args = strconv.AppendInt(add(args, "limit"), read.Top, 10)
	}
	if read.Skip > 0 {
		args = strconv.AppendInt(add(args, "skip"), read.Skip, 10)
	}
	ctx, cancel := r.x.LongContext()
	r.ctx = ctx
	reply, err := r.mesh(t.Name, "stream", append(args, '}'))
	if err != nil {
		cancel()
		return err
	}
	s := &streamed{reply: reply, ctx: ctx, cancel: cancel}
	if reply.Chunks == nil {
		cancel()
		r.res.status, r.res.body, r.res.kind = 200, reply.Body, "application/x-ndjson"
		return nil
	}
	// The first chunk is awaited, so that a refusal still gets its own status.
	if s.first, err = reply.Chunks.Next(ctx); err != nil {
		if !errors.Is(err, io.EOF) {
			_ = reply.Chunks.Close()
			cancel()
			return err
		}
		s.ended = true
	}
	r.res.status, r.res.stream = 200, s
	return nil
}
