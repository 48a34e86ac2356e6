package web

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/octomesh/octomesh/pkg/fault"
)

// A member that was written wrong is named, and nothing else of the library's
// own words is shown.
func TestUnknownMembersAreNamed(t *testing.T) {
	const says = "the body is not the JSON form of google.protobuf.DescriptorProto"
	long := strings.Repeat("x", 200)
	for body, want := range map[string]string{
		`{"nmae":"a"}`:                      says + `: it has no member "nmae"`,
		`{"field":[{"name":"a","limt":1}]}`: says + `: it has no member "limt"`,
		`{"a\"\n\u00e9":1}`:                 says + `: it has no member "a\"\né"`,
		`{"` + long + `":1}`:                says + `: it has no member "` + long[:80] + `"`,
		`{"name":7}`:                        says,
		`{"name":"unknown field \"a\""`:     says,
		`[]`:                                says,
	} {
		_, err := toProto([]byte(body), (&descriptorpb.DescriptorProto{}).ProtoReflect().Descriptor())
		if f := fault.From(err); f.Code != fault.ParseError || f.Message != want {
			t.Errorf("%.60s: %s %s, want %s", body, f.Code, f.Message, want)
		}
	}
}
