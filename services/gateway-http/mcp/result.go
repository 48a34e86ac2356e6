package mcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// text is a result that shows an object as it is.
func text(object []byte) *sdk.CallToolResult {
	return &sdk.CallToolResult{
		Content: []sdk.Content{&sdk.TextContent{Text: string(object)}}, StructuredContent: json.RawMessage(object),
	}
}

// answer shows a reply object, and says in words where it is not all.
func answer(tool string, a asked) *sdk.CallToolResult {
	r := text(a.body)
	if a.replayed {
		r.Meta = sdk.Meta{"replayed": true}
	}
	var note string
	switch {
	case a.next != "" && a.cut:
		note = "Truncated: fewer records than asked for fit into a result. "
	case a.next != "":
		note = "There are more records. "
	}
	if note != "" {
		note += "For those that follow, call " + tool + " with the same arguments and cursor " + strconv.Quote(a.next) + "."
		r.Content = append(r.Content, &sdk.TextContent{Text: note})
	}
	return r
}

// octonet shows a reply in Octonet's words.
func octonet(op string, a asked) *sdk.CallToolResult {
	var data, metadata []byte
	strictjson.Members(a.body, func(k, v []byte) bool {
		switch string(k) {
		case "data":
			data = v
		case "metadata":
			metadata = v
		}
		return true
	})
	var said string
	switch op {
	case "count":
		said = string(data)
	case "delete":
		said = "Not found"
		if string(data) == "true" {
			said = "Deleted"
		}
	case "deleteMany":
		said = "Deleted: " + string(data)
	case "updateMany":
		strictjson.Members(metadata, func(k, v []byte) bool {
			if string(k) == "count" {
				said = "Updated: " + string(v)
			}
			return true
		})
	default:
		var b bytes.Buffer
		if err := json.Indent(&b, data, "", "  "); err == nil {
			said = b.String()
		}
	}
	r := &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: said}}, StructuredContent: json.RawMessage(a.body)}
	if a.replayed {
		r.Meta = sdk.Meta{"replayed": true}
	}
	if a.cut {
		r.Content = append(r.Content, &sdk.TextContent{Text: "Truncated: fewer records than asked for fit into a result. For those that follow, use skip, or cursor " + strconv.Quote(a.next) + "."})
	}
	return r
}

// seen is an error as its caller may see it; the cause of what was unforeseen is
// logged.
func (t *MCP) seen(c *caller, err error) *fault.Error {
	id := ""
	if c != nil {
		id = c.header.RequestID
	}
	e := fault.Seen(err, id)
	if e.Code != fault.Internal {
		return e
	}
	t.door.Log.Error("call failed", telemetry.KeyRequestID, id, telemetry.KeyTransport, Transport, telemetry.KeyCode, string(e.Code), telemetry.KeyError, fmt.Sprint(err))
	return e
}

// failed is a result that tells of an error.
func (t *MCP) failed(c *caller, err error) *sdk.CallToolResult {
	e := t.seen(c, err)
	return &sdk.CallToolResult{
		IsError:           true,
		Content:           []sdk.Content{&sdk.TextContent{Text: "Error: " + string(e.Code) + ": " + e.Message}},
		StructuredContent: json.RawMessage(appendError(nil, e)),
	}
}

// appendError appends {"code","message","details","retryAfter" in seconds}.
func appendError(dst []byte, e *fault.Error) []byte {
	dst = e.AppendJSON(dst)
	if wait := e.RetrySeconds(); wait > 0 {
		dst = append(dst[:len(dst)-1], `,"retryAfter":`...)
		dst = append(strconv.AppendInt(dst, wait, 10), '}')
	}
	return dst
}

// refuse replies to a request that reached no session: a JSON-RPC error without
// an id, under the code's own status.
func refuse(x *httpserver.Exchange, err error) {
	e := x.Coded(err)
	image := e.Code.Image()
	if image.HTTP == 401 {
		x.SetHeader("WWW-Authenticate", `Bearer realm="octomesh"`)
	}
	x.JSON(image.HTTP, appendRefusal(nil, e))
}

func appendRefusal(dst []byte, e *fault.Error) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":null,"error":{"code":`...)
	dst = strconv.AppendInt(dst, int64(e.Code.Image().JSONRPC), 10)
	dst = strictjson.AppendString(append(dst, `,"message":`...), string(e.Code)+": "+e.Message)
	dst = appendError(append(dst, `,"data":`...), e)
	return append(dst, '}', '}')
}
