package trpc

import (
	"fmt"
	"strings"

	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// preamble are the types that every project's declarations begin with. D is what
// a date is: text, or with superjson a Date.
var preamble = `// Use: import type { AppRouter } from "./types"; createTRPCClient<AppRouter>({links: [httpBatchLink({url: "…/trpc"})]})
import type {
  TRPCBuiltRouter, TRPCMutationProcedure, TRPCQueryProcedure, TRPCSubscriptionProcedure,
  TRPCDefaultErrorData, TRPCErrorShape,
} from "@trpc/server";

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type Code = ` + codesOf() + `;

/** What an error's data has: tRPC's members, and the house's. */
export interface ErrorData extends TRPCDefaultErrorData {
  error: { code: Code; message: string; details?: unknown };
  requestId: string;
  retryAfter?: number;
}
/** A page, a record or a figure, and what belongs to it. */
export interface Reply<T> { status: "ok"; data: T; metadata?: Metadata }
export interface Metadata { count?: number; total?: number; next?: string; cursors?: string[]; position?: string }

/** The filter language of docs/query.md. */
export type Filter = { [field: string]: unknown };
export interface Read { select?: string[] | string; exclude?: string[] | string; relations?: string[] | string; includeDeleted?: boolean; minPosition?: string }
export interface Page extends Read { sort?: { [field: string]: 1 | -1 } | string; limit?: number; skip?: number; cursor?: string; cursors?: boolean; count?: boolean }
export interface Write { idempotencyKey?: string }
export interface WriteOne extends Write { id: string; expectedVersion?: number; relations?: string[] | string }
export interface EventsInput { filter?: Filter; position?: string; lastEventId?: string | null }

/** A change as it is told; see docs/live.md. */
export interface Change<T, D> {
  type: "event"; event: "entity.created" | "entity.updated" | "entity.deleted" | "entity.upserted";
  project: string; entity: string; id: string; data?: T; truncated?: true; changed?: string[]; inserted?: boolean;
  match?: "enter" | "stay" | "leave"; position: string; at: D;
}
/** Changes before the position are out of reach: read the state anew. */
export interface Gap { type: "gap"; position: string }
export type Event<T, D> = Change<T, D> | Gap;

type Query<I, O> = TRPCQueryProcedure<{ input: I; output: O; meta: unknown }>;
type Mutation<I, O> = TRPCMutationProcedure<{ input: I; output: O; meta: unknown }>;
type Subscription<I, O> = TRPCSubscriptionProcedure<{ input: I | void; output: AsyncIterable<{ id: string; data: O }, void, any>; meta: unknown }>;
`

const closing = `
type Root<T extends boolean> = { ctx: object; meta: object; errorShape: TRPCErrorShape<ErrorData>; transformer: T };
/** The router for clients without a transformer: dates are texts. */
export type AppRouter = TRPCBuiltRouter<Root<false>, Procedures<string>>;
/** The router for clients with superjson, which add ?transformer=superjson to the URL: dates are Dates. */
export type SuperJSONRouter = TRPCBuiltRouter<Root<true>, Procedures<Date>>;
`

// taken are the names that an entity's type may not have.
var taken = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(`Json Code ErrorData Reply Metadata Filter Read Page Write WriteOne EventsInput Change Gap Event Query
		Mutation Subscription Procedures Root AppRouter SuperJSONRouter D Date Partial Omit AsyncIterable`) {
		m[name] = true
	}
	return m
}()

// declarations are TypeScript while it is written.
type declarations struct {
	catalog *schema.Catalog
	b       []byte
}

// name is an entity's type: its own name, which has no underscore, unless that
// means something else.
func (w *declarations) name(e *schema.Entity) string {
	input := e.Name + "Input"
	if taken[e.Name] || taken[input] || w.catalog.Entity(input) != nil || e.Name[0] >= 'a' || strings.HasPrefix(e.Name, "TRPC") {
		return e.Name + "_"
	}
	return e.Name
}

func (w *declarations) line(format string, args ...any) {
	w.b = append(fmt.Appendf(w.b, format, args...), '\n')
}

// entity declares a record, and what it is made and changed with.
func (w *declarations) entity(e *schema.Entity, v mesh.View) {
	w.line("\n%sexport interface %s<D> {", comment("", e.Description), w.name(e))
	for _, m := range e.Members {
		switch c := m.Column; {
		case c != nil && c.Hidden:
		case m.Relation != nil:
			w.line("  %s?: %s;", m.Name, w.relation(m.Relation))
		default:
			w.line("%s  %s%s: %s%s;", comment("  ", description(c)), m.Name, optional(c), typeOf(c), orNull(c))
		}
	}
	w.line("}")
	if !v.Write {
		return
	}
	w.line("export interface %sInput<D> {\n  id?: string;", w.name(e))
	for _, f := range e.Fields {
		c := e.Column(f.Name)
		if c == nil {
			continue
		}
		mark := "?"
		if f.Required && f.Default == nil {
			mark = ""
		}
		w.line("  %s%s: %s%s;", f.Name, mark, typeOf(c), orNull(c))
	}
	for _, r := range e.Relations {
		mark, ids := "?", "string | null"
		if r.Type == schema.OneToMany || r.Type == schema.ManyToMany {
			ids = "string[]"
		} else if r.Required {
			mark, ids = "", "string"
		}
		w.line("  %s%s: %s;", r.Name, mark, ids)
	}
	w.line("}")
}

