package mcp

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/mcp/catalogue"
)

// Resources are the entities' schemas, entity://<Entity>/schema, and records,
// entity://<Entity>/records/<id>; those of a project that is not the caller's
// own have ?project=<slug> behind them.
const (
	scheme     = "entity"
	jsonType   = "application/json"
	recordForm = "entity://{entity}/records/{+id}"
)

// fillResources registers the schemas that have changed. Those of the projects
// in was are as they were.
func (t *MCP) fillResources(v *view, was []*gateway.Project) {
	same := make(map[*gateway.Project]bool, len(was))
	for _, p := range was {
		same[p] = true
	}
	now := map[string]string{}
	for _, p := range v.all {
		for _, e := range p.Catalog.Entities {
			uri := schemaURI(p.Slug, v.home, e)
			if same[p] {
				now[uri] = v.resources[uri]
				continue
			}
			r := &sdk.Resource{
				URI: uri, Name: e.Name + " schema", MIMEType: jsonType,
				Description: "Fields, types and relations of " + e.Name + ".",
			}
			if e.Description != "" {
				r.Description += " " + e.Description
			}
			// A changed schema is a changed resource, also where its listing is
			// the same: clients that hear of it read it again.
			is := gateway.Tag(catalogue.AppendEntity([]byte(r.Description), e))
			now[uri] = is
			if v.resources[uri] != is {
				v.server.AddResource(r, t.reader(v))
			}
		}
	}
	gone := slices.DeleteFunc(slices.Collect(maps.Keys(v.resources)), func(uri string) bool { _, ok := now[uri]; return ok })
	if len(gone) > 0 {
		v.server.RemoveResources(gone...)
	}
	if len(v.resources) == 0 && len(now) > 0 {
		v.server.AddResourceTemplate(&sdk.ResourceTemplate{
			URITemplate: recordForm, Name: "record", MIMEType: jsonType, Description: "One record of an entity by its id.",
		}, t.reader(v))
		if v.sample.named == "" {
			v.server.AddResourceTemplate(&sdk.ResourceTemplate{
				URITemplate: recordForm + "{?project}", Name: "record of a project", MIMEType: jsonType, Description: "One record of an entity of a named project.",
			}, t.reader(v))
		}
	}
	v.resources = now
}

func schemaURI(slug, home string, e *schema.Entity) string {
	uri := scheme + "://" + e.Name + "/schema"
	if slug != home {
		uri += "?project=" + slug
	}
	return uri
}

func (t *MCP) reader(v *view) sdk.ResourceHandler {
	return func(ctx context.Context, r *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
		c := callerOf(r.Extra)
		if c == nil {
			return nil, t.refused(c, fault.New(fault.Unauthorized, "the request has no caller"))
		}
		text, err := t.read(ctx, v, c, r.Params.URI)
		if err != nil {
			return nil, t.refused(c, err)
		}
		if text == nil {
			return nil, sdk.ResourceNotFoundError(r.Params.URI)
		}
		return &sdk.ReadResourceResult{Contents: []*sdk.ResourceContents{{URI: r.Params.URI, MIMEType: jsonType, Text: string(text)}}}, nil
	}
}

// read returns a resource's text; nil if there is none.
func (t *MCP) read(ctx context.Context, v *view, c *caller, uri string) ([]byte, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != scheme || u.User != nil {
		return nil, nil
	}
	_, all, home := t.find(v, "")
	p, err := t.project(c, all, home, u.Query().Get("project"))
	if err != nil {
		return nil, err
	}
	id, record := strings.CutPrefix(u.Path, "/records/")
	switch {
	case u.Path == "/schema":
		if e := p.Catalog.Entity(u.Host); e != nil && slices.Contains(all, p) {
			return catalogue.AppendEntity(nil, e), nil
		}
		return nil, nil
	case !record || !schema.ValidID(id):
		return nil, nil
	}
	r := &mesh.Request{Project: p.Slug, Op: "findById", Header: c.header}
	r.CatalogVersion = p.Version
	if r.Entity, err = p.EntityName(u.Host); err != nil {
		return nil, err
	}
	r.Args = schema.AppendString([]byte(`{"id":`), id)
	if c.minPosition != "" {
		r.Args = schema.AppendString(append(r.Args, `,"minPosition":`...), c.minPosition)
	}
	r.Args = append(r.Args, '}')
	ctx, cancel := context.WithTimeout(ctx, t.o.CallTimeout)
	defer cancel()
	reply, err := t.door.Caller.Call(ctx, r)
	if err != nil {
		return nil, err
	}
	body, whole, err := collect(ctx, reply, maxOctonetReply)
	if err != nil {
		return nil, err
	}
	if !whole {
		return nil, fault.New(fault.PayloadTooLarge, "the record is over %d bytes; read parts of it with the tool get", maxOctonetReply)
	}
	var data []byte
	strictjson.Members(body, func(k, value []byte) bool {
		if string(k) == "data" && string(value) != "null" {
			data = value
		}
		return data == nil
	})
	return data, nil
}

// refused is an error of a request that is no call of a tool.
func (t *MCP) refused(c *caller, err error) error {
	e := t.seen(c, err)
	return &jsonrpc.Error{Code: int64(e.Code.Image().JSONRPC), Message: string(e.Code) + ": " + e.Message, Data: json.RawMessage(appendError(nil, e))}
}

// completer offers names of entities where prompts and resources take one.
func (t *MCP) completer(v *view) func(context.Context, *sdk.CompleteRequest) (*sdk.CompleteResult, error) {
	return func(_ context.Context, r *sdk.CompleteRequest) (*sdk.CompleteResult, error) {
		if r.Params.Ref == nil {
			return nil, t.refused(callerOf(r.Extra), fault.New(fault.MissingParams, "a completion needs a ref"))
		}
		const most = 100
		out := &sdk.CompleteResult{Completion: sdk.CompletionResultDetails{Values: []string{}}}
		if r.Params.Argument.Name != "entity" {
			return out, nil
		}
		_, all, _ := t.find(v, "")
		for _, p := range all {
			for _, e := range p.Catalog.Entities {
				if !strings.HasPrefix(strings.ToLower(e.Name), strings.ToLower(r.Params.Argument.Value)) || slices.Contains(out.Completion.Values, e.Name) {
					continue
				}
				if out.Completion.Total++; len(out.Completion.Values) < most {
					out.Completion.Values = append(out.Completion.Values, e.Name)
				}
			}
		}
		out.Completion.HasMore = out.Completion.Total > most
		return out, nil
	}
}
