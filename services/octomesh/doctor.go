package octomesh

import (
	"errors"
	"fmt"
	"io"

	client "github.com/octomesh/octomesh/clients/go"
)

type doctorCommand struct {
	output
	URL string `help:"Server address, or several separated by commas; also the address of a service's metrics." env:"MOSTAJS_NET_URL" default:"http://127.0.0.1:4488"`
}

// Run asks a server whether it serves. What is missing is the error: status 1
// when it says so itself, 4 when nobody answers.
func (c *doctorCommand) Run(e *env) error {
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