// optional: a reader may select members, and then the others are not there.
func optional(c *schema.Column) string {
	if c.Role == schema.RoleID || c.Role == schema.RoleVersion {
		return ""
	}
	return "?"
}

func orNull(c *schema.Column) string {
	if c.Required || c.Role == schema.RoleID || c.Role == schema.RoleVersion {
		return ""
	}
	return " | null"
}

func description(c *schema.Column) string {
	if c.Field == nil {
		return ""
	}
	return c.Field.Description
}

func comment(indent, s string) string {
	if s == "" {
		return ""
	}
	s = strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "*/", "* /")
	return indent + "/** " + s + " */\n"
}

func (w *declarations) relation(r *schema.Relation) string {
	if r.Type == schema.OneToOne || r.Type == schema.ManyToOne {
		return "string | " + w.name(r.Target) + "<D> | null"
	}
	return w.name(r.Target) + "<D>[]"
}

func typeOf(c *schema.Column) string {
	f := c.Field
	if f != nil && len(f.Enum) > 0 {
		values := make([]string, len(f.Enum))
		for i, v := range f.Enum {
			values[i] = string(schema.AppendString(nil, v))
		}
		return strings.Join(values, " | ")
	}
	if c.Type == schema.Array && f != nil && f.ArrayOf != nil {
		if f.ArrayOf.Fields == nil {
			return scalar(f.ArrayOf.Type) + "[]"
		}
		return "Json[]"
	}
	return scalar(c.Type)
}

func scalar(t schema.Type) string {
	switch t {
	case schema.Number, schema.Float, schema.Decimal, schema.Integer:
		return "number"
	case schema.Boolean:
		return "boolean"
	case schema.Date:
		return "D"
	case schema.JSON:
		return "Json"
	case schema.Array:
		return "Json[]"
	}
	return "string"
}

// procedure declares an operation of an entity.
func (w *declarations) procedure(e *schema.Entity, op *mesh.Op) {
	one, in := w.name(e)+"<D>", w.name(e)+"Input<D>"
	patch := "Partial<" + in + ">"
	input, output := "", one+" | null"
	switch op.Name {
	case "findAll", "stream":
		input, output = "{ filter?: Filter } & Page | void", one+"[]"
	case "findOne":
		input = "{ filter?: Filter } & Page | void"
	case "findById":
		input = "{ id: string } & Read"
	case "count":
		input, output = "{ filter?: Filter; includeDeleted?: boolean; minPosition?: string } | void", "number"
	case "search":
		input, output = "{ query: string; searchFields?: string[] | string } & Page", one+"[]"
	case "aggregate":
		input, output = "{ stages: object[]; includeDeleted?: boolean; minPosition?: string }", "{ [name: string]: Json }[]"
	case "create":
		input, output = "{ data: "+in+"; relations?: string[] | string } & Write", one
	case "update":
		input = "{ data: " + patch + " } & WriteOne"
	case "delete":
		input, output = "Omit<WriteOne, \"relations\">", "boolean"
	case "upsert":
		input, output = "{ filter: Filter; data: "+patch+"; relations?: string[] | string } & Write", one
	case "updateMany":
		input, output = "{ filter: Filter; data: "+patch+" } & Write", "undefined"
	case "deleteMany":
		input, output = "{ filter: Filter } & Write", "number"
	case "addToSet", "pull":
		input = "{ field: string; value: unknown } & WriteOne"
	case "increment":
		input = "{ field: string; amount: number } & WriteOne"
	}
	w.declare(op, input, output)
}

func (w *declarations) declare(op *mesh.Op, input, output string) {
	kind := "Mutation"
	if op.Class == mesh.Read {
		kind = "Query"
	}
	w.line("    %s: %s<%s, Reply<%s>>;", op.Name, kind, input, output)
}

// project declares what concerns all entities.
func (w *declarations) project(p *gateway.Project, v mesh.View) {
	w.line("  _project: {")
	for _, op := range mesh.Ops {
		if !op.Project || !v.Allows(op.Class) {
			continue
		}
		switch op.Name {
		case "transaction":
			w.declare(op, "{ operations: ({ op: string; entity: string } & { [member: string]: unknown })[] } & Write", "unknown[]")
		case "changes":
			w.declare(op, "{ position: string; limit?: number }", "Change<{ id: string }, D>[]")
		case "catalog":
			w.declare(op, "void", "unknown")
		case "export":
			w.declare(op, "void", "{ entity: string; data: { [name: string]: Json } }[]")
		case "restore":
			w.declare(op, "{ records: { entity: string; data: { [name: string]: Json } }[] } & Write", "unknown")
		}
	}
	if v.Read {
		names := []string{"never"}
		for _, e := range p.Catalog.Entities {
			names = append(names, w.name(e)+"<D>")
		}
		w.line("    events: Subscription<EventsInput & { entity?: string[] | string }, Event<%s, D>>;", strings.Join(names, " | "))
	}
	w.line("  };")
}
