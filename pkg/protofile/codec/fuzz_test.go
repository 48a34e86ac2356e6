package codec_test

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/octomesh/octomesh/pkg/fault"
)

func parseText(t testing.TB, s string, m proto.Message) {
	t.Helper()
	if err := prototext.Unmarshal([]byte(s), m); err != nil {
		t.Fatal(err)
	}
}

// FuzzRequest: whatever bytes come, they become one JSON object that protobuf's
// own reader agrees with, or are refused with a code.
func FuzzRequest(f *testing.F) {
	p := openShop(f)
	for _, b := range [][]byte{
		nil, wire(1, "{}", 2, "-a", 3, 1), wire(1, "b", 3, wire(2, "t", 12, wire(1, "g")), 4, "stock"),
		{0xff},
		wire(2, wire(6, "{}")),
		wire(1, `{"a":{"$in":["é",1e3]}}`, 5, "x", 5, "y"),
	} {
		for i := range 4 {
			f.Add(i, b)
		}
	}
	names := []string{"FindAll", "Update", "Create", "Increment"}
	f.Fuzz(func(t *testing.T, which int, b []byte) {
		m := p.codec.Method("/mostajs.BookService/" + names[uint(which)%4])
		got, err := m.Request(nil, b)
		if err != nil {
			switch fault.CodeOf(err) {
			case fault.InvalidRequest, fault.ParseError, fault.PayloadTooLarge:
				return
			}
			t.Fatal(err)
		}
		if !json.Valid(got) || got[0] != '{' {
			t.Fatalf("%s", got)
		}
		// Of a record, what is only read is passed over unread.
		if err := proto.Unmarshal(b, p.message(m.In)); err != nil && (m.Name == "FindAll" || m.Name == "Increment") {
			t.Fatalf("protobuf refuses it: %v", err)
		}
	})
}

// FuzzReply: whatever a worker sends, it becomes a message that protobuf's own
// reader understands, or is refused.
func FuzzReply(f *testing.F) {
	p := openShop(f)
	for _, b := range []string{
		``, `{}`, `{"status":"ok","data":null}`, `{"status":"ok","data":{"id":"b","_version":1,"title":"a\u00e9\\","author":{"id":"a","boss":{"id":"c"}},"genres":[{"id":"g"}]}}`,
		`{"status":"ok","data":[{"id":"b"},{}],"metadata":{"count":2}}`, `{"data":{"more":[1,{"a":"]"}],"cover":"AP8=","weight":1.5e3}}`,
	} {
		f.Add(true, []byte(b))
		f.Add(false, []byte(b))
	}
	f.Fuzz(func(t *testing.T, whole bool, b []byte) {
		name := "FindAll"
		if whole {
			name = "FindById"
		}
		m := p.codec.Method("/mostajs.BookService/" + name)
		got, found, err := m.Reply(nil, b)
		if err != nil || !found {
			return
		}
		// Texts that are no UTF-8 come from no worker: JSON is checked on its way in.
		if err := proto.Unmarshal(got, p.message(m.Out)); err != nil && json.Valid(b) && !invalidText(b) {
			t.Fatalf("%v: %s", err, b)
		}
	})
}
