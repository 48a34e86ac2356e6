package octomesh

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/octomesh/octomesh/pkg/config"
)

type infoCommand struct{ output }

// database is a dialect that is compiled in, and how it was tested.
type database struct {
	Dialect  string `json:"dialect"`
	Evidence string `json:"evidence"` // engine, emulator or text
}

// Run prints the settings in force, secrets masked, and what is compiled in.
func (c *infoCommand) Run(e *env) error {
	var all struct {
		Serve serveCommand `cmd:"" default:"1"`
	}
	parsed, err := config.Parse("octomesh", &all, nil)
	if err != nil {
		return err
	}
	settings := config.List(parsed)
	databases := make([]database, len(e.dialects))
	for i, d := range e.dialects {
		databases[i] = database{d.Name, d.Evidence}
	}
	return e.result(c.output, map[string]any{"version": versionText(), "settings": settings, "databases": databases}, func(w io.Writer) {
		fmt.Fprintf(w, "octomesh %s\n\n", versionText())
		if err := config.Write(w, settings); err != nil {
			fmt.Fprintln(e.stderr, err)
		}
		fmt.Fprint(w, "\ndatabases compiled in (and how each was tested):\n")
		for _, d := range databases {
			fmt.Fprintf(w, "  %-12s %s\n", d.Dialect, d.Evidence)
		}
	})
}

type versionCommand struct{ output }

// Run prints the version, the commit and the Go version.
func (c *versionCommand) Run(e *env) error {
	return e.result(c.output, map[string]string{"version": versionText(), "go": runtime.Version()}, func(w io.Writer) {
		fmt.Fprintf(w, "octomesh %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	})
}

// versionText is the module's version, or the commit that it was built from.
func versionText() string {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit := ""
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			commit = s.Value[:12]
		}
	}
	switch {
	case b.Main.Version != "" && b.Main.Version != "(devel)":
		return b.Main.Version
	case commit != "":
		return "development " + commit
	}
	return "development"
}
