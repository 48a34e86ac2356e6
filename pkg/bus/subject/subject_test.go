package subject_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"pgregory.net/rapid"

	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/schema"
)

func TestSubjectsAsDocumented(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		subject.Call("default", "User", "create"):             "mostajs.User.create",
		subject.Call("shop", "User", "create"):                "mostajs.shop.User.create",
		subject.Call("shop", "_project", "changes"):           "mostajs.shop._project.changes",
		subject.Stream("default", "User", "stream"):           "mostajs.stream.default.User.stream",
		subject.Event("shop", "User", "created"):              "mostajs.events.shop.User.created",
		subject.Live("default", "User", "deleted"):            "mostajs.live.default.User.deleted",
		subject.Control("admin", "keys.list"):                 "octo.admin.keys.list",
		subject.Bell("shop"):                                  "octo.bell.shop",
		subject.Calls("shop"):                                 "mostajs.shop.*.*",
		subject.Streams("shop"):                               "mostajs.stream.shop.*.*",
		subject.Events("shop"):                                "mostajs.events.shop.*.*",
		subject.Lives("shop"):                                 "mostajs.live.shop.*.*",
		subject.Call("default", strings.Repeat("a", 64), "x"): "mostajs." + strings.Repeat("a", 64) + ".x",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHostileNamesBuildNothing(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "*", ">", ".", "a.b", "a b", "a\r\nPUB x", "../x", "a\x00", "é", "'; DROP TABLE x",
		"_hidden", "events", "live", "stream", "discover", strings.Repeat("a", 65),
	} {
		for _, s := range []string{
			subject.Call(bad, "User", "create"), subject.Call("shop", bad, "create"),
			subject.Stream(bad, "User", "stream"), subject.Event("shop", bad, "created"),
			subject.Live(bad, "User", "created"), subject.Bell(bad), subject.Calls(bad), subject.Lives(bad),
		} {
			if s != "" {
				t.Errorf("%q got into the subject %q", bad, s)
			}
		}
	}
	for _, bad := range []string{"", "*", ">", "a.b", "a b", "a\n"} {
		if s := subject.Call("shop", "User", bad); s != "" {
			t.Errorf("op %q got into the subject %q", bad, s)
		}
	}
	for _, bad := range []string{"", ".", "a.", ".a", "a..b", "a.b.c.d", "keys.>"} {
		if s := subject.Control("admin", bad); s != "" {
			t.Errorf("verb %q got into the subject %q", bad, s)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]subject.Parsed{
		"mostajs.User.create":              {Kind: subject.KindCall, Project: "default", Entity: "User", Name: "create"},
		"mostajs.default.User.create":      {Kind: subject.KindCall, Project: "default", Entity: "User", Name: "create"},
		"mostajs.shop._project.changes":    {Kind: subject.KindCall, Project: "shop", Entity: "_project", Name: "changes"},
		"mostajs.stream.shop.User.stream":  {Kind: subject.KindStream, Project: "shop", Entity: "User", Name: "stream"},
		"mostajs.events.shop.User.created": {Kind: subject.KindEvent, Project: "shop", Entity: "User", Name: "created"},
		"mostajs.live.shop.User.created":   {Kind: subject.KindLive, Project: "shop", Entity: "User", Name: "created"},
		"mostajs.discover":                 {Kind: subject.KindDiscover},
		"octo.auth.exchange":               {Kind: subject.KindControl, Entity: "auth", Name: "exchange"},
	} {
		if got, ok := subject.Parse(s); !ok || got != want {
			t.Errorf("%s: got %+v %v", s, got, ok)
		}
	}
	for _, s := range []string{
		"", "mostajs", "mostajs.", "mostajs.User", "mostajs.User.", "mostajs..create",
		"mostajs.events.create", "mostajs.live.User.created", "mostajs.stream.User.stream", "mostajs._x.create",
		"mostajs.a.b.c.d", "mostajs.live.a.b.c.d", "mostajs.x.a.b.c", "octo.auth", "octo.auth.", "octo..x", "foo.bar.baz",
	} {
		if p, ok := subject.Parse(s); ok {
			t.Errorf("%q was accepted: %+v", s, p)
		}
	}
}

// The words that no subject takes are no names of projects and entities either.
func TestWordsOfSubjectsAreReserved(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"events", "live", "stream", "discover", "_x"} {
		if subject.Call(word, "User", "create") != "" || subject.Call(subject.DefaultProject, word, "create") != "" {
			t.Errorf("%s stands in a subject", word)
		}
		if schema.ValidProject(word) || !schema.Reserved(word) {
			t.Errorf("%s is a name that a schema admits", word)
		}
	}
}

// A pattern that we subscribe must take exactly the subjects that we mean, by
// the server's own rules.
func TestPatternsMatchAsTheServerDoes(t *testing.T) {
	t.Parallel()
	token := rapid.StringMatching(`[A-Za-z0-9_-]{1,12}`)
	matches := func(subj, pattern string) bool {
		return server.SubjectsCollide(subj, pattern)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := token.Draw(t, "project"), token.Draw(t, "other")
		e, n := token.Draw(t, "entity"), token.Draw(t, "name")
		for _, c := range []struct{ subj, pattern, others string }{
			{subject.Stream(a, e, n), subject.Streams(a), subject.Streams(b)},
			{subject.Event(a, e, n), subject.Events(a), subject.Events(b)},
			{subject.Live(a, e, n), subject.Lives(a), subject.Lives(b)},
			{subject.Call(a, e, n), subject.Calls(a), subject.Calls(b)},
		} {
			if c.subj == "" || c.pattern == "" {
				continue
			}
			if a == subject.DefaultProject && strings.Count(c.subj, ".") == 2 {
				c.pattern = subject.DefaultCalls
			}
			if !matches(c.subj, c.pattern) {
				t.Fatalf("%s does not take %s", c.pattern, c.subj)
			}
			if c.others != "" && a != b && matches(c.subj, c.others) {
				t.Fatalf("%s takes %s", c.others, c.subj)
			}
			p, ok := subject.Parse(c.subj)
			if !ok || p.Project != a || p.Entity != e || p.Name != n {
				t.Fatalf("%s came back as %+v", c.subj, p)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"mostajs.User.create", "mostajs.shop.User.create", "mostajs.stream.a.b.c", "mostajs.events.a.b.c",
		"mostajs.live.a.b.c", "mostajs.discover", "octo.auth.keys.list", "mostajs.*.>", "mostajs.default.User.x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := subject.Parse(s)
		if !ok {
			return
		}
		var back string
		switch p.Kind {
		case subject.KindCall:
			back = subject.Call(p.Project, p.Entity, p.Name)
			if p.Project == subject.DefaultProject && strings.HasPrefix(s, "mostajs.default.") && strings.Count(s, ".") == 3 {
				back = "mostajs.default." + p.Entity + "." + p.Name
			}
		case subject.KindStream:
			back = subject.Stream(p.Project, p.Entity, p.Name)
		case subject.KindEvent:
			back = subject.Event(p.Project, p.Entity, p.Name)
		case subject.KindLive:
			back = subject.Live(p.Project, p.Entity, p.Name)
		case subject.KindDiscover:
			back = subject.Discover
		case subject.KindControl:
			back = subject.Control(p.Entity, p.Name)
		}
		if back != s {
			t.Fatalf("%q was taken apart as %+v, which builds %q", s, p, back)
		}
	})
}

func BenchmarkCall(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if subject.Call("shop", "User", "findById") == "" {
			b.Fatal("no subject")
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := subject.Parse("mostajs.shop.User.findById"); !ok {
			b.Fatal("not accepted")
		}
	}
}
