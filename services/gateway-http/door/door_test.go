package door_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// asked is what the door made of one request.
type asked struct {
	credential access.Credential
	err        error
	header     mesh.Header
	headerErr  error
}

// probe serves /x by asking the door; it returns what sends a request with
// headers "Name: value".
func probe(t *testing.T, in door.KeyInURL, live bool) func(target string, headers ...string) asked {
	t.Helper()
	got := make(chan asked, 1)
	h := scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) {
		h.Door.KeyInURL = in
		m.Mount("x", func(x *httpserver.Exchange) {
			x.Transport = "rest"
			var a asked
			a.credential, a.err = h.Door.Credential(x, live)
			a.header, a.headerErr = h.Door.Header(x, "v7")
			a.header.TraceParent, a.header.IdempotencyKey = strings.Clone(a.header.TraceParent), strings.Clone(a.header.IdempotencyKey)
			x.Empty(204)
			got <- a
		})
	})
	return func(target string, headers ...string) asked {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+h.Addr+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range headers {
			name, value, _ := strings.Cut(s, ": ")
			req.Header.Add(name, value)
		}
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return <-got
	}
}

func TestCredential(t *testing.T) {
	const basic = "Authorization: Basic "
	for _, c := range []struct {
		name string
		in   door.KeyInURL
		live bool
		url  string
		head []string
		want access.Credential
		code fault.Code
	}{
		{name: "none", url: "/x"},
		{name: "a header", url: "/x", head: []string{"X-API-Key: k"}, want: access.Credential{Key: "k"}},
		{name: "bearer", url: "/x", head: []string{"Authorization: bearer  t "}, want: access.Credential{Bearer: "t"}},
		{name: "basic", url: "/x", head: []string{basic + "dTpwOnc="}, want: access.Credential{User: "u", Password: "p:w"}},
		{name: "the first counts", url: "/x?apikey=u", head: []string{"Authorization: Bearer t", "X-API-Key: k"}, in: door.KeyInAll, want: access.Credential{Key: "k"}},
		{name: "then Authorization", url: "/x?apikey=u", head: []string{"Authorization: Bearer t"}, in: door.KeyInAll, want: access.Credential{Bearer: "t"}},
		{name: "basic without a colon", url: "/x", head: []string{basic + "dQ=="}, code: fault.AuthError},
		{name: "basic that is no base64", url: "/x", head: []string{basic + "§"}, code: fault.AuthError},
		{name: "another scheme", url: "/x", head: []string{"Authorization: Digest x"}, code: fault.AuthError},
		{name: "a scheme alone", url: "/x", head: []string{"Authorization: Bearer"}, code: fault.AuthError},
		{name: "a space within", url: "/x", head: []string{"X-API-Key: a b"}, code: fault.AuthError},
		{name: "beyond ASCII", url: "/x", head: []string{"X-API-Key: é"}, code: fault.AuthError},
		{name: "in a URL", url: "/x?apikey=k", in: door.KeyInLive, code: fault.Unauthorized},
		{name: "in a URL by its other name", url: "/x?api_key=k", in: door.KeyInLive, code: fault.Unauthorized},
		{name: "in a live URL", url: "/x?api_key=k", in: door.KeyInLive, live: true, want: access.Credential{Bearer: "k"}},
		{name: "in a live URL, off", url: "/x?apikey=k", in: door.KeyInOff, live: true, code: fault.Unauthorized},
		{name: "in any URL", url: "/x?apikey=k", in: door.KeyInAll, want: access.Credential{Bearer: "k"}},
		{name: "a ticket", url: "/x?ticket=t", in: door.KeyInOff, live: true, want: access.Credential{Ticket: "t"}},
		{name: "a ticket where none is taken", url: "/x?ticket=t", in: door.KeyInAll},
		{name: "a line end in a URL", url: "/x?apikey=a%0d%0ab", in: door.KeyInAll, code: fault.AuthError},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := probe(t, c.in, c.live)(c.url, c.head...)
			if !c.want.IsZero() {
				c.want.RemoteAddr = "127.0.0.1"
			}
			if fault.CodeOf(got.err) != c.code || got.err == nil && got.credential != c.want {
				t.Errorf("%+v, %v", got.credential, got.err)
			}
			if got.err != nil && !got.credential.IsZero() {
				t.Errorf("a refused credential was handed on: %+v", got.credential)
			}
		})
	}
}

func TestHeader(t *testing.T) {
	ask := probe(t, door.KeyInLive, false)
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	a := ask("/x", "X-API-Key: "+scripted.Key, "X-Request-Id: r1", "Idempotency-Key: once", "Traceparent: "+trace)
	want := mesh.Header{Transport: "rest", RequestID: "r1", CatalogVersion: "v7", Token: "token-of-key", IdempotencyKey: "once", TraceParent: trace}
	if a.headerErr != nil || a.header != want {
		t.Errorf("%+v, %v", a.header, a.headerErr)
	}
	a = ask("/x", "Traceparent: 00-zz", "Octo: {}")
	if a.headerErr != nil || a.header.Token != "" || a.header.TraceParent != "" || a.header.IdempotencyKey != "" || len(a.header.RequestID) != 36 {
		t.Errorf("%+v, %v", a.header, a.headerErr)
	}
	if a = ask("/x", "Idempotency-Key: "+strings.Repeat("k", 129)); fault.CodeOf(a.headerErr) != fault.InvalidRequest {
		t.Error(a.headerErr)
	}
	if a = ask("/x", "X-API-Key: wrong"); fault.CodeOf(a.headerErr) != fault.Unauthorized || a.header.Token != "" {
		t.Errorf("%+v, %v", a.header, a.headerErr)
	}
}
