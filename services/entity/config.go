package entity

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/entity/projects"
)

// Config is the worker's settings.
type Config struct {
	// DataDir is the folder of SQLite files; a main sets it from the setting that
	// all services of a process share.
	DataDir string `kong:"-"`
	// Replicas is how many copies the stream of events has when it is made: 3 on
	// three NATS nodes or more. A main sets it from the shared setting, too.
	Replicas   int           `kong:"-"`
	SQLiteSync string        `name:"sqlite-sync" env:"OCTOMESH_SQLITE_SYNC" enum:"full,normal" default:"full" help:"What a commit survives: full = a loss of power, normal = the death of the process."`
	Retention  time.Duration `name:"change-retention" env:"OCTOMESH_CHANGE_RETENTION" default:"24h" help:"How long change logs are kept: how far back a subscriber can resume and an idempotency key is known."`
	DeleteMany string        `name:"delete-many" env:"OCTOMESH_DELETE_MANY" enum:"write,admin" default:"write" help:"The operations scope that deleteMany needs: admin asks for admin beside write."`
	CursorKey  string        `name:"cursor-key" env:"OCTOMESH_CURSOR_KEY" secret:"" help:"64 hex digits that sign cursors; the same for all workers of a project. Default: made once and kept in the data folder."`
}

// Deps are what a worker is given. Dialer and Relay are required.
type Deps struct {
	Dialer bus.Dialer // in the role entity
	Relay  bus.Dialer // in the role relay
	// Identity tells who calls; nil = asks the auth service over the bus.
	Identity Identifier
	// Dialects are the databases that projects may be on; nil = projects.BuiltIn.
	Dialects []projects.Dialect
	Log      *slog.Logger
	Metrics  *telemetry.Metrics
}

// Identifier tells who makes a call, by its token or by what the NATS server
// vouches for; with neither, somebody anonymous. It is identity.Identity.
type Identifier interface {
	Caller(ctx context.Context, h *mesh.Header) (*mesh.Principal, error)
}

// cursorKey is the key that signs cursors: the configured one, or one that the
// data folder keeps, so that cursors outlive a restart.
func (c *Config) cursorKey() ([]byte, error) {
	if c.CursorKey != "" {
		key, err := hex.DecodeString(c.CursorKey)
		if err != nil || len(key) != 32 {
			return nil, errors.New("OCTOMESH_CURSOR_KEY must be 64 hex digits")
		}
		return key, nil
	}
	path := filepath.Join(c.DataDir, "cursor.key")
	key, err := os.ReadFile(path)
	if err == nil && len(key) == 32 {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the key that signs cursors cannot be read: %w", err)
	}
	key = make([]byte, 32)
	rand.Read(key) //nolint:errcheck // it never fails, by its own documentation
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return nil, fmt.Errorf("the data folder cannot be made: %w", err)
	}
	// Workers that start together in one folder make one key: the first to link
	// its own wins, whole and with its mode.
	own := path + "." + telemetry.NewRequestID()
	defer func() { _ = os.Remove(own) }() // linked or not, the name goes
	if err := os.WriteFile(own, key, 0o600); err != nil {
		return nil, fmt.Errorf("the key that signs cursors cannot be kept: %w", err)
	}
	err = os.Link(own, path)
	if errors.Is(err, fs.ErrExist) {
		if key, err = os.ReadFile(path); err == nil && len(key) != 32 {
			err = fmt.Errorf("%s has not 32 bytes; remove it to have a new one made", path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the key that signs cursors cannot be kept: %w", err)
	}
	return key, nil
}
