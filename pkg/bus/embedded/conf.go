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
	var b bytes.Buffer
	key := c.Key
	if key == nil {
		key = func(role string) string { return "$OCTOMESH_NKEY_" + strings.ToUpper(role) }
	}
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if c.Listen != "" {
		line("listen: %q", c.Listen)
	}
	line("max_payload: %d", MaxPayload)
	line("write_deadline: \"10s\"")
	if c.StoreDir != "" {
		line("jetstream {")
		line("  store_dir: %s", value(c.StoreDir))
		line("  max_memory_store: 16MB")
		line("  max_file_store: 8GB")
		line("}")
	}
	line("")
	line("system_account: SYS")
	line("accounts {")
	line("  # The services. Each role has its own key and its own short list of subjects.")
	line("  MESH {")
	if c.StoreDir != "" {
		line("    jetstream: enabled")
	}
	line("    users: [")
	for _, role := range bus.Roles() {
		p, ok := bus.Permissions(role)
		if !ok {
			continue
		}
		line("      { nkey: %s, permissions: {", key(role))
		list(&b, "        ", "publish", p.Publish)
		list(&b, "        ", "subscribe", p.Subscribe)
		line("      } }")
	}
	line("    ]")
	line("    # By token count, never mostajs.>, and without overlap: see docs/security.md.")
	line("    exports: [")
	for _, s := range exported {
		line("      { %s, accounts: [APP] }", s.export)
	}
	line("    ]")
	line("  }")
	line("  # Native clients, held to the subjects of their key by the auth callout.")
	line("  APP {")
	if len(c.Natives) > 0 {
		line("    users: [")
		for _, u := range c.Natives {
			line("      { user: %q, password: %q, permissions: {", u.Name, u.Password)
			list(&b, "        ", "publish", u.Publish)
			list(&b, "        ", "subscribe", u.Subscribe)
			if u.Replies {
				line("        allow_responses: { max: 1000000, expires: \"1h\" }")
			}
			line("      } }")
		}
		line("    ]")
	}
	line("    imports: [")
	for _, s := range exported {
		line("      { %s }", s.imports)
	}
	line("      { stream: { account: MESH, subject: \"mostajs.live.default.*.*\" }, to: \"mostajs.events.$1.$2\" }")
	line("    ]")
	line("  }")
	line("  SYS { users: [ { nkey: %s } ] }", key(bus.RoleSystem))
	line("}")
	if c.Issuer != "" {
		line("authorization {")
		line("  timeout: 2")
		line("  auth_callout {")
		line("    issuer: %s", c.Issuer)
		if c.XKey != "" {
			line("    xkey: %s", c.XKey)
		}
		line("    account: MESH")
		users := make([]string, 0, 8)
		for _, role := range bus.Roles() {
			users = append(users, key(role))
		}
		for _, u := range c.Natives {
			users = append(users, fmt.Sprintf("%q", u.Name))
		}
		line("    auth_users: [ %s ]", strings.Join(users, ", "))
		line("  }")
		line("}")
	}
	_, err := w.Write(b.Bytes())
	return err
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

func list(b *bytes.Buffer, indent, name string, subjects []string) {
	fmt.Fprintf(b, "%s%s: { allow: [\n", indent, name)
	for _, s := range subjects {
		fmt.Fprintf(b, "%s  %q\n", indent, s)
	}
	fmt.Fprintf(b, "%s] }\n", indent)
}

// value writes a variable as it is and everything else as a string.
func value(s string) string {
	if strings.HasPrefix(s, "$") {
		return s
	}
	return fmt.Sprintf("%q", s)
}
