package mcp

import (
	"context"
	"errors"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/gateway-http/mcp/catalogue"
)

// The most bytes of a reply: what a model can read, and what Octonet's clients,
// which know no pages, may get.
const (
	maxReply        = 64 << 10
	maxOctonetReply = 1 << 20
)

// metaKey is the member of _meta that holds a call's idempotency key, for clients
// that cannot set headers.
const metaKey = "idempotencyKey"

// call runs a tool. Every failure is a result that says so, which a model can
// read and act upon.
func (t *MCP) call(ctx context.Context, v *view, c *caller, name string, raw []byte, meta sdk.Meta) *sdk.CallToolResult {
	if c == nil {
		return t.failed(c, fault.New(fault.Unauthorized, "the call has no caller"))
	}
	tool, all, home := t.find(v, name)
	if tool == nil {
		return t.failed(c, fault.New(fault.UnknownOp, "there is no such tool any more; list the tools again"))
	}
	q, err := tool.Translate(raw)
	if err != nil {
		return t.failed(c, err)
	}
	p, err := t.project(c, all, home, q.Project)
	if err != nil {
		return t.failed(c, err)
	}
	if tool.Name == catalogue.Describe {
		return t.describe(c, p, q.Entity)
	}
	r := mesh.Request{Project: p.Slug, Entity: q.Entity, Op: q.Op, Header: c.header}
	r.CatalogVersion = p.Version
	if key, ok := meta[metaKey].(string); ok {
		if !telemetry.ValidIdempotencyKey(key) {
			return t.failed(c, fault.New(fault.InvalidRequest, "_meta.%s must be 1 to 128 visible ASCII characters", metaKey))
		}
		r.IdempotencyKey = key
	}
	if tool.Entity != mesh.ProjectEntity {
		if r.Entity, err = p.EntityName(q.Entity); err != nil {
			return t.failed(c, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, t.o.CallTimeout)
	defer cancel()
	a, err := t.ask(ctx, c, tool, q, &r)
	if err != nil {
		return t.failed(c, err)
	}
	if tool.Octonet {
		return octonet(q.Op, a)
	}
	return answer(tool.Name, a)
}

// project is the one that a call names, or its caller, or nobody. Errors:
// INVALID_REQUEST for two of them, MISSING_PARAMS, those of Projects.Find.
func (t *MCP) project(c *caller, all []*gateway.Project, home, slug string) (*gateway.Project, error) {
	switch {
	case c.named != "" && slug != "" && slug != c.named:
		return nil, fault.New(fault.InvalidRequest, "this is the project %q alone: leave out the project, or ask at /mcp", c.named)
	case c.named != "":
		slug = c.named
	case slug == "":
		slug = home
	}
	if slug == "" {
		return nil, fault.New(fault.MissingParams, "name the project")
	}
	for _, p := range all {
		if p.Slug == slug {
			return p, nil
		}
	}
	return t.door.Projects.Find(slug)
}

// asked is a reply as it fits into a result.
type asked struct {
	body     []byte // the reply object
	replayed bool
	next     string // the cursor of what follows
	cut      bool   // fewer records than were asked for
}

// ask calls the mesh. A list that is too long for a result is asked for again,
// shorter, so that its cursor is right. Errors: those of the worker;
// PAYLOAD_TOO_LARGE for a read that cannot be made shorter.
func (t *MCP) ask(ctx context.Context, c *caller, tool *catalogue.Tool, q *catalogue.Call, r *mesh.Request) (asked, error) {
	limit, most, a := q.Limit, maxOctonetReply, asked{}
	if !tool.Octonet {
		most = maxReply
		if tool.Pages() {
			a.cut = limit > catalogue.MaxRows
			if limit < 0 {
				limit = catalogue.DefaultRows
			}
			limit = min(limit, catalogue.MaxRows)
		}
	}
	position := c.minPosition
	if q.Positioned || q.Class() != mesh.Read {
		position = ""
	}
	for {
		r.Args = q.Args(limit, position)
		reply, err := t.door.Caller.Call(ctx, r)
		if err != nil {
			return a, err
		}
		body, whole, err := collect(ctx, reply, most)
		if err != nil {
			return a, err
		}
		a.replayed = reply.Replayed
		switch {
		case whole:
			a.body = body
			a.next = nextOf(body)
			return a, nil
		case q.Class() != mesh.Read:
			a.body = stored(reply, body)
			return a, nil
		}
		rows := rowsWithin(body)
		if !tool.Pages() || rows == 0 || limit >= 0 && rows >= limit {
			return a, fault.New(fault.PayloadTooLarge, "the result is over %d bytes: ask for fewer fields with select, or for less with filter or $limit", most)
		}
		limit, a.cut = rows, true
	}
}

// collect reads a reply up to that many bytes; whole tells that this is all.
func collect(ctx context.Context, reply *mesh.Reply, most int) (body []byte, whole bool, err error) {
	body, err = reply.Whole(ctx, func(held, _ int) error {
		if held > most {
			return errMuch
		}
		return nil
	})
	if err != nil && !errors.Is(err, errMuch) {
		return nil, false, err
	}
	return body[:min(len(body), most)], len(body) <= most, nil
}

// errMuch ends a reply of which there is more than is wanted.
var errMuch = errors.New("there is more")

const listStart = `{"status":"ok","data":[`

// rowsWithin counts the whole records in the beginning of a list reply.
func rowsWithin(body []byte) (rows int) {
	if !strings.HasPrefix(string(body[:min(len(body), len(listStart))]), listStart) {
		return 0
	}
	depth, quoted := 0, false
	for i := len(listStart); i < len(body); i++ {
		switch b := body[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '{' || b == '[':
			depth++
		case b == '}' || b == ']':
			if depth--; depth == 0 {
				rows++
			}
		}
	}
	// What follows the records, a cursor above all, needs room too.
	return rows - rows/16
}

// nextOf returns metadata.next of a reply.
func nextOf(body []byte) (next string) {
	strictjson.Members(body, func(k, v []byte) bool {
		if string(k) != "metadata" {
			return true
		}
		strictjson.Members(v, func(k, v []byte) bool {
			if string(k) == "next" {
				s, _ := strictjson.Text(v)
				next = string(s)
			}
			return next == ""
		})
		return false
	})
	return next
}

// stored tells of a write whose reply is too long to show that it was made.
func stored(reply *mesh.Reply, body []byte) []byte {
	b := []byte(`{"status":"ok",`)
	if rest, ok := strings.CutPrefix(string(body[:min(len(body), 256)]), `{"status":"ok","data":{"id":"`); ok {
		if id, _, ok := strings.Cut(rest, `"`); ok && !strings.Contains(id, `\`) {
			b = append(b, `"data":{"id":"`+id+`"},`...)
		}
	}
	b = append(b, `"metadata":{"truncated":true`...)
	if !reply.Position.IsZero() {
		b = append(reply.Position.Append(append(b, `,"position":"`...)), '"')
	}
	return append(b, '}', '}')
}

func (t *MCP) describe(c *caller, p *gateway.Project, entity string) *sdk.CallToolResult {
	view := gateway.ViewOf(c.principal, p, Transport)
	if !view.Read && !view.Write {
		return t.failed(c, fault.New(fault.Forbidden, "the credential may not see the project %q", p.Slug))
	}
	if entity == "" {
		return text(catalogue.AppendProject(nil, p))
	}
	e := p.Catalog.Entity(entity)
	if e == nil {
		return t.failed(c, fault.New(fault.UnknownEntity, "there is no such entity"))
	}
	return text(catalogue.AppendEntity(nil, e))
}
