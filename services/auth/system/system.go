// Package system is the auth service's own project: keys, projects and the
// audit trail go in and out as Go structs, and lie in an ordinary Store whose
// schemas are embedded here. Nobody else opens it.
package system

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// The entities.
const (
	APIKey  = "ApiKey"
	Scope   = "ApiKeyScope"
	Project = "Project"
	Audit   = "Audit"
)

//go:embed schemas.json
var schemas []byte

// Catalog returns the compiled schemas of the system store.
func Catalog() (*schema.Catalog, error) { return schema.Parse(schemas) }

// Records reads and writes records of the system store. It is safe for
// concurrent use. All errors are *fault.Error.
type Records struct{ caller mesh.Caller }

// New returns the Records behind a Caller that serves the schemas of Catalog.
func New(c mesh.Caller) *Records { return &Records{caller: c} }

// Principal is who the auth service is in its own store.
var Principal = &mesh.Principal{ID: "s:auth", Kind: mesh.Service}

// Args is a request object.
type Args map[string]any

// call does one op and decodes the reply's data into out, unless that is nil.
func (r *Records) call(ctx context.Context, entity, op string, args Args, out any) error {
	body, err := json.Marshal(args)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "a record of the system store cannot be written")
	}
	reply, err := r.caller.Call(ctx, &mesh.Request{
		Project: "_system", Entity: entity, Op: op, Args: body, Principal: Principal,
		Header: mesh.Header{Transport: "auth"},
	})
	if err != nil {
		return fault.From(err)
	}
	if out == nil {
		return nil
	}
	var data struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(reply.Body, &data); err == nil && data.Data != nil {
		err = json.Unmarshal(data.Data, out)
		if err == nil {
			return nil
		}
		return fault.Wrap(err, fault.Internal, "a record of the system store cannot be read")
	}
	return fault.Wrap(fmt.Errorf("%.200s", reply.Body), fault.Internal, "a reply of the system store cannot be read")
}

// Get returns the record of that id, or nil.
func Get[T any](ctx context.Context, r *Records, entity, id string) (*T, error) {
	var out *T
	err := r.call(ctx, entity, "findById", Args{"id": id}, &out)
	return out, err
}

// page is how many records one read of All takes.
const page = 500

// All returns the records that match a filter, by id.
func All[T any](ctx context.Context, r *Records, entity string, filter any) ([]T, error) {
	var all []T
	for {
		var some []T
		err := r.call(ctx, entity, "findAll", Args{"filter": filter, "sort": Args{"id": 1}, "limit": page, "skip": len(all)}, &some)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < page {
			return all, nil
		}
	}
}

// Create stores a record. Errors: CONFLICT when its id or a unique value is taken.
func (r *Records) Create(ctx context.Context, entity string, data any) error {
	return r.call(ctx, entity, "create", Args{"data": data}, nil)
}

// Update changes members of a record. Errors: NOT_FOUND.
func (r *Records) Update(ctx context.Context, entity, id string, data any) error {
	var found *struct{}
	if err := r.call(ctx, entity, "update", Args{"id": id, "data": data}, &found); err != nil {
		return err
	}
	if found == nil {
		return fault.New(fault.NotFound, "there is no %s %q", entity, id)
	}
	return nil
}

// Delete removes a record and reports whether it was there.
func (r *Records) Delete(ctx context.Context, entity, id string) (bool, error) {
	var ok bool
	err := r.call(ctx, entity, "delete", Args{"id": id}, &ok)
	return ok, err
}

// Upsert creates the record of that id or replaces what data names.
func (r *Records) Upsert(ctx context.Context, entity, id string, data any) error {
	return r.call(ctx, entity, "upsert", Args{"filter": Args{"id": id}, "data": data}, nil)
}

// Increment adds to a number of a record.
func (r *Records) Increment(ctx context.Context, entity, id, field string, amount int64) error {
	return r.call(ctx, entity, "increment", Args{"id": id, "field": field, "amount": amount}, nil)
}

// Entry is one line of the audit trail.
type Entry struct {
	Action    string    `json:"action"` // keys.create, …
	Actor     string    `json:"actor"`  // principal id
	Target    string    `json:"target,omitempty"`
	Outcome   string    `json:"outcome"` // ok, or a fault code
	RequestID string    `json:"requestId,omitempty"`
	Transport string    `json:"transport,omitempty"`
	At        time.Time `json:"at"`
}

// Audit writes a line of the audit trail.
func (r *Records) Audit(ctx context.Context, e Entry) error { return r.Create(ctx, Audit, e) }
