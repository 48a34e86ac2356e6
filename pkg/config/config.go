// Package config fills a service's settings: command line, environment and
// octomesh.yaml go in, one struct comes out, and nothing below main reads any of
// them again. A flag wins over the environment, that over the file, and the
// file over the default of the struct.
//
// A setting is a struct field with kong's tags (name, env, default, help); the
// tag secret:"" hides its value in every listing.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// DefaultFile is read from the working directory if it is there.
const DefaultFile = "octomesh.yaml"

// FileEnv names another file; the flag --config does too.
const FileEnv = "OCTOMESH_CONFIG"

// located is the flag that every program has without declaring it. Its value
// is looked up before the others, since they may stand in the file.
type located struct {
	Config string `name:"config" help:"Settings file (default: ${config_file}, if it is there)." env:"${config_env}" placeholder:"FILE" type:"path"`
}

// Parse fills cfg, a pointer to a struct, for the program of that name
// ("octomesh", "octomesh-auth", …). args are the arguments without the
// program's name. The returned context names the chosen command, where cfg has
// commands, and is what List reads.
//
// The error of a bad flag, variable or file says which one it is, that of a bad
// command line also whose help to ask for. --help prints
// the help and ends the process, unless a kong.Exit among the options says
// otherwise.
func Parse(name string, cfg any, args []string, opts ...kong.Option) (*kong.Context, error) {
	file, err := openFile(name, args)
	if err != nil {
		return nil, err
	}
	all := []kong.Option{
		kong.Name(name),
		kong.Embed(&located{}),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Vars{"config_file": DefaultFile, "config_env": FileEnv},
	}
	if file != nil {
		all = append(all, kong.Resolvers(file))
	}
	app, err := kong.New(cfg, append(all, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("the settings of %s: %w", name, err)
	}
	ctx, err := app.Parse(args)
	if wrong := (*kong.ParseError)(nil); errors.As(err, &wrong) {
		command := name
		if node := wrong.Context.Selected(); node != nil {
			command = node.FullPath()
		}
		return ctx, fmt.Errorf("%w (%s --help tells more)", err, command)
	}
	if err != nil {
		return ctx, err
	}
	for _, f := range ctx.Flags() {
		if d, ok := f.Target.Interface().(time.Duration); ok && d <= 0 && (f.Set || f.HasDefault) { // else there is none
			return ctx, fmt.Errorf("--%s must be above 0", f.Name)
		}
	}
	return ctx, nil
}

// openFile finds and reads the settings file. A file that was named must be
// there; the default one may be absent.
func openFile(name string, args []string) (*file, error) {
	path, named := locate(args)
	if !named {
		path = DefaultFile
	}
	src, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the settings file cannot be read: %w", err)
	}
	return parseFile(path, serviceOf(name), src)
}

func locate(args []string) (path string, ok bool) {
	for i, a := range args {
		if a == "--" {
			break
		}
		if v, found := strings.CutPrefix(a, "--config="); found {
			return v, true
		}
		if a == "--config" && i+1 < len(args) {
			return args[i+1], true
		}
	}
	path = os.Getenv(FileEnv)
	return path, path != ""
}

// serviceOf gives the file's section of a program: "auth" for octomesh-auth,
// and "" for the all-in-one, which reads no section of its own.
func serviceOf(program string) string {
	_, service, _ := strings.Cut(program, "octomesh-")
	return service
}
