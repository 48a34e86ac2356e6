package octomesh

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

type exportCommand struct {
	remote
	output
	File string `arg:"" optional:"" help:"Where to write (default: stdout)." type:"path"`
}

// Run copies the server's export to the file, which appears whole or not at all.
func (c *exportCommand) Run(e *env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	body, err := cl.Export(e.ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	if c.File == "" {
		_, err := copyLines(e.stdout, body)
		return err
	}
	part := c.File + ".part"
	f, err := os.Create(part)
	if err != nil {
		return err
	}
	n, err := copyLines(f, body)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(part, c.File)
	}
	if err != nil {
		_ = os.Remove(part)
		return fmt.Errorf("the export broke off after %d records: %w", n, err)
	}
	e.say(c.output, "%d records in %s", n, c.File)
	return e.result(c.output, map[string]any{"records": n, "file": c.File}, func(io.Writer) {})
}

// copyLines copies and counts the lines.
func copyLines(w io.Writer, r io.Reader) (int, error) {
	br, bw := bufio.NewReaderSize(r, 256<<10), bufio.NewWriterSize(w, 256<<10)
	n := 0
	for {
		line, err := br.ReadSlice('\n')
		if len(line) > 0 {
			if _, werr := bw.Write(line); werr != nil {
				return n, werr
			}
			if line[len(line)-1] == '\n' {
				n++
			}
		}
		switch err {
		case nil, bufio.ErrBufferFull:
		case io.EOF:
			return n, bw.Flush()
		default:
			return n, err
		}
	}
}
