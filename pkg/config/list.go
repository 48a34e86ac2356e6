package config

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"
)

// Setting is one setting in force.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"` // flag, environment, file, default
	// From is the variable's name, or the file's path; "" otherwise.
	From string `json:"from,omitempty"`
	Env  string `json:"env,omitempty"` // the variable that would set it
}

// mask stands for a secret that is set.
const mask = "********"

// List returns the settings that are in force for the chosen command, in the
// order of the struct. Secrets, and passwords inside URLs, are masked.
func List(ctx *kong.Context) []Setting {
	var out []Setting
	given, resolved := map[*kong.Flag]bool{}, map[*kong.Flag]bool{}
	for _, p := range ctx.Path {
		if p.Flag != nil && p.Resolved {
			resolved[p.Flag] = true
		} else if p.Flag != nil {
			given[p.Flag] = true
		}
	}
	path, _ := locate(ctx.Args)
	if path == "" {
		path = DefaultFile
	}
	for _, flag := range ctx.Flags() {
		if flag.Hidden || flag.Name == "help" || flag.Name == "config" {
			continue
		}
		s := Setting{Name: flag.Name, Source: "default", Value: show(flag, ctx.FlagValue(flag))}
		if len(flag.Tag.Envs) > 0 {
			s.Env = flag.Tag.Envs[0]
		}
		switch env := envOf(flag); {
		case given[flag]:
			s.Source = "flag"
		case env != "":
			s.Source, s.From = "environment", env
		case resolved[flag]:
			s.Source, s.From = "file", path
		}
		out = append(out, s)
	}
	return out
}

// Write prints settings as a table for people.
func Write(w io.Writer, settings []Setting) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, s := range settings {
		from := s.Source
		if s.From != "" {
			from += " " + s.From
		}
		if _, err := fmt.Fprintf(t, "%s\t%s\t%s\n", s.Name, s.Value, from); err != nil {
			return err
		}
	}
	return t.Flush()
}

func show(flag *kong.Flag, v any) string {
	text := fmt.Sprint(v)
	if v == nil {
		text = ""
	}
	if items, ok := v.([]string); ok {
		masked := slices.Clone(items)
		for i := range masked {
			masked[i] = MaskURI(masked[i])
		}
		text = strings.Join(masked, ",")
	}
	switch {
	case text == "":
		return ""
	case flag.Tag.Has("secret"):
		return mask
	}
	return MaskURI(text)
}

// MaskURI hides what is secret in a database or server address: the password
// of scheme://user:password@host, and parameters whose names speak of one. Any
// other text stays as it is, except that a credential in an address which is no
// valid URL hides the whole.
func MaskURI(s string) string {
	if parts := strings.Split(s, ","); len(parts) > 1 && strings.Contains(parts[1], "://") {
		for i := range parts {
			parts[i] = MaskURI(parts[i])
		}
		return strings.Join(parts, ",")
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s
	}
	u, err := url.Parse(s)
	if err != nil {
		if strings.Contains(rest, "@") {
			return scheme + "://" + mask
		}
		return s
	}
	out := s
	if u.User != nil {
		name := mask // a lone user name is often a token
		if _, has := u.User.Password(); has {
			name = u.User.Username() + ":" + mask
		}
		// Only the last @ before the path ends the user part.
		authority, tail := rest, ""
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			authority, tail = rest[:i], rest[i:]
		}
		out = scheme + "://" + name + "@" + authority[strings.LastIndex(authority, "@")+1:] + tail
	}
	head, query, ok := strings.Cut(out, "?")
	if !ok {
		return out
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		if speaks(name) {
			pairs[i] = name + "=" + mask
		}
	}
	return head + "?" + strings.Join(pairs, "&")
}

// speaks reports whether a parameter's name says that its value is a secret.
func speaks(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"pass", "pwd", "secret", "token", "key"}, func(part string) bool {
		return strings.Contains(name, part)
	})
}
