package entity

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/entity/projects"
)

// native is the transport of those who call over NATS without a gateway.
const native = "nats"

// caller is the way of a project's calls through the worker.
func (s *Service) caller(p *projects.Project) mesh.Caller {
	execute := mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
		guard, err := access.GuardFor(p.Store.Catalog(), r.Principal)
		if err != nil {
			return nil, err
		}
		if guard == nil { // a nil *Guard would be a Guard that is not nil
			return p.Store.Call(ctx, r, nil)
		}
		return p.Store.Call(ctx, r, guard)
	})
	return mesh.Chain(execute, s.observed, recovered, s.identified, s.authorized(p), awaited(p))
}

// recovered turns a panic into INTERNAL with the stack as its cause.
func recovered(next mesh.Caller) mesh.Caller {
	return mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (reply *mesh.Reply, err error) {
		defer func() {
			if v := recover(); v != nil {
				reply, err = nil, fault.Wrap(fmt.Errorf("panic: %v\n%s", v, debug.Stack()), fault.Internal, "something went wrong on our side")
			}
		}()
		return next.Call(ctx, r)
	})
}

// observed counts and logs. It is the last to see an error, and what leaves it
// as INTERNAL says no more than the request id under which the log has the
// cause.
func (s *Service) observed(next mesh.Caller) mesh.Caller {
	return mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
		start := time.Now()
		reply, err := next.Call(ctx, r)
		took := time.Since(start)
		// Whoever came through a gateway has his line there.
		slow := took >= telemetry.Slow && r.Native != ""
		op, code := "other", "ok"
		if known := mesh.LookupOp(r.Entity, r.Op); known != nil {
			op = known.Name
		}
		if err == nil {
			s.metrics.Request(transport(r), op, code, took)
			if slow {
				s.note(r, "a slow call", code, took, nil)
			}
			return reply, nil
		}
		f := fault.From(err)
		s.metrics.Request(transport(r), op, string(f.Code), took)
		if f.Code == fault.Internal {
			id := r.RequestID
			if id == "" {
				id = telemetry.NewRequestID()
			}
			s.log.Error("a call failed", append(attributes(r, id, string(f.Code), took), telemetry.KeyError, f.Error())...)
			// Without the cause, or the host would log it once more.
			return nil, fault.New(fault.Internal, "something went wrong on our side; the log has the cause under the request id %s", id)
		}
		if f.Code.HTTP() >= 500 || slow {
			s.note(r, "a call failed", string(f.Code), took, f)
		}
		return nil, f
	})
}

func (s *Service) note(r *mesh.Request, what, code string, took time.Duration, err error) {
	all := attributes(r, r.RequestID, code, took)
	if err != nil {
		all = append(all, telemetry.KeyError, err.Error())
	}
	s.log.Warn(what, all...)
}

func attributes(r *mesh.Request, id, code string, took time.Duration) []any {
	return []any{
		telemetry.KeyRequestID, id, telemetry.KeyProject, r.Project, telemetry.KeyEntity, r.Entity,
		telemetry.KeyOp, r.Op, telemetry.KeyTransport, transport(r), telemetry.KeyCode, code,
		telemetry.KeyMillis, took.Milliseconds(),
	}
}

// transport is the door that a call came through. What the server says of a
// native client is true whatever a header says.
func transport(r *mesh.Request) string {
	if r.Native != "" {
		return native
	}
	return r.Transport
}

// feed is the principal of gateways that read a change log for their Feed.
var feed = &mesh.Principal{ID: "s:feed", Kind: mesh.Service, Scopes: mesh.Scopes{
	access.Projects: {"*"}, access.Operations: {"read"}, access.Transports: {"feed"},
}}

// ofFeed reports whether a call is a gateway's own, for the changes that its
// Feed has missed. Nobody but a gateway can say "feed": a client names no
// transport, and a native one is told by the server. A gateway sees every
// change on the live subjects anyway, so this opens nothing to it.
func ofFeed(r *mesh.Request) bool {
	return r.Transport == "feed" && r.Native == "" && r.Token == "" &&
		r.Entity == mesh.ProjectEntity && r.Op == "changes"
}

// identified finds out who calls.
func (s *Service) identified(next mesh.Caller) mesh.Caller {
	return mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
		who := feed
		if !ofFeed(r) {
			var err error
			if who, err = s.identity.Caller(ctx, &r.Header); err != nil {
				return nil, err
			}
			if err = s.within(who, r.Native); err != nil {
				return nil, err
			}
		}
		c := known.Get().(*mesh.Request)
		*c = *r
		c.Principal, c.Transport = who, transport(r)
		reply, err := next.Call(ctx, c)
		// A write that was given up may still be under way, and chunks still come.
		if err == nil && reply.Chunks == nil {
			*c = mesh.Request{}
			known.Put(c)
		}
		return reply, err
	})
}

// known are requests whose caller is known.
var known = sync.Pool{New: func() any { return new(mesh.Request) }}

// within holds a native client to its rate. Whoever comes through a gateway was
// counted there.
func (s *Service) within(p *mesh.Principal, native string) error {
	if native == "" {
		return nil
	}
	_, err := s.rates.Take(p)
	return err
}

// classes adds the classes that a request's caller must have. An op that does not
// exist is asked for as a read: who may not even read is not told what there is.
// A transaction needs, beside write, read for the reads in it. guarded tells that
// deleteMany needs admin beside write, in a transaction too.
func classes(list []mesh.Class, r *mesh.Request, guarded bool) []mesh.Class {
	op := mesh.LookupOp(r.Entity, r.Op)
	if op == nil {
		return append(list, mesh.Read)
	}
	list = demand(list, op, guarded)
	if op.Name != "transaction" {
		return list
	}
	doc, err := strictjson.Parse(r.Args)
	if err != nil { // the store says what is wrong with it
		return list
	}
	defer doc.Release()
	operations := doc.Root.Get("operations")
	if text := operations.GetStringBytes(); text != nil { // a list may come as its JSON text
		inner, err := strictjson.Parse(text)
		if err != nil {
			return list
		}
		defer inner.Release()
		operations = inner.Root
	}
	for _, item := range operations.GetArray() {
		if inner := mesh.LookupOp("", string(item.GetStringBytes("op"))); inner != nil {
			list = demand(list, inner, guarded)
		}
	}
	return list
}

// demand adds what an op needs.
func demand(list []mesh.Class, op *mesh.Op, guarded bool) []mesh.Class {
	if !slices.Contains(list, op.Class) {
		list = append(list, op.Class)
	}
	if guarded && op.Name == "deleteMany" && !slices.Contains(list, mesh.Admin) {
		list = append(list, mesh.Admin)
	}
	return list
}

// authorized asks access.
func (s *Service) authorized(p *projects.Project) mesh.Middleware {
	guarded := s.config.DeleteMany == mesh.Admin.String()
	return func(next mesh.Caller) mesh.Caller {
		return mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
			var room [3]mesh.Class
			for _, class := range classes(room[:0], r, guarded) {
				if err := access.Check(r.Principal, access.Ask{ProjectID: p.ID, Project: p.Slug, Class: class, Transport: r.Transport}); err != nil {
					return nil, err
				}
			}
			return next.Call(ctx, r)
		})
	}
}

// awaited lets a call wait for a moment when it was made with a catalog that
// the worker has not heard of yet.
func awaited(p *projects.Project) mesh.Middleware {
	return func(next mesh.Caller) mesh.Caller {
		return mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
			p.Await(ctx, r.CatalogVersion)
			return next.Call(ctx, r)
		})
	}
}
