// Package tickets makes and redeems tickets: a browser, which can set no header
// on an event stream, trades its credential for a short text that is good for
// one use within 30 s and may stand in a URL. A ticket is sealed with the auth
// service's key and says who it was made for; that it was used is written down
// where all auth services see it.
package tickets

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
)

// Life is how long a ticket can be redeemed.
const Life = 30 * time.Second

// Used remembers redeemed tickets.
type Used interface {
	// Once returns true for the first call with that name, by whomever.
	Once(ctx context.Context, name string) (bool, error)
}

// Office makes and redeems tickets.
type Office struct {
	key  []byte
	used Used
	now  func() time.Time
}

// New returns an Office whose tickets are sealed with a key made from seed.
func New(seed []byte, used Used) *Office {
	mac := hmac.New(sha256.New, seed)
	mac.Write([]byte("octomesh tickets"))
	return &Office{key: mac.Sum(nil), used: used, now: time.Now}
}

var encoding = base64.RawURLEncoding.Strict()

const prefix = "tk1."

// Issue returns a ticket for the principal of that id.
func (o *Office) Issue(id string) string {
	body := strconv.FormatInt(o.now().Add(Life).UnixMilli(), 36) + "." + rand.Text() + "." + encoding.EncodeToString([]byte(id))
	return prefix + body + "." + encoding.EncodeToString(o.seal(body))
}

func (o *Office) seal(body string) []byte {
	mac := hmac.New(sha256.New, o.key)
	mac.Write([]byte(body))
	return mac.Sum(nil)[:20]
}

// Redeem returns the id that the ticket was made for and uses the ticket up.
// Errors: UNAUTHORIZED for a ticket that is forged, too old or used, UNAVAILABLE.
func (o *Office) Redeem(ctx context.Context, ticket string) (id string, err error) {
	body, ok := strings.CutPrefix(ticket, prefix)
	dot := strings.LastIndexByte(body, '.')
	if !ok || dot < 0 || len(ticket) > 512 || strings.ContainsAny(ticket, "\r\n") {
		return "", refused()
	}
	seal, err := encoding.DecodeString(body[dot+1:])
	if err != nil || !hmac.Equal(seal, o.seal(body[:dot])) {
		return "", refused()
	}
	parts := strings.Split(body[:dot], ".")
	if len(parts) != 3 {
		return "", refused()
	}
	until, err := strconv.ParseInt(parts[0], 36, 64)
	if err != nil || o.now().UnixMilli() >= until {
		return "", refused()
	}
	who, err := encoding.DecodeString(parts[2])
	if err != nil {
		return "", refused()
	}
	first, err := o.used.Once(ctx, parts[1])
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "the ticket could not be checked; ask for another one")
	}
	if !first {
		return "", refused()
	}
	return string(who), nil
}

func refused() error {
	return fault.New(fault.Unauthorized, "the ticket is not valid: it works once, within 30 s")
}
