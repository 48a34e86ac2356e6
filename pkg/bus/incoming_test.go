package bus

import "testing"

// What the server writes about a caller names a native client only in one form,
// and only of the account in which such clients live.
func TestNativeUser(t *testing.T) {
	t.Parallel()
	for info, want := range map[string]string{
		`{"acc":"APP","user":"k:abc","kind":"Client"}`:              "k:abc",
		`{"user":"u:1","acc":"APP","tags":["acc:MESH"],"rtt":1}`:    "u:1",
		`{"user":"j:iss:sub","acc":"APP"}`:                          "j:iss:sub",
		`{"acc":"MESH","user":"k:abc"}`:                             "", // an answer that was passed on as a request
		`{"acc":"MESH","user":"UAJ4YPQDIDYAF56L3NVRRYDBSS3DEFQC2"}`: "",
		`{"acc":"APP","user":"UAJ4YPQDIDYAF56L3NVRRYDBSS3DEFQC2"}`:  "",
		`{"acc":"SYS","user":"k:abc"}`:                              "",
		`{"user":"k:abc"}`:                                          "",
		`{"acc":"APP"}`:                                             "",
		`{"acc":"APP","user":"k:"}`:                                 "",
		`{"acc":"APP","user":"s:feed"}`:                             "",
		`{"acc":"APP","user":"kx:abc"}`:                             "",
		`{"acc":"APP","user":["k:abc"]}`:                            "",
		`{"acc":"APP","user":"k:abc","user":"k:admin"}`:             "",
		`{"acc":"MESH","user":"k:abc","acc":"APP"}`:                 "",
		`{"acc":"APP","USER":"k:abc"}`:                              "",
		`{"acc":"APP","user":"k:abc"}{}`:                            "",
		`{"acc":"APP","user":"k:abc"`:                               "",
		`[{"acc":"APP","user":"k:abc"}]`:                            "",
		``:                                                          "",
	} {
		if got := nativeUser(info); got != want {
			t.Errorf("%s: %q, want %q", info, got, want)
		}
	}
}
