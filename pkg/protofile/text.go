package protofile

import (
	"strconv"
	"strings"
	"unicode"
)

// Text is the file as protoc reads it. project and version stand in its head.
func (f *File) Text(project, version string) string {
	p := &printer{clash: map[string]bool{}}
	for _, m := range f.Messages {
		for _, x := range m.Fields {
			p.clash[x.Name] = true
		}
	}
	for _, s := range f.Services {
		for _, m := range s.Methods {
			p.clash[m.Name] = true
		}
	}
	p.line("// Project " + project + ", catalog " + version + ". Made from its schemas: a number once given to a field is never given to another.")
	p.line("")
	p.line(`syntax = "proto3";`)
	p.line("")
	p.line("package " + Package + ";")
	p.line("")
	p.line(`option go_package = "` + goPackage + `";`)
	for _, m := range f.Messages {
		p.message(m)
	}
	for _, s := range f.Services {
		p.service(s)
	}
	return p.b.String()
}

type printer struct {
	b strings.Builder
	// clash are the names of fields and methods: where a message has one of
	// these, its bare name might be taken for that.
	clash map[string]bool
}

func (p *printer) line(s string) { p.b.WriteString(s + "\n") }

// comment writes a comment of any text, with indent before each line.
func (p *printer) comment(indent, text string) {
	if text == "" {
		return
	}
	for _, l := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		clean := strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r == unicode.ReplacementChar {
				return ' '
			}
			return r
		}, l)
		p.line(indent + "// " + clean)
	}
}

// ref names a message where a type is expected.
func (p *printer) ref(m *Message) string {
	if first := m.Name[0]; first < 'A' || first > 'Z' || p.clash[m.Name] { // a small one may be a word of the language
		return fullName(m.Name)
	}
	return m.Name
}

func (p *printer) message(m *Message) {
	p.line("")
	p.comment("", m.Comment)
	if len(m.Fields)+len(m.Reserved) == 0 {
		p.line("message " + m.Name + " {}")
		return
	}
	p.line("message " + m.Name + " {")
	for i, n := range m.Reserved {
		switch {
		case i == 0:
			p.b.WriteString("  reserved ")
		default:
			p.b.WriteString(", ")
		}
		p.b.WriteString(strconv.Itoa(int(n)))
		if i == len(m.Reserved)-1 {
			p.line(";")
		}
	}
	for _, f := range m.Fields {
		label := ""
		switch {
		case f.Repeated:
			label = "repeated "
		case f.Optional:
			label = "optional "
		}
		typ := ""
		if f.Kind == Record {
			typ = p.ref(f.Message)
		} else {
			typ = protoNames[f.Kind]
		}
		p.comment("  ", f.Comment)
		p.line("  " + label + typ + " " + f.Name + " = " + strconv.Itoa(int(f.Number)) + ";")
	}
	p.line("}")
}

func (p *printer) service(s *Service) {
	p.line("")
	p.comment("", s.Comment)
	p.line("service " + s.Name + " {")
	for _, m := range s.Methods {
		p.comment("  ", m.Comment)
		stream := ""
		if m.Streaming {
			stream = "stream "
		}
		p.line("  rpc " + m.Name + "(" + p.ref(m.In) + ") returns (" + stream + p.ref(m.Out) + ");")
	}
	p.line("}")
}
