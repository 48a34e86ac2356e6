// Package protofile makes a project's proto file: a Catalog, the numbers of its
// fields and what the reader may do go in; the messages and services come out, as
// a model that codecs are compiled from, as a descriptor and as text.
//
// The package, the messages and the numbers are Octonet's; what it does not have
// is in further fields, messages and methods, so that clients of its file go on
// working. How records look in protobuf is told in docs/grpc.md.
package protofile
