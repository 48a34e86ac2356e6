package catalogue

import (
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// kind is what an argument takes.
type kind uint8

const (
	text     kind = iota
	whole         // a whole number
	number        // any number
	truth         // true or false
	object        // a JSON object, or its text
	array         // a JSON array, or its text
	names         // an array of names, or names separated by commas
	ordering      // {"price":-1}, "-price", or the former's text
	anything      // any JSON value; null is one
)

// Arg is one argument of a tool.
type Arg struct {
	Name     string
	kind     kind
	to       string // the member of the request object; "" = Name
	required bool
	about    string
	choices  []string
}

// Tool is one tool as it is listed, and what a call of it does.
type Tool struct {
	Name, Title, About string
	// Op is the operation; "" for a tool that the gateway answers itself, and
	// for one whose arguments choose it.
	Op    string
	Class mesh.Class
	// Project and Entity are what it works on; "" where an argument says so.
	Project, Entity string
	// Destructive tools may overwrite or remove what is there; Repeatable ones
	// do no more when they are called again.
	Destructive, Repeatable bool
	// Octonet tools take JSON as text and answer as Octonet did.
	Octonet bool
	Args    []Arg
}

// Pages reports whether the tool's result is a list that can be asked for in
// parts.
func (t *Tool) Pages() bool { return t.Op == "findAll" || t.Op == "search" }

func (t *Tool) arg(name string) *Arg {
	for i := range t.Args {
		if t.Args[i].Name == name {
			return &t.Args[i]
		}
	}
	return nil
}

// AppendInputSchema appends the JSON Schema of the tool's arguments.
func (t *Tool) AppendInputSchema(dst []byte) []byte {
	dst = append(dst, `{"type":"object","properties":{`...)
	for i := range t.Args {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(schema.AppendString(dst, t.Args[i].Name), ':')
		dst = t.Args[i].appendSchema(dst, t.Octonet)
	}
	dst = append(dst, '}')
	first := true
	for i := range t.Args {
		if !t.Args[i].required {
			continue
		}
		if first {
			dst = append(dst, `,"required":[`...)
		} else {
			dst = append(dst, ',')
		}
		first = false
		dst = schema.AppendString(dst, t.Args[i].Name)
	}
	if !first {
		dst = append(dst, ']')
	}
	return append(dst, `,"additionalProperties":false}`...)
}

// types are the JSON Schema of each kind, in the compact catalogue and in
// Octonet's, which takes the text of objects and arrays first of all.
var types = [...][2]string{
	text:     {`"type":"string"`, `"type":"string"`},
	whole:    {`"type":"integer","minimum":0`, `"type":"number","minimum":0`},
	number:   {`"type":"number"`, `"type":"number"`},
	truth:    {`"type":"boolean"`, `"type":"boolean"`},
	object:   {`"type":"object"`, `"type":["string","object"]`},
	array:    {`"type":"array","items":{"type":"object"}`, `"type":["string","array"]`},
	names:    {`"type":"array","items":{"type":"string"}`, `"type":["string","array"],"items":{"type":"string"}`},
	ordering: {`"type":["object","string"]`, `"type":["string","object"]`},
	anything: {`"type":["string","number","boolean","object","array","null"]`, `"type":["string","number","boolean","object","array","null"]`},
}

func (a *Arg) appendSchema(dst []byte, octonet bool) []byte {
	form := 0
	if octonet {
		form = 1
	}
	dst = append(append(dst, '{'), types[a.kind][form]...)
	if len(a.choices) > 0 {
		dst = append(dst, `,"enum":[`...)
		for i, c := range a.choices {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = schema.AppendString(dst, c)
		}
		dst = append(dst, ']')
	}
	if a.about != "" {
		dst = schema.AppendString(append(dst, `,"description":`...), a.about)
	}
	return append(dst, '}')
}
