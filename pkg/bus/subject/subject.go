// Package subject builds and takes apart every NATS subject of the house, and is
// the only place that does. A name reaches a subject after ValidToken alone, so
// no wildcard, dot, space or line end of a client can ever become a part of one.
//
//	mostajs.<Entity>.<op>                    a call, project default
//	mostajs.<project>.<Entity>.<op>          a call, a named project
//	mostajs.stream.<project>.<Entity>.<op>   a call answered by many messages
//	mostajs.events.<project>.<Entity>.<verb> an event on its way into JetStream
//	mostajs.live.<project>.<Entity>.<verb>   the same, handed on once it is stored
//	mostajs.discover                         what there is to call
//	octo.<service>.<verb>                    the control plane, for services only
//	octo.bell.<project>                      the change log has grown
package subject

import "strings"

// DefaultProject is the slug whose call subjects have three tokens.
const DefaultProject = "default"

// MaxToken is the longest token, in bytes.
const MaxToken = 64

// Discover answers with the catalogue of entities, ops and subjects.
const Discover = "mostajs.discover"

const (
	root     = "mostajs."
	streams  = "mostajs.stream."
	events   = "mostajs.events."
	lives    = "mostajs.live."
	control  = "octo."
	bell     = "octo.bell."
	pseudo   = "_project" // mesh.ProjectEntity
	maxVerbs = 3          // tokens of a control verb
)

// Kind tells what a subject is for.
type Kind uint8

// The kinds of subjects.
const (
	KindCall     Kind = iota + 1 // request-reply
	KindStream                   // request, replies under credit
	KindEvent                    // captured by the stream EVENTS
	KindLive                     // the republished event
	KindDiscover                 // the catalogue
	KindControl                  // octo.<service>.<verb>
)

// Parsed is a subject's parts. For KindControl, Project is empty, Entity is the
// service and Name the verb, which may hold dots (keys.list).
type Parsed struct {
	Kind    Kind
	Project string
	Entity  string
	Name    string // op, verb of an event, or control verb
}

// ValidToken reports whether s may stand in a subject: [A-Za-z0-9_-]{1,64}.
func ValidToken(s string) bool {
	if len(s) == 0 || len(s) > MaxToken {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}

// taken reports the words that would make a subject mean something else. What
// names projects and entities may have is wider and stands in schema.
func taken(s string) bool {
	return s == "events" || s == "live" || s == "stream" || s == "discover"
}

func validProject(s string) bool { return ValidToken(s) && s[0] != '_' && !taken(s) }

func validEntity(s string) bool {
	return ValidToken(s) && (s[0] != '_' || s == pseudo) && !taken(s)
}

// Call returns the request subject of an op: mostajs.<Entity>.<op> in the
// default project, else mostajs.<project>.<Entity>.<op>. It returns "" if a part
// is no valid token or a word of the subject language, as all builders do.
func Call(project, entity, op string) string {
	if !validEntity(entity) || !ValidToken(op) {
		return ""
	}
	if project == DefaultProject {
		return root + entity + "." + op
	}
	if !validProject(project) {
		return ""
	}
	return root + project + "." + entity + "." + op
}

// Stream returns the subject on which an op is answered by many messages.
func Stream(project, entity, op string) string { return long(streams, project, entity, op) }

// Event returns the subject on which the relay publishes a change.
func Event(project, entity, verb string) string { return long(events, project, entity, verb) }

// Live returns the subject on which a stored event reaches its subscribers.
func Live(project, entity, verb string) string { return long(lives, project, entity, verb) }

func long(prefix, project, entity, name string) string {
	if !validProject(project) || !validEntity(entity) || !ValidToken(name) {
		return ""
	}
	return prefix + project + "." + entity + "." + name
}

// Control returns octo.<service>.<verb>. The verb may have up to three tokens.
func Control(service, verb string) string {
	if !ValidToken(service) || !validVerb(verb) {
		return ""
	}
	return control + service + "." + verb
}

func validVerb(verb string) bool {
	n := 1
	for {
		token, rest, more := strings.Cut(verb, ".")
		if !ValidToken(token) {
			return false
		}
		if !more {
			return n <= maxVerbs
		}
		verb, n = rest, n+1
	}
}

// Bell returns the subject on which a worker tells a project's relay that the
// change log has grown.
func Bell(project string) string {
	if !validProject(project) {
		return ""
	}
	return bell + project
}

// Calls returns the pattern of a project's call subjects, project named.
func Calls(project string) string { return pattern(root, project) }

// DefaultCalls is the pattern of the default project's call subjects.
const DefaultCalls = "mostajs.*.*"

// Streams returns the pattern of a project's stream subjects.
func Streams(project string) string { return pattern(streams, project) }

// Events returns the pattern of a project's captured events.
func Events(project string) string { return pattern(events, project) }

// Lives returns the pattern of a project's live events.
func Lives(project string) string { return pattern(lives, project) }

func pattern(prefix, project string) string {
	if !validProject(project) {
		return ""
	}
	return prefix + project + ".*.*"
}

// Parse takes a subject apart. It accepts exactly what the builders give, and
// the default project's calls in the long form too (mostajs.default.E.op).
// The parts alias s; nothing is allocated.
func Parse(s string) (Parsed, bool) {
	if rest, ok := strings.CutPrefix(s, control); ok {
		service, verb, more := strings.Cut(rest, ".")
		if !more || !ValidToken(service) || !validVerb(verb) {
			return Parsed{}, false
		}
		return Parsed{Kind: KindControl, Entity: service, Name: verb}, true
	}
	rest, ok := strings.CutPrefix(s, root)
	if !ok {
		return Parsed{}, false
	}
	if s == Discover {
		return Parsed{Kind: KindDiscover}, true
	}
	var t [4]string
	n := 0
	for more := true; more; n++ {
		if n == len(t) {
			return Parsed{}, false
		}
		t[n], rest, more = strings.Cut(rest, ".")
	}
	var p Parsed
	switch n {
	case 2:
		p = Parsed{KindCall, DefaultProject, t[0], t[1]}
	case 3:
		p = Parsed{KindCall, t[0], t[1], t[2]}
	case 4:
		p = Parsed{0, t[1], t[2], t[3]}
		switch t[0] {
		case "stream":
			p.Kind = KindStream
		case "events":
			p.Kind = KindEvent
		case "live":
			p.Kind = KindLive
		}
	}
	if p.Kind == 0 || !validProject(p.Project) || !validEntity(p.Entity) || !ValidToken(p.Name) {
		return Parsed{}, false
	}
	return p, true
}
