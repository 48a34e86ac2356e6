package embedded

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/octomesh/octomesh/pkg/bus"
)

// Conf says what WriteConf writes beside the three accounts, which are always
// the same: MESH for the services, APP for native clients, SYS.
type Conf struct {
	// Key gives a role's public nkey, or the name of a variable. Nil writes the
	// variables $OCTOMESH_NKEY_<ROLE>.
	Key func(role string) string
	// Issuer is the public account nkey that signs what the auth callout
	// answers; empty leaves the callout out, and then no native client can
	// connect. XKey, a public curve key, encrypts what passes between server
	// and callout; it may be empty.
	Issuer, XKey string
	// StoreDir is the folder of JetStream; empty leaves JetStream out.
	StoreDir string
	// Listen is the address of the client port; empty leaves it out.
	Listen string
	// Natives are users of APP with a password, for tests and closed networks.
	Natives []Native
}

// Native is a user of the account APP that needs no auth callout.
type Native struct {
	Name, Password string
	bus.Permission
	// Replies allows this user to answer what it is sent, as a stream's
	// receiver does with credit.
	Replies bool
}

// MaxPayload is the limit of one message in bytes: large requests (imports,
// wide records) fit; replies over 512 KB go in chunks.
const MaxPayload = 8 << 20

// WriteConf writes a nats.conf. The embedded server reads the same text, so
// that both always agree.
func WriteConf(w io.Writer, c Conf) error {
	if c.Key == nil {
		c.Key = func(role string) string { return "$OCTOMESH_NKEY_" + strings.ToUpper(role) }
	}
	var t text
	if c.Listen != "" {
		t.line("listen: %q", c.Listen)
	}
	t.line("max_payload: %d", MaxPayload)
	t.line("write_deadline: \"10s\"")
	if c.StoreDir != "" {
		t.line("jetstream {")
		t.line("  store_dir: %s", value(c.StoreDir))
		t.line("  max_memory_store: 16MB")
		t.line("  max_file_store: 8GB")
		t.line("}")
	}
	t.line("")
	t.line("system_account: SYS")
	t.line("accounts {")
	t.mesh(&c)
	t.app(&c)
	t.line("  SYS { users: [ { nkey: %s } ] }", c.Key(bus.RoleSystem))
	t.line("}")
	if c.Issuer != "" {
		t.callout(&c)
	}
	_, err := w.Write(t.Bytes())
	return err
}

// text is a nats.conf in the making.
type text struct{ bytes.Buffer }

func (t *text) line(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

func (t *text) mesh(c *Conf) {
	t.line("  # The services. Each role has its own key and its own short list of subjects.")
	t.line("  MESH {")
	if c.StoreDir != "" {
		t.line("    jetstream: enabled")
	}
	t.line("    users: [")
	for _, role := range bus.Roles() {
		p, ok := bus.Permissions(role)
		if !ok {
			continue
		}
		t.line("      { nkey: %s, permissions: {", c.Key(role))
		t.list("        ", "publish", p.Publish)
		t.list("        ", "subscribe", p.Subscribe)
		t.line("      } }")
	}
	t.line("    ]")
	t.line("    # By token count, never mostajs.>, and without overlap: see docs/security.md.")
	t.line("    exports: [")
	for _, s := range exported {
		t.line("      { %s, accounts: [APP] }", s.export)
	}
	t.line("    ]")
	t.line("  }")
}

func (t *text) app(c *Conf) {
	t.line("  # Native clients, held to the subjects of their key by the auth callout.")
	t.line("  APP {")
	if len(c.Natives) > 0 {
		t.line("    users: [")
		for _, u := range c.Natives {
			t.line("      { user: %q, password: %q, permissions: {", u.Name, u.Password)
			t.list("        ", "publish", u.Publish)
			t.list("        ", "subscribe", u.Subscribe)
			if u.Replies {
				t.line("        allow_responses: { max: 1000000, expires: \"1h\" }")
			}
			t.line("      } }")
		}
		t.line("    ]")
	}
	t.line("    imports: [")
	for _, s := range exported {
		t.line("      { %s }", s.imports)
	}
	t.line("      { stream: { account: MESH, subject: \"mostajs.live.default.*.*\" }, to: \"mostajs.events.$1.$2\" }")
	t.line("    ]")
	t.line("  }")
}

func (t *text) callout(c *Conf) {
	t.line("authorization {")
	t.line("  timeout: 2")
	t.line("  auth_callout {")
	t.line("    issuer: %s", c.Issuer)
	if c.XKey != "" {
		t.line("    xkey: %s", c.XKey)
	}
	t.line("    account: MESH")
	users := make([]string, 0, 8)
	for _, role := range bus.Roles() {
		users = append(users, c.Key(role))
	}
	for _, u := range c.Natives {
		users = append(users, fmt.Sprintf("%q", u.Name))
	}
	t.line("    auth_users: [ %s ]", strings.Join(users, ", "))
	t.line("  }")
	t.line("}")
}

// exported is what crosses from MESH to APP. share lets workers see the
// identity that the server wrote.
var exported = []struct{ export, imports string }{
	{`service: "mostajs.*.*"`, `service: { account: MESH, subject: "mostajs.*.*" }, share: true`},
	{`service: "mostajs.*.*.*"`, `service: { account: MESH, subject: "mostajs.*.*.*" }, share: true`},
	{
		`service: "mostajs.stream.*.*.*", response: stream, response_threshold: "30s"`,
		`service: { account: MESH, subject: "mostajs.stream.*.*.*" }, share: true`,
	},
	{`service: "mostajs.discover"`, `service: { account: MESH, subject: "mostajs.discover" }, share: true`},
	{`stream: "mostajs.live.>"`, `stream: { account: MESH, subject: "mostajs.live.>" }`},
}

func (t *text) list(indent, name string, subjects []string) {
	t.line("%s%s: { allow: [", indent, name)
	for _, s := range subjects {
		t.line("%s  %q", indent, s)
	}
	t.line("%s] }", indent)
}

// value writes a variable as it is and everything else as a string.
func value(s string) string {
	if strings.HasPrefix(s, "$") {
		return s
	}
	return fmt.Sprintf("%q", s)
}
