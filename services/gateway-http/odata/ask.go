package odata

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/translate"
)

// page is the largest page that a worker gives; an answer of so many is taken
// for one that was cut off.
const page = 1000

// mesh sends one call. The op is what logs say that the request was.
func (r *request) mesh(entity, op string, args []byte) (*mesh.Reply, error) {
	m := mesh.Request{Project: r.project.Slug, Entity: entity, Op: op, Args: args, Header: r.call}
	if o := mesh.LookupOp(entity, op); o == nil || o.Class == mesh.Read {
		m.IdempotencyKey = ""
	}
	reply, err := r.t.door.Caller.Call(r.ctx, &m)
	if err != nil || op == "stream" {
		return reply, err
	}
	body, err := r.room.Whole(r.ctx, reply)
	if err != nil || reply.Chunks == nil {
		return reply, err
	}
	whole := *reply
	whole.Body, whole.Chunks = body, nil
	return &whole, nil
}

// read sends a reading call and takes its reply apart.
func (r *request) read(t *metadata.Type, op string, args []byte) (data, meta []byte, err error) {
	reply, err := r.mesh(t.Name, op, args)
	if err != nil {
		return nil, nil, err
	}
	return parts(reply.Body)
}

// one reads a record of which only some members are needed. Errors: NOT_FOUND.
func (r *request) one(at reference, name, relation string) ([]byte, error) {
	args := append([]byte(`{"id":`), at.id...)
	args = schema.AppendString(append(args, `,"select":[`...), name)
	args = append(args, ']')
	if relation != "" {
		args = append(schema.AppendString(append(args, `,"relations":[`...), relation), ']')
	}
	data, _, err := r.read(at.typ, "findById", append(r.position(args), '}'))
	if err != nil {
		return nil, err
	}
	if isNull(data) {
		return nil, notFound("there is no record with this key")
	}
	return data, nil
}

// minPosition is the position that reads wait for, "" for none.
func (r *request) minPosition() string {
	if p := r.header("Octo-Min-Position"); p != "" {
		return p
	}
	return r.custom("minPosition")
}

// position adds it to arguments.
func (r *request) position(args []byte) []byte {
	if p := r.minPosition(); p != "" {
		args = schema.AppendString(add(args, "minPosition"), p)
	}
	return args
}

func (r *request) translator() *translate.Translator {
	return &translate.Translator{Aliases: r.options.Aliases, Now: r.t.Now()}
}

// ask answers a question that a filter has: a JSON array of ids.
// Errors: INVALID_FILTER when there are too many.
func (r *request) ask(s *translate.Sub) ([]byte, error) {
	args, op := []byte(`{`), "findAll"
	var err error
	if s.By == "" {
		if s.Where != nil {
			if args, err = s.Where.Append(append(args, `"filter":`...), r.ask); err != nil {
				return nil, err
			}
			args = append(args, ',')
		}
		args = append(args, `"select":["id"],"limit":1000`...)
	} else if args, err = r.grouped(args, s); err != nil {
		return nil, err
	} else {
		op = "aggregate"
	}
	data, _, err := r.read(s.Type, op, append(r.position(args), '}'))
	if err != nil {
		return nil, err
	}
	ids, n := []byte{'['}, 0
	list := within(data)
	for {
		row, ok := list.next()
		if !ok {
			break
		}
		id := idOf(row)
		if s.By != "" {
			id = []byte(text(member(row, s.By)))
		}
		if n++; n > 1 {
			ids = append(ids, ',')
		}
		ids = append(append(append(ids, '"'), id...), '"')
	}
	if n >= page {
		return nil, fault.New(fault.InvalidFilter, "a condition on %s leaves %d records or more: narrow it, or ask %s itself", s.Type.Set, page, s.Type.Set)
	}
	return append(ids, ']'), nil
}

// grouped writes the stages that give the distinct values of a member.
func (r *request) grouped(args []byte, s *translate.Sub) ([]byte, error) {
	args = append(args, `"stages":[{"$match":`...)
	there := translate.Exists(s.By)
	if s.Where != nil {
		there = translate.And(there, s.Where)
	}
	args, err := there.Append(args, r.ask)
	if err != nil {
		return nil, err
	}
	n := "n"
	if strings.EqualFold(s.By, n) {
		n = "m"
	}
	args = schema.AppendString(append(args, `},{"$group":{"_by":`...), s.By)
	args = append(append(append(args, `,"`...), n...), `":{"$count":true}}}`...)
	if s.Having != nil {
		args = append(append(append(args, `,{"$match":{"`...), n...), `":{"`...)
		args = append(append(append(args, s.Having.Op...), `":`...), s.Having.N...)
		args = append(args, `}}}`...)
	}
	return append(args, ']'), nil
}
