package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/octomesh/octomesh/pkg/access"
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Generate returns a new key for live or test: 48 random bits to look it up by,
// and 256 that prove it.
func Generate(env string) string {
	b := make([]byte, 0, 64)
	b = append(append(append(b, "sk_"...), env...), '_')
	b = append(random(b, access.LookupLen), '_')
	return string(random(b, access.SecretLen))
}

// random appends n characters of the alphabet, each as likely as any other.
func random(dst []byte, n int) []byte {
	var pool [64]byte
	for n > 0 {
		rand.Read(pool[:])
		for _, x := range pool {
			if x &= 63; int(x) < len(alphabet) && n > 0 {
				dst = append(dst, alphabet[x])
				n--
			}
		}
	}
	return dst
}

// newKey returns the record of a key's own parts. Errors: AUTH_ERROR.
func newKey(key string) (*Key, error) {
	parts, err := access.ParseKey(key)
	if err != nil {
		return nil, err
	}
	return &Key{ID: parts.Lookup, Env: parts.Env, Prefix: "sk_" + parts.Env + "_" + parts.Lookup, Hash: Hash(key)}, nil
}

// Hash returns what is stored of a key: a random key of 256 bits needs no slow
// hash, and one would let a storm of connections starve the service.
func Hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
