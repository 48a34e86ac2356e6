package protofile

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/protofile/number"
	"github.com/octomesh/octomesh/pkg/schema"
)

// File is a project's proto file in a view. It is read-only.
type File struct {
	Messages []*Message // those that belong to no entity first
	Services []*Service // EntityService last
}

// New lays out a project's file. n are its numbers, or nil where none were ever
// given: then they are made from c, as they would be the first time.
func New(c *schema.Catalog, n number.Numbers, v mesh.View) *File {
	n, _ = number.Extend(n, c)
	s := newShared()
	f := &File{Messages: s.list}
	if !v.Read && !v.Write {
		return &File{}
	}
	records := make(map[string]*Message, len(c.Entities))
	for _, e := range c.Entities {
		records[e.Name] = record(e, n[e.Name])
	}
	for _, e := range c.Entities {
		m := records[e.Name]
		m.fill(e, n[e.Name], records)
		fam := newFamily(m, s)
		f.Messages = append(f.Messages, fam.messages(v)...)
		f.Services = append(f.Services, fam.service(e, s, v))
	}
	f.Services = append(f.Services, s.service(v))
	return f
}

// Name is the name of a project's proto file. The version of its catalog is no
// part of it: that a file has changed is seen in it.
func Name(project string) string { return Package + "/" + project + ".proto" }

// Descriptor is the file as a descriptor of that name.
func (f *File) Descriptor(name string) *descriptorpb.FileDescriptorProto {
	d := &descriptorpb.FileDescriptorProto{
		Name: proto.String(name), Package: proto.String(Package), Syntax: proto.String("proto3"),
		Options: &descriptorpb.FileOptions{GoPackage: proto.String(goPackage)},
	}
	for _, m := range f.Messages {
		d.MessageType = append(d.MessageType, m.descriptor())
	}
	for _, s := range f.Services {
		d.Service = append(d.Service, s.descriptor())
	}
	return d
}

// goPackage spares users of protoc-gen-go an option.
const goPackage = "./mostajs"

// Compile is Descriptor, checked and resolved. An error is a defect of this
// package.
func (f *File) Compile(name string) (protoreflect.FileDescriptor, error) {
	d, err := protodesc.NewFile(f.Descriptor(name), nil)
	if err != nil {
		return nil, fmt.Errorf("the proto file of a catalog does not hold together: %w", err)
	}
	return d, nil
}

// Set is the file as the bytes of a FileDescriptorSet, as protoc -o writes them.
func (f *File) Set(name string) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(&descriptorpb.FileDescriptorSet{
		File: []*descriptorpb.FileDescriptorProto{f.Descriptor(name)},
	})
}

var types = map[string]descriptorpb.FieldDescriptorProto_Type{
	"string": descriptorpb.FieldDescriptorProto_TYPE_STRING, "bytes": descriptorpb.FieldDescriptorProto_TYPE_BYTES,
	"double": descriptorpb.FieldDescriptorProto_TYPE_DOUBLE, "bool": descriptorpb.FieldDescriptorProto_TYPE_BOOL,
	"int32": descriptorpb.FieldDescriptorProto_TYPE_INT32, "int64": descriptorpb.FieldDescriptorProto_TYPE_INT64,
}

func fullName(name string) string { return "." + Package + "." + name }

func (m *Message) descriptor() *descriptorpb.DescriptorProto {
	d := &descriptorpb.DescriptorProto{Name: proto.String(m.Name)}
	for _, f := range m.Fields {
		x := &descriptorpb.FieldDescriptorProto{
			Name: proto.String(f.Name), Number: proto.Int32(f.Number), JsonName: proto.String(jsonName(f.Name)),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if f.Kind == Record {
			x.Type, x.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(fullName(f.Message.Name))
		} else {
			x.Type = types[protoNames[f.Kind]].Enum()
		}
		switch {
		case f.Repeated:
			x.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		case f.Optional: // a oneof of its own is how descriptors tell it
			x.Proto3Optional, x.OneofIndex = proto.Bool(true), proto.Int32(int32(len(d.OneofDecl)))
			d.OneofDecl = append(d.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String("_" + f.Name)})
		}
		d.Field = append(d.Field, x)
	}
	for _, n := range m.Reserved {
		d.ReservedRange = append(d.ReservedRange, &descriptorpb.DescriptorProto_ReservedRange{Start: proto.Int32(n), End: proto.Int32(n + 1)})
	}
	return d
}

func (s *Service) descriptor() *descriptorpb.ServiceDescriptorProto {
	d := &descriptorpb.ServiceDescriptorProto{Name: proto.String(s.Name)}
	for _, m := range s.Methods {
		x := &descriptorpb.MethodDescriptorProto{
			Name: proto.String(m.Name), InputType: proto.String(fullName(m.In.Name)), OutputType: proto.String(fullName(m.Out.Name)),
		}
		if m.Streaming {
			x.ServerStreaming = proto.Bool(true)
		}
		d.Method = append(d.Method, x)
	}
	return d
}

// jsonName is a field's name in protobuf's JSON form, as protoc derives it.
func jsonName(name string) string {
	b := make([]byte, 0, len(name))
	up := false
	for i := range len(name) {
		c := name[i]
		if c == '_' {
			up = true
			continue
		}
		if up && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		up = false
		b = append(b, c)
	}
	return string(b)
}
