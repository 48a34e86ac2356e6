package schema

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
)

// Limits of a catalog. They are far above what is sane and far below what
// databases refuse.
const (
	MaxEntities = 1000
	MaxFields   = 500 // of one entity, relations included
	MaxNameLen  = 63  // PostgreSQL's limit for an identifier
	MaxEnum     = 1000
	MaxIDLen    = 128
)

var reserved = map[string]bool{
	// The words that subjects give a meaning to, right behind "mostajs.".
	"events": true, "live": true, "stream": true, "discover": true,
	// The first segments of HTTP paths.
	"api": true, "v1": true, "rest": true, "graphql": true, "jsonrpc": true, "rpc": true, "trpc": true, "odata": true,
	"mcp": true, "arrow": true, "flight": true, "ws": true, "sse": true, "webtransport": true, "grpc": true, "nats": true,
	"health": true, "livez": true, "readyz": true, "metrics": true, "try": true, "admin": true, "console": true,
	"auth": true, "logo": true, "docs": true, "static": true, "assets": true, "openapi": true, "projects": true,
}

// Reserved reports whether a word can be no name of an entity: the words of
// subjects and paths, and all that begins with an underscore. The comparison is
// exact, as it is in subjects and paths: "Event" is free. ValidProject asks for
// projects.
func Reserved(word string) bool { return strings.HasPrefix(word, "_") || reserved[word] }

// ValidProject reports whether s can be a project's name: [A-Za-z0-9_-]{1,64}, as
// a subject's token, and no reserved word, however it is written: projects stand
// in the first segment of a path, beside those words.
func ValidProject(s string) bool {
	if s == "" || len(s) > 64 || Reserved(strings.ToLower(s)) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isLetter(s[i]) && s[i]-'0' > 9 && s[i] != '_' && s[i] != '-' {
			return false
		}
	}
	return true
}

// reservedIDs are the words that stand where an id does in a path.
var reservedIDs = map[string]bool{
	".": true, "..": true, "count": true, "one": true, "search": true, "bulk": true,
	"upsert": true, "aggregate": true, "stream": true,
}

// ValidID reports whether s can be a record's id: [A-Za-z0-9._~:@-]{1,128}, and
// none of the words that paths use in an id's place.
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > MaxIDLen {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !idByte[s[i]] {
			return false
		}
	}
	return len(s) > 9 || !reservedIDs[s]
}

var idByte = func() (t [256]bool) {
	for _, x := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:@-") {
		t[x] = true
	}
	return t
}()

func isLetter(x byte) bool { return x|0x20 >= 'a' && x|0x20 <= 'z' }

// validName reports whether s is [A-Za-z][A-Za-z0-9]*, with underscore also
// [A-Za-z][A-Za-z0-9_]*, of at most 63 bytes.
func validName(s string, underscore bool) bool {
	if s == "" || len(s) > MaxNameLen || !isLetter(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isLetter(s[i]) && s[i]-'0' > 9 && (s[i] != '_' || !underscore) {
			return false
		}
	}
	return true
}

// sanitised are the names that Octonet strips from every reply. Such a field is
// hidden unless it says "hidden": false.
var sanitised = map[string]bool{
	"password": true, "hash": true, "passwordHash": true, "verifyToken": true, "verifyTokenExpiresAt": true,
	"resetToken": true, "resetTokenExpiresAt": true, "apiKeyHash": true, "secret": true, "privateKey": true,
}

var typeNames = [...]string{
	String: "string", Text: "text", Number: "number", Boolean: "boolean", Date: "date", JSON: "json", Array: "array",
	Integer: "integer", Decimal: "decimal", Float: "float", ObjectID: "objectId", Enum: "enum", Binary: "binary",
}

// String returns the type's name in schemas.json.
func (t Type) String() string { return nameOf(typeNames[:], int(t)) }

// Kind returns the kind of the type's values.
func (t Type) Kind() Kind {
	switch t {
	case Number, Float:
		return KindFloat
	case Integer:
		return KindInt
	case Decimal:
		return KindDecimal
	case Boolean:
		return KindBool
	case Date:
		return KindTime
	case JSON, Array:
		return KindJSON
	}
	return KindText
}

var relationNames = [...]string{
	OneToOne: "one-to-one", ManyToOne: "many-to-one", OneToMany: "one-to-many", ManyToMany: "many-to-many",
}

// String returns the cardinality's name in schemas.json.
func (t RelationType) String() string { return nameOf(relationNames[:], int(t)) }

var onDeleteNames = [...]string{SetNull: "set-null", Cascade: "cascade", Restrict: "restrict", NoAction: "no-action"}

// String returns the rule's name in schemas.json.
func (o OnDelete) String() string { return nameOf(onDeleteNames[:], int(o)) }

func nameOf(names []string, i int) string {
	if i <= 0 || i >= len(names) {
		return "none"
	}
	return names[i]
}

func indexOf(names []string, name string) (int, bool) {
	for i := 1; i < len(names); i++ {
		if names[i] == name {
			return i, true
		}
	}
	return 0, false
}

func choices(names []string) string { return strings.Join(names[1:], ", ") }

// Problem is one thing that is wrong with a schema or with a record.
type Problem struct {
	// Path leads to it: $[2].fields.price.min in schemas, price in a record.
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// maxProblems bounds the list: beyond it the rest is counted only.
const maxProblems = 100

// problems makes the error of a list of problems; nil for none.
func problems(what string, list []Problem) error {
	if len(list) == 0 {
		return nil
	}
	first := list[0]
	n := len(list)
	if n > maxProblems {
		list = list[:maxProblems]
	}
	if n == 1 {
		return fault.New(fault.ValidationError, "%s: %s: %s", what, first.Path, first.Reason).With(list)
	}
	return fault.New(fault.ValidationError, "%s: %d problems, the first at %s: %s", what, n, first.Path, first.Reason).With(list)
}
