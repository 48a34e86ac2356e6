package octomesh

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	client "github.com/octomesh/octomesh/clients/go"
)

type keysCommand struct {
	List   keysList   `cmd:"" help:"List the keys." default:"1"`
	Create keysCreate `cmd:"" help:"Make a key; it is shown once."`
	Revoke keysRevoke `cmd:"" help:"End a key at once, with its open streams."`
}

type keysList struct {
	remote
	output
}

// Run lists the keys that the caller may see.
func (c *keysList) Run(e *env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	keys, err := cl.Keys(e.ctx)
	if err != nil {
		return err
	}
	return e.result(c.output, keys, func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		fmt.Fprintln(t, "ID\tPREFIX\tLABEL\tPROJECTS\tOPERATIONS\tTRANSPORTS\tSTATE\tLAST USED")
		for _, k := range keys {
			s := k.Permissions.Scopes
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Prefix, k.Label,
				strings.Join(s["projects"], ","), strings.Join(s["operations"], ","), strings.Join(s["transports"], ","), state(k), at(k.LastUsedAt))
		}
		_ = t.Flush() // like fmt.Fprintln, for a terminal
	})
}

func state(k client.Key) string {
	switch {
	case !k.Enabled:
		return "off"
	case k.ExpiresAt != nil && time.Now().After(*k.ExpiresAt):
		return "expired"
	}
	return "on"
}

func at(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

type keysCreate struct {
	remote
	output
	Label      string        `arg:"" help:"What the key is for."`
	Projects   []string      `help:"Projects that it may use." default:"default"`
	Operations []string      `help:"read, write, admin, or *." default:"read"`
	Transports []string      `help:"rest, ws, sse, nats, …, or *." default:"*"`
	Env        string        `help:"live or test." enum:"live,test" default:"live"`
	Expires    time.Duration `help:"Lifetime, such as 720h (default: none)."`
}

// Run makes a key and prints its secret to stdout, the only time.
func (c *keysCreate) Run(e *env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	wanted := client.NewKey{Label: c.Label, Env: c.Env, Permissions: client.Permissions{Scopes: map[string][]string{
		"projects": c.Projects, "operations": c.Operations, "transports": c.Transports,
	}}}
	if c.Expires > 0 {
		end := time.Now().Add(c.Expires)
		wanted.ExpiresAt = &end
	}
	k, err := cl.CreateKey(e.ctx, wanted)
	if err != nil {
		return err
	}
	e.say(c.output, "Key %s for %q. It is not shown again:", k.ID, c.Label)
	return e.result(c.output, k, func(w io.Writer) { fmt.Fprintln(w, k.Secret) })
}

type keysRevoke struct {
	remote
	output
	ID string `arg:"" help:"The key's id, as keys list prints it."`
}

// Run revokes a key.
func (c *keysRevoke) Run(e *env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	if err := cl.RevokeKey(e.ctx, c.ID); err != nil {
		return err
	}
	e.say(c.output, "Key %s is revoked.", c.ID)
	return nil
}
