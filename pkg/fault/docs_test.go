package fault_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
)

var update = flag.Bool("update", false, "rewrite docs/errors.md")

const page = "../../docs/errors.md"

// TestGoldenErrorsPage keeps docs/errors.md equal to the table.
func TestGoldenErrorsPage(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`# Errors

Every failure has a code from this table, the same on every transport. Act upon the code; the message is for people. An error reply looks the same over REST, WebSocket and NATS:

    {"status":"error","error":{"code":"CONFLICT","message":"…","details":{…}}}

Details are there where a program can use them, for example the fields that failed validation. An INTERNAL error names the request id under which the server's log has the cause; the cause itself is never sent. "Retry" marks codes after which the same request may succeed later; a Retry-After header (or a time in the reply) says when.

This page is generated from ` + "`pkg/fault`" + ` by ` + "`go test ./pkg/fault -update`" + `.

| code | HTTP | gRPC | JSON-RPC | tRPC | noex | retry | meaning |
|---|---|---|---|---|---|---|---|
`)
	for _, r := range fault.Table {
		retry := ""
		if r.Retry {
			retry = "yes"
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %s | %s | %s | %s |\n", r.Code, r.HTTP, r.GRPC, r.JSONRPC, r.TRPC, r.Noex, retry, r.Meaning)
	}
	if *update {
		if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b.Bytes()) {
		t.Error("docs/errors.md differs from the table; run: go test ./pkg/fault -update")
	}
}
