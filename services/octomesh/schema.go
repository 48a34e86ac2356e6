package octomesh

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/services/auth"
	"github.com/octomesh/octomesh/services/entity/projects"
)

type schemaCommand struct {
	Diff schemaDiff `cmd:"" help:"Compare two schemas: each difference, and what it does to stored records."`
	Plan schemaPlan `cmd:"" help:"Print what would be done to the tables of the configured databases, without doing it."`
}

type schemaDiff struct {
	output
	Old    string `arg:"" help:"Schemas in force: a file or a directory." type:"path"`
	New    string `arg:"" help:"Schemas to come: a file or a directory." type:"path"`
	FailOn string `name:"fail-on" help:"End with status 1 if there is a difference of this class or a worse one: backfill or destructive." enum:"backfill,destructive," default:""`
}

// Run prints the differences. With --fail-on a script can hold a change back.
func (c *schemaDiff) Run(e *env) error {
	before, err := schema.Load(c.Old)
	if err != nil {
		return schema.Explain(c.Old, err)
	}
	after, err := schema.Load(c.New)
	if err != nil {
		return schema.Explain(c.New, err)
	}
	list := schema.Diff(before, after)
	if list == nil {
		list = []schema.Difference{}
	}
	err = e.result(c.output, list, func(w io.Writer) {
		for _, d := range list {
			name := d.Entity
			if d.Field != "" {
				name += "." + d.Field
			}
			fmt.Fprintf(w, "%-11s  %-19s  %s  (%s)\n", d.Class, d.Type, name, d.Detail)
		}
		if len(list) == 0 {
			fmt.Fprintln(w, "no difference")
		}
	})
	if err != nil || c.FailOn == "" {
		return err
	}
	_, backfill, destructive := schema.Count(list)
	if destructive > 0 || backfill > 0 && c.FailOn == schema.Backfill.String() {
		return fmt.Errorf("%d differences need stored records to be filled or checked, %d lose or cannot convert stored data", backfill, destructive)
	}
	return nil
}

// databases are the configured databases, as a command looks at them.
type databases struct {
	DataDir string      `help:"Folder of databases and keys." env:"OCTOMESH_DATA_DIR" default:"./data" type:"path"`
	Only    string      `name:"project" help:"Only this project." env:"MOSTAJS_NET_PROJECT"`
	Auth    auth.Config `embed:""`
}

// examined is how one project's database stands to its schemas.
type examined struct {
	Project string `json:"project"`
	Dialect string `json:"dialect"`
	Version string `json:"version"` // of the catalog
	*driver.Examination
	Error string `json:"error,omitempty"` // why it could not be looked at
}

// examine looks at each configured database and changes nothing; servers may be
// serving them meanwhile.
func (c *databases) examine(e *env) ([]examined, error) {
	list, err := c.Auth.Projects()
	if err != nil {
		return nil, err
	}
	var out []examined
	for _, p := range list {
		if c.Only != "" && c.Only != p.Slug {
			continue
		}
		cat, err := schema.Parse(p.Schemas)
		if err != nil {
			return nil, schema.Explain("the schemas of the project "+p.Slug, err)
		}
		x := examined{Project: p.Slug, Dialect: p.Dialect, Version: cat.Version}
		def := projects.Definition{Slug: p.Slug, Dialect: p.Dialect, URI: p.URI, Strategy: string(driver.Inspect)}
		if x.Examination, err = c.look(e, &def, cat); err != nil {
			x.Error = fault.From(err).Message
		}
		out = append(out, x)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no project %q is configured", c.Only)
	}
	return out, nil
}

func (c *databases) look(e *env, def *projects.Definition, cat *schema.Catalog) (*driver.Examination, error) {
	d, err := projects.Find(e.dialects, def.Dialect)
	if err != nil {
		return nil, err
	}
	if def.URI == "" { // a file named after the project's id, which only the system store knows
		files, _ := filepath.Glob(filepath.Join(c.DataDir, "projects", "*.db")) // the pattern is well-formed
		switch {
		case len(files) == 1:
			def.URI = files[0]
		case len(files) > 1:
			return nil, fault.New(fault.InvalidRequest, "several files in %s could be this project's: name one with --db-uri", filepath.Join(c.DataDir, "projects"))
		default:
			def.URI = filepath.Join(c.DataDir, "projects", "new.db")
		}
	}
	conn, err := d.Open(e.ctx, &projects.Options{DataDir: c.DataDir, Log: slog.New(slog.DiscardHandler)}, def, cat)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // it has read only
	x, ok := conn.(driver.Examiner)
	if !ok {
		return &driver.Examination{Steps: []driver.Step{}}, nil // it has no tables to bring in line
	}
	return x.Examine(e.ctx, cat)
}

type schemaPlan struct {
	output
	databases
}

// Run prints the statements of the strategy update in their order. What stands in the way is the
// error: status 1.
func (c *schemaPlan) Run(e *env) error {
	list, err := c.examine(e)
	if err != nil {
		return err
	}
	err = e.result(c.output, list, func(w io.Writer) {
		for _, x := range list {
			fmt.Fprintf(w, "-- project %s on %s, catalog %s\n", x.Project, x.Dialect, x.Version)
			if x.write(w); x.Examination != nil && len(x.Steps)+len(x.Misfits) == 0 {
				fmt.Fprintln(w, "-- nothing to do")
			}
		}
	})
	if err != nil {
		return err
	}
	return blocked(list)
}

func (x *examined) write(w io.Writer) {
	if x.Examination == nil {
		fmt.Fprintf(w, "-- it cannot be looked at: %s\n", x.Error)
		return
	}
	for _, m := range x.Misfits {
		fmt.Fprintf(w, "-- does not fit, so that nothing is done: %s\n", said(m))
	}
	for _, s := range x.Steps {
		if s.Class != schema.Safe {
			fmt.Fprintf(w, "-- %s:\n", s.Class)
		}
		fmt.Fprintf(w, "%s;\n", s.SQL)
	}
	for _, m := range x.Warnings {
		fmt.Fprintf(w, "-- differs: %s\n", said(m))
	}
	for _, u := range x.Unfinished {
		why := "broken off"
		if u.Error != "" {
			why = "failed: " + u.Error
		}
		fmt.Fprintf(w, "-- unfinished since %s, %s; the next start goes on: %s\n", u.At.Format("2006-01-02 15:04:05 UTC"), why, u.SQL)
	}
}

// said is a misfit in one line.
func said(m driver.Misfit) string {
	where := "table " + m.Table
	if m.Column != "" {
		where += ", column " + m.Column
	}
	if m.Do == "" {
		return where + ": " + m.Reason
	}
	return where + ": " + m.Reason + "; " + m.Do
}

// blocked is the error of databases that can't be served as they are.
func blocked(list []examined) error {
	var names []string
	for _, x := range list {
		if x.Error != "" || len(x.Misfits) > 0 {
			names = append(names, x.Project)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("not ready for these schemas: %s", strings.Join(names, ", "))
}
