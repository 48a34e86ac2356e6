package octomesh

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	client "github.com/octomesh/octomesh/clients/go"
	"github.com/octomesh/octomesh/examples/shop"
)

// prepareExample puts the example's schemas into the data folder and serves
// them.
func (c *serveCommand) prepareExample() error {
	if c.Example == "" {
		return nil
	}
	path := filepath.Join(c.DataDir, c.Example+".json")
	if err := writeWhole(path, shop.Schemas(), 0o600); err != nil {
		return err
	}
	c.Auth.Schemas = path
	return nil
}

// loadExample stores the example's records, as a client would, unless the
// project has some already.
func (c *serveCommand) loadExample(e *env, http string) error {
	if c.Example == "" {
		return nil
	}
	key, err := os.ReadFile(filepath.Join(c.DataDir, "admin.key"))
	if err != nil {
		return fmt.Errorf("the example's records need the admin key: %w", err)
	}
	cl, err := client.New("http://"+http, client.WithAPIKey(strings.TrimSpace(string(key))))
	if err != nil {
		return err
	}
	defer cl.Close()
	if n, err := cl.Count(e.ctx, "Product", nil); err != nil || n > 0 {
		return err
	}
	var batch []json.RawMessage
	total := 0
	send := func() error {
		_, err := cl.Restore(e.ctx, batch)
		total, batch = total+len(batch), batch[:0]
		return err
	}
	for line := range shop.Lines(shop.Seed) {
		batch = append(batch, bytes.TrimSpace(bytes.Clone(line)))
		if len(batch) == batchSize {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if err := send(); err != nil {
		return err
	}
	e.say(c.output, "The shop is open: %d records.", total)
	return nil
}
