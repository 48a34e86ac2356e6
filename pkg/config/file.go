package config

import (
	"fmt"
	"os"
	"slices"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// Services are the sections that one file may have for several processes: each
// reads the top level and its own section, which wins.
var Services = []string{"auth", "entity", "gateway-grpc", "gateway-http", "sandbox"}

// file is a kong.Resolver over one YAML file. A key is a flag's name; a mapping
// joins its keys with "-", so that http: {port: 1} and http-port: 1 are the same.
type file struct {
	path   string
	values map[string]entry
}

type entry struct {
	node    *yaml.Node
	section bool // came from the process's own section
}

func parseFile(path, service string, src []byte) (*file, error) {
	f := &file{path: path, values: map[string]entry{}}
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(doc.Content) == 0 {
		return f, nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, f.at(root, "the file must be a mapping of settings")
	}
	if err := f.add(root, "", service, false); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *file) add(m *yaml.Node, prefix, service string, section bool) error {
	seen := map[string]bool{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, val := m.Content[i], m.Content[i+1]
		if key.Kind != yaml.ScalarNode || val.Kind == yaml.AliasNode {
			return f.at(key, "anchors, aliases and composed keys are not supported")
		}
		if seen[key.Value] {
			return f.at(key, "%q stands here twice", key.Value)
		}
		seen[key.Value] = true
		top := prefix == "" && !section
		switch {
		case top && service != "" && val.Kind == yaml.MappingNode && slices.Contains(Services, key.Value):
			if key.Value != service {
				continue // another process's
			}
			if err := f.add(val, "", service, true); err != nil {
				return err
			}
		case val.Kind == yaml.MappingNode:
			if err := f.add(val, prefix+key.Value+"-", service, section); err != nil {
				return err
			}
		default:
			name := prefix + key.Value
			if old, ok := f.values[name]; ok && old.section == section {
				return f.at(key, "%q is set twice", name)
			} else if !ok || section {
				f.values[name] = entry{node: val, section: section}
			}
		}
	}
	return nil
}

// Validate refuses a key that no flag has: a typo must not pass silently.
func (f *file) Validate(app *kong.Application) error {
	known := map[string]bool{}
	_ = kong.Visit(app, func(n kong.Visitable, next kong.Next) error {
		if flag, ok := n.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	names := make([]string, 0, len(f.values))
	for name := range f.values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if known[name] && name != "config" && name != "help" {
			continue
		}
		if near := nearest(name, known); near != "" {
			return f.at(f.values[name].node, "there is no setting %q; did you mean %q?", name, near)
		}
		return f.at(f.values[name].node, "there is no setting %q", name)
	}
	return nil
}

// Resolve gives a flag's value from the file, unless the environment has one.
func (f *file) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	e, ok := f.values[flag.Name]
	if !ok || envOf(flag) != "" {
		return nil, nil
	}
	switch e.node.Kind {
	case yaml.ScalarNode:
		if e.node.Tag == "!!null" {
			return nil, nil
		}
		return e.node.Value, nil
	case yaml.SequenceNode:
		if !flag.IsSlice() {
			return nil, f.at(e.node, "%q takes one value, not a list", flag.Name)
		}
		items := make([]string, len(e.node.Content))
		for i, item := range e.node.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, f.at(item, "%q takes a list of plain values", flag.Name)
			}
			items[i] = item.Value
		}
		return kong.JoinEscaped(items, flag.Tag.Sep), nil
	}
	return nil, f.at(e.node, "%q has a value of an unknown form", flag.Name)
}

func (f *file) at(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s, line %d: %s", f.path, n.Line, fmt.Sprintf(format, args...))
}

// envOf returns the variable that gives a flag its value, or "".
func envOf(flag *kong.Flag) string {
	for _, name := range flag.Tag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return name
		}
	}
	return ""
}

// nearest returns the known name that differs from name by at most two edits.
func nearest(name string, known map[string]bool) string {
	best, at := "", 3
	for k := range known {
		if d := distance(name, k); d < at || d == at && at < 3 && k < best {
			best, at = k, d
		}
	}
	return best
}

// distance is Levenshtein's, by bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost = 1 + min(diag, row[j], row[j+1])
			}
			diag, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
