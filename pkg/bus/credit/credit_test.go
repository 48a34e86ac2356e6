package credit

import (
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
)

func TestErrorsCrossInHeaders(t *testing.T) {
	t.Parallel()
	for _, row := range fault.Table {
		e := fault.New(row.Code, "line\r\nend \"é\" \x00").With([]any{"field"}).After(1500 * time.Millisecond)
		h := endHeaders(e)
		for k, v := range h {
			if strings.ContainsAny(v[0], "\r\n\x00") {
				t.Errorf("%s: the header %s holds a line end", row.Code, k)
			}
		}
		got := Fault(h, nil)
		if got == nil || got.Code != e.Code || got.Message != e.Message || got.RetryAfter != e.RetryAfter || got.Details.([]any)[0] != "field" {
			t.Errorf("%s came back as %+v", row.Code, got)
		}
		if got := Fault(ErrorHeaders(e), e.AppendReply(nil)); got == nil || got.Code != e.Code || got.Message != e.Message {
			t.Errorf("%s came back from a body as %+v", row.Code, got)
		}
	}
	if Fault(endHeaders(nil), nil) != nil {
		t.Error("a good end is an error")
	}
	long := Fault(endHeaders(fault.New(fault.Conflict, "%s", strings.Repeat("x", 10_000))), nil)
	if long.Code != fault.Conflict || len(long.Message) > maxFault {
		t.Errorf("a long message came back with %d bytes", len(long.Message))
	}
}

func TestStrangeErrorsAreInternal(t *testing.T) {
	t.Parallel()
	h := ErrorHeaders(fault.New("STRANGE", "x"))
	if e := Fault(h, []byte("no JSON")); e.Code != fault.Internal {
		t.Errorf("got %v", e)
	}
	h = ErrorHeaders(fault.New(fault.Conflict, "x"))
	if e := Fault(h, []byte(`<html>`)); e.Code != fault.Conflict {
		t.Errorf("got %v", e)
	}
}
