package mcp

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// mirror serves /api/mcp-agent, Octonet's way to the same tools over plain HTTP:
// GET info, tools and prompts, POST call {"tool","params"}.
func (t *MCP) mirror(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "none"
	rest := x.Segments[2:]
	if len(rest) != 1 || !slices.Contains([]string{"info", "tools", "prompts", "call"}, rest[0]) {
		x.NotFound()
		return
	}
	takes, method := "GET, HEAD, OPTIONS", "GET"
	if rest[0] == "call" {
		takes, method = "POST, OPTIONS", "POST"
	}
	switch {
	case x.Ctx.IsOptions():
		x.Options(takes)
		return
	case x.Method() != method:
		x.NotAllowed(takes)
		return
	}
	x.Op = "describe"
	if !x.SameOrigin() || !t.knownHost(x) {
		x.Fail(fault.New(fault.Forbidden, "neither the origin nor the host may be another machine's: see MOSTA_NET_CORS_ORIGIN and OCTOMESH_MCP_HOSTS"))
		return
	}
	c, err := t.identify(x)
	if err != nil {
		x.Fail(err)
		return
	}
	v := t.viewOf(c)
	defer t.leave(v)
	if rest[0] == "call" {
		x.Op = "message"
		err = t.mirrorCall(x, v, c)
	} else {
		err = t.mirrorRead(x, v, rest[0])
	}
	if err != nil {
		x.Fail(err)
	}
}

// mirrorRead replies with what a client of the protocol would list.
func (t *MCP) mirrorRead(x *httpserver.Exchange, v *view, what string) error {
	t.mu.Lock()
	var body []byte
	switch what {
	case "info":
		body = append([]byte(`{"name":"octomesh","transport":"mcp","mode":"`), ModeCompact...)
		if t.o.PerEntity {
			body = append(body[:len(body)-len(ModeCompact)], ModeEntity...)
		}
		body = append(body, `","path":"/mcp","projects":[`...)
		for i, p := range v.all {
			if i > 0 {
				body = append(body, ',')
			}
			body = schema.AppendString(append(body, `{"project":`...), p.Slug)
			body = append(body, `,"entities":[`...)
			for i, e := range p.Catalog.Entities {
				if i > 0 {
					body = append(body, ',')
				}
				body = schema.AppendString(body, e.Name)
			}
			body = append(body, ']', '}')
		}
		body = append(body, ']', '}')
	case "tools":
		body = append(body, `{"tools":[`...)
		for i, name := range slices.Sorted(maps.Keys(v.listed)) {
			if i > 0 {
				body = append(body, ',')
			}
			body = append(body, v.listed[name]...)
		}
		body = append(body, ']', '}')
	}
	t.mu.Unlock()
	if what == "prompts" {
		list := make([]*sdk.Prompt, len(prompts))
		for i, p := range prompts {
			list[i] = p.Prompt
		}
		var err error
		if body, err = json.Marshal(map[string]any{"prompts": list}); err != nil {
			return fault.Wrap(err, fault.Internal, "the prompts cannot be listed")
		}
	}
	door.Describe(x, jsonType, body, gateway.Tag(body))
	return nil
}

// mirrorCall calls a tool; the body of the reply is the tool's result, its status
// that of the result's code.
func (t *MCP) mirrorCall(x *httpserver.Exchange, v *view, c *caller) error {
	body, ok := x.JSONBody()
	if !ok {
		return nil
	}
	if err := strictjson.Check(body, maxDepth); err != nil {
		return err
	}
	var tool string
	var params []byte
	object := strictjson.Members(body, func(k, value []byte) bool {
		switch string(k) {
		case "tool", "name":
			s, _ := strictjson.Text(value)
			tool = strings.Clone(string(s))
		case "params", "arguments":
			params = slices.Clone(value)
		}
		return true
	})
	if !object || tool == "" {
		return fault.New(fault.MissingParams, `the body must be {"tool":…,"params":{…}}`)
	}
	if known, _, _ := t.find(v, tool); known == nil {
		return fault.New(fault.UnknownOp, "there is no such tool; GET /api/mcp-agent/tools lists them")
	}
	r := t.call(x.Context(), v, c, tool, params, nil)
	b, err := json.Marshal(r)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the result cannot be written")
	}
	status := 200
	if raw, ok := r.StructuredContent.(json.RawMessage); ok && r.IsError {
		e := x.Coded(faultOf(raw))
		status = e.Code.HTTP()
	}
	x.JSON(status, b)
	return nil
}

// faultOf reads an error that appendError wrote.
func faultOf(raw []byte) error {
	return fault.ParseReply(append(append([]byte(`{"error":`), raw...), '}'))
}
