// Package codec turns a project's protobuf messages into the JSON that the mesh
// speaks, and back: a request message goes in and the request object of its op
// comes out, a worker's reply goes in and the reply message comes out. It is
// compiled once from a protofile.File and appends bytes; it makes no message and
// no map on the way.
//
// Messages from outside are read strictly: what is no protobuf, has a group, a
// field of another wire type than the file says, or a text that is no UTF-8 is
// INVALID_REQUEST. Fields that the file does not have are passed over, as proto3
// wants it.
package codec
