package auth

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/auth/projects"
)

// Config are the settings of the auth service.
type Config struct {
	// DataDir is the folder of keys and of the system store; a main sets it from
	// the setting that all services of a process share.
	DataDir  string `kong:"-"`
	AdminKey string `name:"admin-key" help:"The first API key, with every right; used at the first start only (default: a new one is written to <data-dir>/admin.key)." env:"OCTOMESH_ADMIN_KEY" secret:""`
	Dialect  string `name:"db-dialect" help:"Database engine of the default project." env:"DB_DIALECT" default:"sqlite"`
	URI      string `name:"db-uri" help:"Database address of the default project (sqlite: a file; default: one of the worker's own)." env:"SGBD_URI" secret:""`
	Strategy string `name:"db-schema-strategy" help:"What happens to the tables of the default project: validate, update, create, create-drop or none." env:"DB_SCHEMA_STRATEGY" default:"update" enum:"validate,update,create,create-drop,none"`
	Schemas  string `name:"schemas" help:"Entities of the default project: a file or a directory (default: schemas.json if it is there, else the demo)." env:"SCHEMAS_PATH"`
	Tree     string `name:"projects" help:"File with further projects (default: projects-tree.json, if it is there)." env:"OCTOMESH_PROJECTS"`
	Replicas int    `name:"replicas" help:"Copies of the shared buckets and of the stream of events: 3 on three NATS nodes or more." env:"OCTOMESH_REPLICAS" default:"1"`
}

// Deps are what the auth service works with.
type Deps struct {
	// Dialer connects in the role auth, System in the role system. Without System
	// native clients end with their rights only when they connect again or their
	// connection's time is over.
	Dialer bus.Dialer
	System bus.Dialer
	// IssuerSeed and CurveSeed are the signing key and the key of the callout's
	// encryption; empty ones are read from, or made in, <data>/nats.
	IssuerSeed, CurveSeed string
	// FirstKey, if set, is told the admin key that the first start has made, and
	// the file that holds it.
	FirstKey func(key, path string)
	Log      *slog.Logger
	Metrics  *telemetry.Metrics
	Now      func() time.Time
}

func (d *Deps) defaults() {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
}

// The names of files that are used if they are there.
const (
	schemasFile = "schemas.json"
	treeFile    = "projects-tree.json"
)

// Projects returns the projects that the settings name: the default one, and
// those of the tree. They have no id yet.
func (c *Config) Projects() ([]projects.Project, error) {
	var list []projects.Project
	tree, err := c.tree()
	if err != nil {
		return nil, err
	}
	inTree := false
	for _, t := range tree {
		inTree = inTree || t.Name == projects.Default
		list = append(list, projects.Project{
			Slug: t.Name, Dialect: t.Dialect, URI: t.URI, Schemas: t.Catalog.Source, Strategy: t.Strategy,
			Description: t.Description, Source: projects.FromTree,
		})
	}
	if inTree {
		return list, nil
	}
	schemas, err := c.schemas()
	if err != nil {
		return nil, err
	}
	return append(list, projects.Project{
		Slug: projects.Default, Dialect: c.Dialect, URI: c.URI, Schemas: schemas, Strategy: c.Strategy, Source: projects.FromConfig,
	}), nil
}

func (c *Config) schemas() ([]byte, error) {
	path := c.Schemas
	if path == "" {
		if !there(schemasFile) {
			return projects.Demo(), nil
		}
		path = schemasFile
	}
	cat, err := schema.Load(path)
	if err != nil {
		return nil, schema.Explain(path, err)
	}
	return cat.Source, nil
}

func (c *Config) tree() ([]schema.Project, error) {
	path := c.Tree
	if path == "" {
		if !there(treeFile) {
			return nil, nil
		}
		path = treeFile
	}
	list, err := schema.LoadProjects(path)
	if err != nil {
		return nil, schema.Explain(path, err)
	}
	return list, nil
}

func there(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func (c *Config) path(parts ...string) string {
	return filepath.Join(append([]string{c.DataDir}, parts...)...)
}
