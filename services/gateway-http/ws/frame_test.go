package ws

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
)

func TestHeaderLengths(t *testing.T) {
	for n, want := range map[int][]byte{
		0: {0x81, 0}, 125: {0x81, 125}, 126: {0x81, 126, 0, 126}, 65535: {0x81, 126, 0xff, 0xff}, 65536: {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0},
	} {
		if got := appendHeader(nil, opText, n); !bytes.Equal(got, want) {
			t.Errorf("%d: %x, want %x", n, got, want)
		}
	}
}

// FuzzFrame: whatever a client sends, a message is understood or refused with a
// code, and what goes on to the worker is one JSON object.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{
		`{"op":"count","entity":"A","reqId":"x"}`, `{"type":"subscribe","entity":["A"],"filter":{},"position":"e-1"}`,
		`{"type":"auth","apiKey":"k"}`, `{}`, `[]`, `{"reqId":1e400}`, `{"a":{"b":[1,2.50,"\u00e9"]}}`, "{\"\\u006fp\":1}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		m, err := parseFrame(msg)
		if err != nil {
			if c := fault.CodeOf(err); c != fault.ParseError && c != fault.InvalidRequest {
				t.Fatal(err)
			}
			return
		}
		defer m.release()
		if m.reqID != nil && !json.Valid(m.reqID) {
			t.Fatalf("reqId %q", m.reqID)
		}
		if args := arguments(m); !json.Valid(args) || args[0] != '{' {
			t.Fatalf("%q became %q", msg, args)
		}
		_, _ = m.entities()
		m.credential()
	})
}
