package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// Load compiles what SCHEMAS_PATH names: a file, or a directory whose *.json
// files, in the order of their names, each hold an array of entities or one
// entity, and together make one catalog. Errors: NOT_FOUND, PARSE_ERROR,
// VALIDATION_ERROR; paths in its details begin with the file's name.
func Load(path string) (*Catalog, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(err, path)
	}
	if !info.IsDir() {
		src, err := os.ReadFile(path)
		if err != nil {
			return nil, unreadable(err, path)
		}
		return Parse(src)
	}
	files, err := filepath.Glob(filepath.Join(escapeGlob(path), "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fault.Wrap(err, fault.NotFound, "the directory %s has no *.json file", path)
	}
	sort.Strings(files)
	p := new(parser)
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			return nil, unreadable(err, file)
		}
		if err := p.read(filepath.Base(file), src); err != nil {
			f := fault.From(err)
			return nil, fault.New(f.Code, "%s: %s", file, f.Message)
		}
	}
	c, err := p.finish(nil)
	if err != nil {
		return nil, err
	}
	c.Source = c.AppendJSON(nil)
	return c, nil
}

// Explain is an error of Load or LoadProjects for a person at a terminal: which
// file it was, and each of its problems in a line of its own.
func Explain(path string, err error) error {
	f := fault.From(err)
	problems, ok := f.Details.([]Problem)
	switch {
	case !ok && strings.Contains(f.Message, path):
		return errors.New(f.Message)
	case !ok:
		return fmt.Errorf("%s: %s", path, f.Message)
	}
	lines := []string{path + " is not valid:"}
	for _, p := range problems {
		lines = append(lines, "  "+p.Path+": "+p.Reason)
	}
	if len(problems) == maxProblems {
		lines = append(lines, "  (what comes after the first "+strconv.Itoa(maxProblems)+" problems is not listed)")
	}
	return errors.New(strings.Join(lines, "\n"))
}

func unreadable(err error, path string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(err, fault.NotFound, "there is no file or directory %s", path)
	}
	return fault.Wrap(err, fault.Internal, "%s cannot be read", path)
}

// escapeGlob keeps a directory's own name from being read as a pattern.
func escapeGlob(path string) string {
	var b []byte
	for i := 0; i < len(path); i++ {
		if c := path[i]; c == '*' || c == '?' || c == '[' || c == '\\' && os.PathSeparator != '\\' {
			b = append(b, '\\')
		}
		b = append(b, path[i])
	}
	return string(b)
}

// ParseProjects reads a projects-tree.json: an object of projects, keyed by
// name, in order. A schemas member that is a text is a path below dir, the
// file's own directory, and goes through Load. Errors: PARSE_ERROR,
// VALIDATION_ERROR naming every problem.
func ParseProjects(src []byte, dir string) ([]Project, error) {
	doc, err := strictjson.Parse(src)
	if err != nil {
		return nil, err
	}
	defer doc.Release()
	return readProjects(doc.Root, dir)
}

// LoadProjects is ParseProjects of a file. Errors: those and NOT_FOUND.
func LoadProjects(path string) ([]Project, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(err, path)
	}
	return ParseProjects(src, filepath.Dir(path))
}
