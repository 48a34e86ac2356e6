package protofile

// Package is the proto package of every project's file.
const Package = "mostajs"

// Kind is what a field holds: its type in protobuf and its form in JSON.
type Kind uint8

// The kinds. What stands behind each is the JSON form of the value.
const (
	Text    Kind = iota + 1 // string: a text
	JSON                    // string: any JSON value, as its text
	Sort                    // string: a text, or a JSON value where it begins as one
	Decimal                 // string: a number, with all of its digits
	Ref                     // string: an id, or a record whose id counts
	Verb                    // string: what stands behind the point of a text
	Double                  // double: a number
	Int32                   // int32: a number
	Int64                   // int64: a number
	Bool                    // bool: true or false
	Binary                  // bytes: a text in base64
	Bytes                   // bytes: any JSON value, as its text
	Record                  // a message: an object
)

// protoNames are the kinds' types in a proto file.
var protoNames = [...]string{
	Text: "string", JSON: "string", Sort: "string", Decimal: "string", Ref: "string", Verb: "string",
	Double: "double", Int32: "int32", Int64: "int64", Bool: "bool", Binary: "bytes", Bytes: "bytes",
}

// Field is one field of a Message.
type Field struct {
	Name   string
	Number int32
	Kind   Kind
	// Repeated fields are JSON arrays; Optional ones tell null from zero.
	Repeated, Optional bool
	// Message is what a Record holds.
	Message *Message
	// Key is the member of the JSON object that the field stands for. Two fields
	// may have one: of a request, no more than one of them may be set; of a
	// record, the Ref and the Record of a relation are both filled.
	Key string
	// ReadOnly fields of a record are passed over where it is written.
	ReadOnly bool
	Comment  string
}

// Message is one message. It is read-only.
type Message struct {
	Name     string
	Comment  string
	Fields   []*Field // by number
	Reserved []int32  // numbers that must not be used, in order
	// Keys are the members of a record in the order in which it shows them.
	Keys []string
}

// Method is one method of a Service. Input is always a single message.
type Method struct {
	Name      string
	Op        string // of the mesh, or one of the door's own: watch, execute, executeStream
	In, Out   *Message
	Streaming bool // the reply is a stream
	Comment   string
}

// Service is one service.
type Service struct {
	Name    string
	Entity  string // "" for EntityService
	Comment string
	Methods []*Method
	Record  *Message // of the entity
}

// The ops of the door's own.
const (
	OpWatch         = "watch"
	OpExecute       = "execute"
	OpExecuteStream = "executeStream"
)

// EntityService is the name of the service for any op on any entity.
const EntityService = "EntityService"
