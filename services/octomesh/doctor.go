package octomesh

import (
	"errors"
	"fmt"
	"io"

	client "github.com/octomesh/octomesh/clients/go"
)

type doctorCommand struct {
	output
	databases
	URL    string `help:"Server address, or several separated by commas; also the address of a service's metrics." env:"MOSTAJS_NET_URL" default:"http://127.0.0.1:4488"`
	Tables bool   `help:"Look at the tables of the configured databases instead: what does not fit, compares in another way, or was begun and not ended."`
}

// Run asks a server whether it serves. What is missing is the error: status 1
// when it says so itself, 4 when nobody answers.
func (c *doctorCommand) Run(e *env) error {
	if c.Tables {
		return c.tables(e)
	}
	s, err := client.New(c.URL)
	if err != nil {
		return err
	}
	defer s.Close()
	err = s.Health(e.ctx)
	var known *client.Error
	if errors.As(err, &known) {
		return fmt.Errorf("%s is not ready: %s", c.URL, known.Message)
	}
	if err != nil {
		return err
	}
	return e.result(c.output, map[string]string{"status": "ok"}, func(w io.Writer) { fmt.Fprintln(w, "ok") })
}

// tables tells of each configured database what an operator should see to. An
// unfinished change of tables is an error, since nobody is ending it.
func (c *doctorCommand) tables(e *env) error {
	list, err := c.examine(e)
	if err != nil {
		return err
	}
	unfinished := 0
	err = e.result(c.output, list, func(w io.Writer) {
		for _, x := range list {
			if x.Examination == nil {
				fmt.Fprintf(w, "%s (%s): it cannot be looked at: %s\n", x.Project, x.Dialect, x.Error)
				continue
			}
			fmt.Fprintf(w, "%s (%s): %d steps to do, %d misfits, %d warnings, %d unfinished\n", x.Project, x.Dialect, len(x.Steps), len(x.Misfits), len(x.Warnings), len(x.Unfinished))
			x.Steps = nil // octomesh schema plan shows them
			x.write(w)
		}
	})
	for _, x := range list {
		if x.Examination != nil {
			unfinished += len(x.Unfinished)
		}
	}
	switch blocked := blocked(list); {
	case err != nil || blocked != nil:
		return errors.Join(err, blocked)
	case unfinished > 0:
		return fmt.Errorf("%d changes of tables were begun and not ended; start a worker to go on", unfinished)
	}
	return nil
}
