package access

import (
	"encoding/base64"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
)

// Authorization reads the value of an Authorization header: Bearer, or Basic
// (RFC 7617). Errors: AUTH_ERROR for what has no form.
func Authorization(header string) (c Credential, err error) {
	scheme, value, _ := strings.Cut(header, " ")
	value = strings.TrimSpace(value)
	switch {
	case value == "":
	case strings.EqualFold(scheme, "Bearer"):
		c.Bearer = strings.Clone(value)
		return c, nil
	case strings.EqualFold(scheme, "Basic"):
		b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "=")) // some clients leave the padding out
		user, password, ok := strings.Cut(string(b), ":")
		if err == nil && ok {
			c.User, c.Password = user, password
			return c, nil
		}
	}
	return c, malformed()
}

// WellFormed checks what no header may hold. Errors: AUTH_ERROR.
func (c *Credential) WellFormed() error {
	if !visible(c.Key) || !visible(c.Bearer) || !visible(c.Ticket) {
		return malformed()
	}
	return nil
}

func malformed() error {
	return fault.New(fault.AuthError, "the credential is malformed: send an API key in X-API-Key, or Authorization: Bearer with a key or a token")
}

func visible(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
