package octomesh

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	client "github.com/octomesh/octomesh/clients/go"
)

// batchSize is how many records one transaction of an import holds.
const (
	batchSize = 500
	// importPatience bounds one transaction, with its repetitions.
	importPatience = time.Minute
)

type importCommand struct {
	remote
	output
	File     string `arg:"" help:"File that export wrote; - reads stdin." type:"path"`
	FailFast bool   `help:"Stop at the first record that is refused."`
}

// importer sends a file's lines batch by batch. A record with a reference to a
// later line is sent again at the end, when its target is there. After an
// interruption FILE.octo-import tells where to go on; all of it may be sent
// twice without harm, since a record is replaced by itself.
type importer struct {
	*importCommand
	env    *env
	cl     *client.Client
	state  importState
	read   hash.Hash // over the lines that were sent so far
	marker string    // "" for stdin
	total  int
}

// importState is the content of FILE.octo-import.
type importState struct {
	Server  string `json:"server"` // where to, as it was asked for
	Project string `json:"project"`
	Lines   int    `json:"lines"`   // stored so far
	Read    string `json:"read"`    // SHA-256 of these lines
	Again   []int  `json:"again"`   // lines to send once more at the end
	Refused int    `json:"refused"` // lines that the server did not take
}

// line is one record of the file with its place.
type line struct {
	number int // from 1
	text   json.RawMessage
}

