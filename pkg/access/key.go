package access

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
)

// The parts of an API key, sk_<live|test>_<look-up>_<secret>. The look-up part
// is stored and shown as it is; the secret is shown once and never stored.
const (
	LookupLen = 8
	SecretLen = 43 // base62: 256 bits
	keyPrefix = "sk_"
	keyLen    = len("sk_live_") + LookupLen + 1 + SecretLen
)

// KeyParts is what an API key tells about itself.
type KeyParts struct {
	Env    string // live or test
	Lookup string
}

// ParseKey checks the form of an API key, which costs nothing beside asking the
// auth service. Errors: AUTH_ERROR.
func ParseKey(key string) (KeyParts, error) {
	rest, ok := strings.CutPrefix(key, keyPrefix)
	if len(key) != keyLen || !ok || rest[4] != '_' || rest[5+LookupLen] != '_' {
		return KeyParts{}, badKey()
	}
	p := KeyParts{Env: rest[:4], Lookup: rest[5 : 5+LookupLen]}
	if p.Env != "live" && p.Env != "test" || !base62(p.Lookup) || !base62(rest[6+LookupLen:]) {
		return KeyParts{}, badKey()
	}
	return p, nil
}

func badKey() error {
	return fault.New(fault.AuthError, "an API key has the form sk_live_<8 characters>_<43 characters>")
}

func base62(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') {
			return false
		}
	}
	return true
}

// KeyID is the principal id of an API key's holder.
func KeyID(lookup string) string { return "k:" + lookup }

// InboxPrefix is where a native NATS client with that key receives its replies:
// the only inbox that it may subscribe to, unless it holds every scope.
func InboxPrefix(lookup string) string { return "_INBOX_" + lookup }
