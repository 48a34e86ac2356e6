package octomesh

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/octomesh/octomesh/services/octomesh/stdio"
)

// mcpCommand is an MCP server for programs that start theirs themselves. It
// carries messages to a running server, which knows nothing of the difference.
type mcpCommand struct {
	remote
}

// Run carries messages until stdin ends.
func (c *mcpCommand) Run(e *env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	cl.Close()
	address, _, _ := strings.Cut(c.URL, ",")
	to, err := url.JoinPath(strings.TrimSpace(address), "mcp")
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	b := &stdio.Bridge{
		URL: to, Key: c.key(), Project: c.Project, HTTP: &http.Client{Transport: transport}, In: e.in, Out: e.stdout,
		Say: func(format string, args ...any) { e.say(output{}, "octomesh mcp: "+format, args...) },
	}
	return b.Run(e.ctx)
}
