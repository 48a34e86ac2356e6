package odata

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestSkip: the walk over trusted JSON ends where each value does, whatever its
// strings hold.
func TestSkip(t *testing.T) {
	for _, value := range []string{
		`"a"`, `""`, `"\""`, `"\\"`, `"\\\""`, `"` + strings.Repeat("x", 23) + `"`, `"` + strings.Repeat("x", 24) + `"`, `"` + strings.Repeat("x", 23) + `\""`,
		`"` + strings.Repeat(`\\`, 40) + `"`, `"` + strings.Repeat("x", 60) + `\\"`, `{"a":"}","b":["]",{"c":"\"}"}]}`, `[]`, `{}`, `[1,"[",null]`, `-1.5e3`, `true`, `null`,
	} {
		if !json.Valid([]byte(value)) {
			t.Fatal(value)
		}
		for _, behind := range []string{`,"z":1}`, `}`, `]`, ``} {
			if got := skip([]byte(value+behind), 0); got != len(value) {
				t.Errorf("%s%s: %d, want %d", value, behind, got, len(value))
			}
		}
	}
}

func TestParts(t *testing.T) {
	for body, want := range map[string][2]string{
		`{"status":"ok","data":[{"a":",\"metadata\":{"}],"metadata":{"count":1}}`:    {`[{"a":",\"metadata\":{"}]`, `{"count":1}`},
		`{"status":"ok","data":{"x":1,"metadata":{"count":9}}}`:                      {`{"x":1,"metadata":{"count":9}}`, ``},
		`{"status":"ok","data":{"metadata":{"a":{}}},"metadata":{"position":"e-1"}}`: {`{"metadata":{"a":{}}}`, `{"position":"e-1"}`},
		`{"status":"ok","metadata":{"count":3}}`:                                     {``, `{"count":3}`},
		`{"status":"ok","data":null}`:                                                {`null`, ``},
		`{"status":"ok"}`:                                                            {``, ``},
	} {
		data, meta, err := parts([]byte(body))
		if err != nil || string(data) != want[0] || string(meta) != want[1] {
			t.Errorf("%s: %s %s %v", body, data, meta, err)
		}
	}
}
