// Package entityrpc serves entities over gRPC: a protobuf request of a service
// that no code was generated for goes in, is turned into one call on the mesh by
// the plans of pkg/protofile/codec, and the reply goes out as protobuf. Which
// services there are follows the catalogs of the projects, without a restart.
package entityrpc