// Run imports the file. The exit status is 1 if any record was refused.
func (c *importCommand) Run(e *env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	im := &importer{importCommand: c, env: e, cl: cl, read: sha256.New(), state: importState{Server: c.URL, Project: c.Project}}
	if c.File != "-" {
		im.marker = c.File + ".octo-import"
		if err := im.resume(); err != nil {
			return err
		}
	}
	if err := im.each(func(l line) bool { return l.number > im.state.Lines }, im.first); err != nil {
		return err
	}
	if err := im.secondPass(); err != nil {
		return err
	}
	if im.marker != "" {
		if err := os.Remove(im.marker); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	stored := im.total - im.state.Refused
	e.say(c.output, "%d records stored", stored)
	if err := e.result(c.output, map[string]int{"stored": stored, "refused": im.state.Refused}, func(io.Writer) {}); err != nil {
		return err
	}
	if im.state.Refused > 0 {
		return fmt.Errorf("%d of %d records were refused", im.state.Refused, im.total)
	}
	return nil
}

// resume takes up an import that was interrupted. It goes on only where nothing
// can be missed: the same lines, the same project of the same server, and the
// last of these lines is stored there; else it begins again, which does no harm.
func (im *importer) resume() error {
	b, err := os.ReadFile(im.marker)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	earlier, reached := importState{}, errors.New("reached")
	var last line
	if err == nil && json.Unmarshal(b, &earlier) == nil && earlier.Server == im.URL && earlier.Project == im.Project {
		err = im.each(func(l line) bool { return l.number <= earlier.Lines }, func(batch []line) error {
			im.note(batch)
			if last = batch[len(batch)-1]; last.number == earlier.Lines {
				return reached
			}
			return nil
		})
	}
	if err == reached && hex.EncodeToString(im.read.Sum(nil)) == earlier.Read {
		stored, err := im.stored(last)
		if err != nil {
			return err
		}
		if stored {
			im.state = earlier
			im.env.say(im.output, "going on after line %d, where an earlier import stopped", im.state.Lines)
			return nil
		}
	}
	im.read.Reset()
	im.env.say(im.output, "beginning with line 1, since %s tells of other records or another server", im.marker)
	return nil
}

// stored tells whether the server has the record of a line.
func (im *importer) stored(l line) (bool, error) {
	var record struct {
		Entity string
		Data   struct{ ID string }
	}
	if err := json.Unmarshal(l.text, &record); err != nil || record.Data.ID == "" {
		return false, nil // the server refused it
	}
	_, err := client.FindByID[struct{}](im.env.ctx, im.cl, record.Entity, record.Data.ID, nil)
	var known *client.Error
	if errors.As(err, &known) && aboutRecords(known) {
		return false, nil
	}
	return err == nil, err
}

// note adds lines to what was read.
func (im *importer) note(batch []line) {
	for _, l := range batch {
		im.read.Write(l.text)
		im.read.Write([]byte{'\n'})
	}
}

// each reads the file and hands the wanted lines on in batches.
func (im *importer) each(wanted func(line) bool, send func([]line) error) error {
	in := im.env.in
	if im.File != "-" {
		f, err := os.Open(im.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	br := bufio.NewReaderSize(in, 1<<20)
	var batch []line
	size, records := 0, 0
	for number := 1; ; number++ {
		text, err := br.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return err
		}
		l := line{number, bytes.TrimSpace(text)}
		if len(l.text) > 0 {
			records++
			if !json.Valid(l.text) {
				return fmt.Errorf("line %d is no JSON; nothing after line %d was stored", number, im.state.Lines)
			}
			if wanted(l) {
				batch, size = append(batch, l), size+len(l.text)
			}
		}
		if len(batch) == batchSize || size > 4<<20 || (err == io.EOF && len(batch) > 0) {
			if err := send(batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
		if err == io.EOF {
			im.total = records
			return nil
		}
	}
}

// first sends a batch of the first pass and notes how far it came.
func (im *importer) first(batch []line) error {
	missing, err := im.send(batch)
	if err != nil {
		return err
	}
	im.state.Again = append(im.state.Again, missing...)
	im.state.Lines = batch[len(batch)-1].number
	im.note(batch)
	im.env.say(im.output, "read up to line %d", im.state.Lines)
	return im.mark()
}

// secondPass sends the records with references to later lines again.
func (im *importer) secondPass() error {
	if len(im.state.Again) == 0 {
		return nil
	}
	if im.File == "-" {
		return fmt.Errorf("%d records refer to later lines; import from a file, so that they can be read again", len(im.state.Again))
	}
	again := map[int]bool{}
	for _, n := range im.state.Again {
		again[n] = true
	}
	return im.each(func(l line) bool { return again[l.number] }, func(batch []line) error {
		missing, err := im.send(batch)
		for _, n := range missing {
			im.refuse(n, errors.New("it refers to a record that is not in the file"))
		}
		return err
	})
}

// send stores a batch in one transaction; when the server refuses it, it sends
// the records one by one to find those that do not fit. It returns the lines
// with references that have no target yet.
func (im *importer) send(batch []line) ([]int, error) {
	texts := make([]json.RawMessage, len(batch))
	for i, l := range batch {
		texts[i] = l.text
	}
	ctx, cancel := context.WithTimeout(im.env.ctx, importPatience)
	defer cancel()
	r, err := im.cl.Restore(ctx, texts)
	var known *client.Error
	switch {
	case err == nil:
		var missing []int
		for _, m := range r.Missing {
			if n := batch[m.Index].number; len(missing) == 0 || missing[len(missing)-1] != n {
				missing = append(missing, n)
			}
		}
		return missing, nil
	case !errors.As(err, &known) || !aboutRecords(known):
		return nil, fmt.Errorf("line %d: %w", batch[0].number, err)
	case len(batch) > 1:
		var missing []int
		for _, l := range batch {
			m, err := im.send([]line{l})
			if err != nil {
				return nil, err
			}
			missing = append(missing, m...)
		}
		return missing, nil
	case im.FailFast:
		return nil, fmt.Errorf("line %d: %w", batch[0].number, err)
	}
	im.refuse(batch[0].number, err)
	return nil, nil
}

// aboutRecords tells whether a refusal is one of the records that were sent: not of
// the caller, of the project, or of the moment, which all records would get alike.
func aboutRecords(e *client.Error) bool {
	switch {
	case e.Status >= 500, e.Status == http.StatusTooManyRequests, e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		return false
	}
	return e.Code != "UNKNOWN_PROJECT"
}

func (im *importer) refuse(number int, err error) {
	im.state.Refused++
	fmt.Fprintf(im.env.stderr, "line %d: %s\n", number, strings.TrimPrefix(err.Error(), "octomesh: "))
}

// mark writes FILE.octo-import, whole or not at all.
func (im *importer) mark() error {
	if im.marker == "" {
		return nil
	}
	im.state.Read = hex.EncodeToString(im.read.Sum(nil))
	b, err := json.Marshal(im.state)
	if err != nil {
		return err
	}
	return writeWhole(im.marker, b, 0o600)
}
