package fault_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
)

func ExampleError_AppendReply() {
	err := fault.New(fault.ValidationError, "2 fields do not fit").With([]map[string]string{{"field": "age", "reason": "must be <= 150"}})
	fmt.Printf("%d %s", err.Code.HTTP(), err.AppendReply(nil))
	// Output: 422 {"status":"error","error":{"code":"VALIDATION_ERROR","message":"2 fields do not fit","details":[{"field":"age","reason":"must be <= 150"}]}}
}

// constants reads the codes from the source, so that one which Table forgot is
// found.
func constants(t *testing.T) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			code, err := strconv.Unquote(s.(*ast.ValueSpec).Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		}
	}
	return codes
}

func TestTableHasEveryCodeOnce(t *testing.T) {
	seen := map[fault.Code]bool{}
	for _, row := range fault.Table {
		if seen[row.Code] {
			t.Errorf("%s is in the table twice", row.Code)
		}
		seen[row.Code] = true
		if row.HTTP < 400 || row.HTTP > 599 || row.GRPC == 0 || row.JSONRPC >= 0 || row.TRPC == "" || row.Noex == "" || row.Meaning == "" {
			t.Errorf("%s has a protocol without an image: %+v", row.Code, row)
		}
	}
	codes := constants(t)
	if len(codes) != len(fault.Table) {
		t.Errorf("%d codes, %d rows", len(codes), len(fault.Table))
	}
	for _, c := range codes {
		if !seen[fault.Code(c)] {
			t.Errorf("%s is not in the table", c)
		}
	}
}

// TestStatusesAreFixed writes the statuses down by hand: client and server
// share the table, so a mistake in it would cancel out everywhere else.
func TestStatusesAreFixed(t *testing.T) {
	want := map[int]string{
		400: "PARSE_ERROR INVALID_REQUEST INVALID_FILTER MISSING_ID MISSING_DATA MISSING_QUERY MISSING_STAGES MISSING_PARAMS UNKNOWN_OP",
		401: "UNAUTHORIZED AUTH_ERROR", 403: "FORBIDDEN CLOUD_REJECTED",
		404: "NOT_FOUND ENTITY_NOT_FOUND UNKNOWN_ENTITY UNKNOWN_PROJECT", 405: "METHOD_NOT_ALLOWED",
		409: "CONFLICT", 410: "GAP", 413: "PAYLOAD_TOO_LARGE", 422: "VALIDATION_ERROR", 429: "RATE_LIMITED QUOTA_EXCEEDED",
		499: "CANCELLED", 500: "INTERNAL", 501: "UNSUPPORTED", 503: "NO_HANDLER DB_NOT_CONNECTED UNAVAILABLE OVERLOADED", 504: "TIMEOUT",
	}
	n := 0
	for status, codes := range want {
		for _, c := range strings.Fields(codes) {
			n++
			if got := fault.Code(c).HTTP(); got != status {
				t.Errorf("%s is %d, want %d", c, got, status)
			}
		}
	}
	if n != len(fault.Table) {
		t.Errorf("%d codes have a status written here, the table has %d", n, len(fault.Table))
	}
}

func TestReplyRoundTrip(t *testing.T) {
	for _, row := range fault.Table {
		sent := fault.New(row.Code, `a "quoted" <message> with é`)
		got := fault.ParseReply(sent.AppendReply(nil))
		if got.Code != sent.Code || got.Message != sent.Message {
			t.Errorf("%s came back as %v", row.Code, got)
		}
	}
	for _, body := range []string{"", "null", "{}", `{"status":"ok"}`, `{"error":1}`, "<html>"} {
		if got := fault.ParseReply([]byte(body)); got.Code != fault.Internal {
			t.Errorf("%q gave %v", body, got)
		}
	}
}

func TestFromNeverShowsACause(t *testing.T) {
	secret := errors.New("pq: password authentication failed for user root")
	for _, c := range []struct {
		err  error
		code fault.Code
	}{
		{secret, fault.Internal},
		{fmt.Errorf("wrapped: %w", context.DeadlineExceeded), fault.Timeout},
		{context.Canceled, fault.Cancelled},
		{fmt.Errorf("outer: %w", fault.Wrap(secret, fault.Conflict, "taken")), fault.Conflict},
		{io.EOF, fault.Internal},
	} {
		e := fault.From(c.err)
		if e.Code != c.code {
			t.Errorf("%v became %s, want %s", c.err, e.Code, c.code)
		}
		if strings.Contains(string(e.AppendReply(nil)), "password") {
			t.Errorf("the cause of %v crossed the wire", c.err)
		}
	}
	if fault.From(nil) != nil || fault.CodeOf(nil) != "" {
		t.Error("no error became one")
	}
	if !errors.Is(fault.Wrap(secret, fault.Conflict, "taken"), secret) || !errors.Is(fault.New(fault.Gap, "x"), fault.New(fault.Gap, "y")) {
		t.Error("errors.Is sees neither the cause nor the code")
	}
	if fault.Code("NO_SUCH_CODE").HTTP() != 500 || fault.Code("NO_SUCH_CODE").Known() {
		t.Error("an unknown code must look like an internal one")
	}
}

// A percent sign is written twice, as go vet asks, with arguments or without.
func TestMessagesAreFormats(t *testing.T) {
	for _, err := range []*fault.Error{
		fault.New(fault.InvalidRequest, "special characters as %%XX"),
		fault.Wrap(io.EOF, fault.InvalidRequest, "special characters as %s", "%XX"),
	} {
		if err.Message != "special characters as %XX" {
			t.Error(err.Message)
		}
	}
}
