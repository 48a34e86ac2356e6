package octomesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	client "github.com/octomesh/octomesh/clients/go"
	"github.com/octomesh/octomesh/pkg/config"
	"github.com/octomesh/octomesh/services/entity/projects"
)

// Exit codes of every command.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3 // 401 or 403
	exitUnreachable = 4
)

// commands is the command line.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Start every service in one process."`
	Keys    keysCommand    `cmd:"" help:"List, create and revoke API keys."`
	Export  exportCommand  `cmd:"" help:"Write all records of a project as lines of JSON."`
	Import  importCommand  `cmd:"" help:"Read records that export wrote."`
	Schema  schemaCommand  `cmd:"" help:"Compare schemas with each other and with databases."`
	MCP     mcpCommand     `cmd:"" name:"mcp" help:"Serve the Model Context Protocol over stdin and stdout, for programs that start their servers themselves."`
	Init    initCommand    `cmd:"" help:"Make the keys that separate processes need to meet on an external NATS server."`
	Doctor  doctorCommand  `cmd:"" help:"Ask whether a server, or one of its services, serves."`
	Info    infoCommand    `cmd:"" help:"Print the settings in force and what is compiled in."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// remote is how a command reaches a running server.
type remote struct {
	URL     string `help:"Server address, or several separated by commas." env:"MOSTAJS_NET_URL" default:"http://127.0.0.1:4488"`
	Key     string `help:"API key (default: the file admin.key in the data directory, if it is there)." env:"MOSTAJS_NET_API_KEY" secret:""`
	Project string `help:"Project." env:"MOSTAJS_NET_PROJECT"`
	DataDir string `help:"Where to look for admin.key." env:"OCTOMESH_DATA_DIR" default:"./data" type:"path"`
}

func (r remote) client() (*client.Client, error) {
	return client.New(r.URL, client.WithAPIKey(r.key()), client.WithProject(r.Project))
}

// key is the API key to show; "" if there is none.
func (r remote) key() string {
	if r.Key == "" {
		if b, err := os.ReadFile(filepath.Join(r.DataDir, "admin.key")); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	return r.Key
}

// output is how a command speaks: results to stdout, the rest to stderr.
type output struct {
	JSON  bool `help:"Print results as JSON."`
	Quiet bool `short:"q" help:"Print no progress."`
}

// env is what a command works with beside its flags.
type env struct {
	dialects       []projects.Dialect // the databases compiled in
	ctx            context.Context
	in             io.Reader
	stdout, stderr io.Writer
	parsed         *kong.Context
}

// say prints progress or a hint for a person.
func (e *env) say(o output, format string, args ...any) {
	if !o.Quiet {
		fmt.Fprintf(e.stderr, format+"\n", args...)
	}
}

// result prints v as JSON, or calls text.
func (e *env) result(o output, v any, text func(io.Writer)) error {
	if !o.JSON {
		text(e.stdout)
		return nil
	}
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// ended carries an exit status out of the command line parser.
type ended int

// Main runs a command and returns its exit status: 0 ok, 1 failed, 2 usage, 3
// refused, 4 no server reached. An interrupt ends a command in good order. The
// program serves the dialects that every program has, and those given here.
func Main(args []string, in io.Reader, stdout, stderr io.Writer, more ...projects.Dialect) (status int) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	defer func() {
		if r := recover(); r != nil {
			code, ok := r.(ended)
			if !ok {
				panic(r)
			}
			status = int(code)
		}
	}()
	var c commands
	parsed, err := config.Parse("octomesh", &c, args,
		kong.Description("One entity schema, served through every protocol, over NATS."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { panic(ended(code)) }),
	)
	if err != nil {
		fmt.Fprintln(stderr, "octomesh:", err)
		return exitUsage
	}
	e := &env{dialects: append(projects.BuiltIn(), more...), ctx: ctx, in: in, stdout: stdout, stderr: stderr, parsed: parsed}
	if err := parsed.Run(e); err != nil {
		fmt.Fprintln(stderr, "octomesh:", strings.ReplaceAll(strings.TrimPrefix(err.Error(), "octomesh: "), ": octomesh: ", ": "))
		status := statusOf(err)
		if status == exitUnreachable {
			fmt.Fprintln(stderr, "octomesh: `octomesh serve` starts a server; --url (MOSTAJS_NET_URL) names one elsewhere")
		}
		return status
	}
	return exitOK
}

func statusOf(err error) int {
	var known *client.Error
	switch {
	case errors.As(err, &known) && (known.Status == 401 || known.Status == 403):
		return exitRefused
	case client.Unreachable(err):
		return exitUnreachable
	}
	return exitFailed
}
