package keys

import (
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/access"
)

func TestGenerate(t *testing.T) {
	seen := map[string]bool{}
	counts := map[byte]int{}
	const n = 3000
	for range n {
		key := Generate("test")
		parts, err := access.ParseKey(key)
		if err != nil || parts.Env != "test" || seen[key] || seen[parts.Lookup] {
			t.Fatalf("%s: %v", key, err)
		}
		seen[key], seen[parts.Lookup] = true, true
		for i := range key[17:] {
			counts[key[17+i]]++
		}
	}
	// Each of the 62 characters comes about equally often: mean 2,080, standard
	// deviation 45.
	mean := n * access.SecretLen / len(alphabet)
	for i := range alphabet {
		if c := counts[alphabet[i]]; c < mean-400 || c > mean+400 {
			t.Errorf("%q came %d times, not about %d", alphabet[i], c, mean)
		}
	}
}

func TestNewKeyKeepsNoSecret(t *testing.T) {
	key := Generate("live")
	k, err := newKey(key)
	if err != nil {
		t.Fatal(err)
	}
	secret := key[17:]
	if k.Prefix != key[:16] || k.ID != key[8:16] || strings.Contains(k.Hash, secret) || len(k.Hash) != 64 || k.Hash == Hash(key[:59]+"!") {
		t.Fatalf("%+v", k)
	}
}

func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		Generate("live")
	}
}
