package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/octomesh/octomesh/pkg/fault"
)

// message is a message as it came, or as it is to leave: protobuf, or JSON in
// protobuf's own form.
type message struct {
	bytes []byte
	json  bool
}

// codec takes messages in and out of connect's hands as they are.
type codec struct {
	name string
	json bool
}

var codecs = connect.WithOptions(
	connect.WithCodec(codec{"proto", false}), connect.WithCodec(codec{"json", true}), connect.WithCodec(codec{"json; charset=utf-8", true}),
)

// Name implements connect.Codec.
func (c codec) Name() string { return c.name }

// Marshal implements connect.Codec. What connect itself sends beside messages is
// protobuf's.
func (c codec) Marshal(v any) ([]byte, error) {
	switch m := v.(type) {
	case *message:
		return m.bytes, nil
	case proto.Message:
		if c.json {
			return protojson.Marshal(m)
		}
		return proto.Marshal(m)
	}
	return nil, fault.New(fault.Internal, "something went wrong on our side")
}

// Unmarshal implements connect.Codec.
func (c codec) Unmarshal(b []byte, v any) error {
	m, ok := v.(*message)
	if !ok {
		return fault.New(fault.Internal, "something went wrong on our side")
	}
	m.bytes, m.json = bytes.Clone(b), c.json // connect uses b again
	return nil
}

// toProto makes a message of protobuf's JSON form binary. Members that the
// message does not have are refused. Errors: PARSE_ERROR.
func toProto(b []byte, of protoreflect.MessageDescriptor) ([]byte, error) {
	if len(b) == 0 {
		return nil, nil
	}
	m := dynamicpb.NewMessage(of)
	if err := (protojson.UnmarshalOptions{RecursionLimit: maxDepth}).Unmarshal(b, m); err != nil {
		return nil, fault.Wrap(err, fault.ParseError, "the body is not the JSON form of %s%s", of.FullName(), unknownMember(err))
	}
	return proto.Marshal(m)
}

// unknownField is how protojson tells of a member that a message does not have.
var unknownField = regexp.MustCompile(`unknown field ("(?:[^"\\]|\\.)*")`)

// unknownMember names the member that a message does not have, if that is what
// is wrong: protojson's error is no interface, and its other texts stay here.
func unknownMember(err error) string {
	m := unknownField.FindStringSubmatch(err.Error())
	if m == nil {
		return ""
	}
	var name string
	if json.Unmarshal([]byte(m[1]), &name) != nil {
		return ""
	}
	return fmt.Sprintf(": it has no member %.80q", name)
}

// maxDepth bounds the nesting of messages in JSON.
const maxDepth = 100

// toJSON is the way back, with every field that has a value.
func toJSON(b []byte, of protoreflect.MessageDescriptor) ([]byte, error) {
	m := dynamicpb.NewMessage(of)
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "a reply could not be read")
	}
	return protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
}
