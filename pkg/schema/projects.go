package schema

import (
	"path/filepath"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/valyala/fastjson"
)

// Project is one entry of a projects-tree.json.
type Project struct {
	Name        string
	Dialect     string // sqlite, postgres, …
	URI         string // of the database; it may hold a password: never log it
	Catalog     *Catalog
	SchemasPath string // as given; empty when the schemas stand in the file itself
	Strategy    string // validate, update, create, create-drop, none; "" = the service's default
	Description string
	PoolMin     int // connections; 0 = the dialect's default
	PoolMax     int
	BatchSize   int
	ShowSQL     bool
	FormatSQL   bool
	OwnerID     string
	Visibility  string
}

var strategies = []string{"", "validate", "update", "create", "create-drop", "none"}

func readProjects(v *fastjson.Value, dir string) ([]Project, error) {
	p := new(parser)
	var list []Project
	p.object("$", v, func(name, at string, v *fastjson.Value) bool {
		if !ValidProject(name) {
			p.no(at, "a project's name has 1 to 64 of the characters A-Z a-z 0-9 _ -, does not begin with _ and is no reserved word")
			return true
		}
		list = append(list, p.project(name, at, v, dir))
		return true
	})
	seen := map[string]bool{}
	for _, q := range list {
		if seen[strings.ToLower(q.Name)] {
			p.no("$."+q.Name, "another project's name differs only by case")
		}
		seen[strings.ToLower(q.Name)] = true
	}
	if err := problems("the projects are not valid", p.problems); err != nil {
		return nil, err
	}
	return list, nil
}

func (p *parser) project(name, at string, v *fastjson.Value, dir string) Project {
	q := Project{Name: name}
	ok := p.object(at, v, func(key, at string, v *fastjson.Value) bool {
		switch key {
		case "dialect":
			q.Dialect = p.text(at, v)
		case "uri":
			q.URI = p.text(at, v)
		case "schemas":
			p.schemas(&q, at, v, dir)
		case "schemaStrategy":
			q.Strategy = strategies[p.choice(at, v, strategies)]
		case "description":
			q.Description = p.text(at, v)
		case "pool":
			p.object(at, v, func(key, at string, v *fastjson.Value) bool {
				switch key {
				case "min":
					q.PoolMin = p.count(at, v)
				case "max":
					q.PoolMax = p.count(at, v)
				default:
					return false
				}
				return true
			})
		case "poolSize":
			if q.PoolMax == 0 {
				q.PoolMax = p.count(at, v)
			}
		case "batchSize":
			q.BatchSize = p.count(at, v)
		case "showSql":
			q.ShowSQL = p.truth(at, v)
		case "formatSql":
			q.FormatSQL = p.truth(at, v)
		case "ownerId":
			q.OwnerID = p.text(at, v)
		case "visibility":
			q.Visibility = p.text(at, v)
		default:
			return false
		}
		return true
	})
	if !ok {
		return q
	}
	if q.Dialect == "" {
		p.no(at+".dialect", "a project needs its dialect, such as sqlite or postgres")
	}
	if q.URI == "" {
		p.no(at+".uri", "a project needs the URI of its database")
	}
	if v.Get("schemas") == nil {
		p.no(at+".schemas", "a project needs schemas: an array of entities, or the path of a file")
	}
	if q.PoolMax > 0 && q.PoolMin > q.PoolMax {
		p.no(at+".pool.min", "it is above the maximum")
	}
	return q
}

// schemas compiles a project's catalog and takes its problems over.
func (p *parser) schemas(q *Project, at string, v *fastjson.Value, dir string) {
	var err error
	switch v.Type() {
	case fastjson.TypeArray:
		q.Catalog, err = Parse(strictjson.Compact(nil, v))
	case fastjson.TypeString:
		q.SchemasPath = string(v.GetStringBytes())
		if !filepath.IsLocal(q.SchemasPath) {
			p.no(at, "the path must stay below the directory of the projects file")
			return
		}
		q.Catalog, err = Load(filepath.Join(dir, q.SchemasPath))
	default:
		p.no(at, expected("an array of entities, or a path", v))
	}
	if err == nil {
		return
	}
	f := fault.From(err)
	inner, ok := f.Details.([]Problem)
	if !ok {
		p.no(at, f.Message)
	}
	for _, x := range inner {
		p.no(at+strings.TrimPrefix(x.Path, "$"), x.Reason)
	}
}

// count reads a number of connections or rows; 0 means the default.
func (p *parser) count(at string, v *fastjson.Value) int {
	got, reason := decodeType(Integer, v)
	if reason == "" && (got.Int() < 0 || got.Int() > 100000) {
		reason = "a number between 0 and 100000 is expected"
	}
	if reason != "" {
		p.no(at, reason)
		return 0
	}
	return int(got.Int())
}
