package bus_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

var fullHeader = mesh.Header{
	Transport: "rest", RequestID: "0190d6a0-7c3b-7f4e-8a10-0d7e5c1f2b3a",
	TraceParent:    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	IdempotencyKey: "order-17", CatalogVersion: "12", Token: strings.Repeat("t", 600),
}

func TestHeaderAsDocumented(t *testing.T) {
	t.Parallel()
	h := mesh.Header{Transport: "rest", RequestID: "r1", TraceParent: "tp1", IdempotencyKey: "k\"1", CatalogVersion: "7", Token: "abc", Native: "k:x"}
	const want = `{"v":1,"ttl":2500,"t":"rest","r":"r1","tp":"tp1","ik":"k\"1","cat":"7","tok":"abc"}`
	if got := string(bus.AppendHeader(nil, &h, 2500*time.Millisecond)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(bus.AppendHeader(nil, &mesh.Header{}, 0)); got != `{"v":1}` {
		t.Errorf("an empty header is %s", got)
	}
	if got := string(bus.AppendHeader(nil, &mesh.Header{RequestID: "a\r\nX: y\x00\xff"}, 0)); strings.ContainsAny(got, "\r\n\x00") || !utf8.ValidString(got) {
		t.Errorf("a line end reached the header: %q", got)
	}
}

func TestHeaderIsReadTolerantlyButStrictly(t *testing.T) {
	t.Parallel()
	h, ttl, err := bus.ParseHeader([]byte(` {"new":{"a":[1,-2.5e3,"x",null,true,{}]}, "v":1,"r":"\u00e9\ud83d\ude00\n","ttl":99999999999}`))
	if err != nil || h.RequestID != "é😀\n" || ttl != time.Hour {
		t.Errorf("got %+v %v %v", h, ttl, err)
	}
	for in, code := range map[string]fault.Code{
		``: fault.ParseError, `null`: fault.ParseError, `{"v":1`: fault.ParseError, `{"v":1}x`: fault.ParseError,
		`{"v":1,"v":1}`: fault.ParseError, `{"v":1,"tok":"a","tok":"b"}`: fault.ParseError,
		`{"v":1,"t":5}`: fault.ParseError, `{"v":"1"}`: fault.ParseError, `{"v":1.0}`: fault.ParseError,
		`{"v":1,"ttl":1e3}`: fault.ParseError, `{"v":1,"r":"` + "\xff" + `"}`: fault.ParseError,
		`{"v":1,"r":"\u0000"}`: fault.ParseError, `{"v":1,"r":"\ud800"}`: fault.ParseError, `{"v":1,"r":"\ud800\u0041"}`: fault.ParseError,
		`{"v":1,"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`: fault.ParseError,
		`{"v":1,}`: fault.ParseError, `{"v":01}`: fault.ParseError, `{"v":1,"x":tru}`: fault.ParseError,
		`{}`: fault.InvalidRequest, `{"v":0}`: fault.InvalidRequest, `{"v":2}`: fault.InvalidRequest, `{"v":1,"ttl":-1}`: fault.InvalidRequest,
		`{"v":1,"r":"` + strings.Repeat("a", bus.MaxHeader) + `"}`: fault.InvalidRequest,
	} {
		if _, _, err := bus.ParseHeader([]byte(in)); fault.CodeOf(err) != code {
			t.Errorf("%.60q: got %v, want %s", in, err, code)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(`{"v":1,"ttl":2500,"t":"rest","r":"r1","tp":"tp1","ik":"k\"1","cat":"7","tok":"abc"}`)
	f.Add(`{"v":1,"x":[{"y":null}],"r":"\ud83d\ude00"}`)
	f.Fuzz(func(t *testing.T, s string) {
		h, ttl, err := bus.ParseHeader([]byte(s))
		if err != nil {
			return
		}
		if !json.Valid([]byte(s)) || !utf8.ValidString(s) {
			t.Fatalf("accepted %q, which is no JSON", s)
		}
		back, ttl2, err := bus.ParseHeader(bus.AppendHeader(nil, &h, ttl))
		if err != nil && len(s) < bus.MaxHeader/8 || err == nil && (back != h || ttl2 != ttl) {
			t.Fatalf("%q: %+v %v came back as %+v %v (%v)", s, h, ttl, back, ttl2, err)
		}
	})
}

func BenchmarkAppendHeader(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, bus.MaxHeader)
	for b.Loop() {
		buf = bus.AppendHeader(buf[:0], &fullHeader, time.Second)
	}
}

func BenchmarkParseHeader(b *testing.B) {
	b.ReportAllocs()
	buf := bus.AppendHeader(nil, &fullHeader, time.Second)
	for b.Loop() {
		if _, _, err := bus.ParseHeader(buf); err != nil {
			b.Fatal(err)
		}
	}
}
