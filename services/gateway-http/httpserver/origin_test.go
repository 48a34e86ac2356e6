package httpserver

import (
	"slices"
	"strings"
	"testing"
)

// TestPreflightNamesTheHeaders: a browser sends and shows only headers that are
// named, so what a door's clients use has to be.
func TestPreflightNamesTheHeaders(t *testing.T) {
	addr := serve(t, echoMux(), Options{Origins: []string{"https://app.example"}})
	res, _ := send(t, addr, "OPTIONS /api/v1/x HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: PATCH\r\nConnection: close\r\n\r\n")
	for header, names := range map[string][]string{
		"Access-Control-Allow-Headers":  {"x-api-key", "idempotency-key", "if-match", "traceparent", "odata-version", "odata-maxversion", "prefer", "trpc-accept", "mcp-session-id", "last-event-id"},
		"Access-Control-Expose-Headers": {"x-request-id", "octo-position", "etag", "location", "content-disposition", "odata-version", "odata-entityid", "preference-applied", "mcp-session-id", "retry-after"},
	} {
		have := strings.Split(strings.ToLower(res.Header.Get(header)), ", ")
		for _, name := range names {
			if !slices.Contains(have, name) {
				t.Errorf("%s lacks %s", header, name)
			}
		}
	}
}
