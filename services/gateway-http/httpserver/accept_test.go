package httpserver

import "testing"

func TestPreferred(t *testing.T) {
	for accept, want := range map[string]int{
		"": 0, "*/*": 0, "b/b": 1, "c/c": 2, "B/B": 1, "b/b, */*": 1, "b/b;q=0.5, */*": 0, "*/*;q=0.1, b/b;q=0.5": 1,
		"a/a, b/b": 0, "a/a;q=0.5, b/b": 1, "a/a, b/b;q=0.9": 0, "b/b, c/c": 0, "b/b;q=0.9, c/c": 2, "b/b, c/c;q=0.9": 1,
		"b/b;q=0": 0, "b/b; q = 0.2": 1, "b/b;q=NaN": 1, "b/b;q=7": 1, "b/b;q=0.5, text/*;q=0.8": 0, "text/html;q=0.9, b/b;q=0.5": 1, ",;=;,": 0,
	} {
		if got := Preferred(accept, "a/a", "b/b", "c/c"); got != want {
			t.Errorf("%q: %d, want %d", accept, got, want)
		}
	}
}
