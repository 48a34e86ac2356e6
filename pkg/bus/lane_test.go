package bus

import "testing"

// Tokens of answered calls come again, so that few subjects are in use; those of
// calls that were given up, or answered in chunks, never do.
func TestTokens(t *testing.T) {
	l := &lane{prefix: "_INBOX.a."}
	for i := range l.shards {
		l.shards[i].m = make(map[uint64]*pending)
	}
	seen := map[string]bool{}
	ask := func() token {
		k := l.register(new(pending))
		seen[k.subject] = true
		return k
	}
	for range 1000 {
		l.answered(ask())
	}
	if len(seen) > len(l.shards) || l.waiting() != 0 {
		t.Errorf("%d subjects for one call at a time, %d wait", len(seen), l.waiting())
	}
	given := map[uint64]bool{}
	for range 100 {
		k := ask()
		if given[k.id] {
			t.Fatalf("token %d comes again", k.id)
		}
		given[k.id] = true
		l.release(k.id)
	}
	held := map[uint64]bool{}
	var all []token
	for range 5000 {
		k := ask()
		if held[k.id] || given[k.id] {
			t.Fatalf("token %d is in use", k.id)
		}
		held[k.id] = true
		all = append(all, k)
	}
	for _, k := range all {
		l.answered(k)
	}
	for i := range l.shards {
		if n := len(l.shards[i].free); n > maxFree {
			t.Errorf("%d tokens wait in a shard", n)
		}
	}
}
