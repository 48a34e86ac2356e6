// Package gatewaygrpc is the gateway of HTTP/2: calls of gRPC come in, calls on
// the mesh go out, replies, streams of records and live events come back. It
// holds no data and no rule; any number of gateways may run side by side.
//
// The doors are listed in doors.go; rpc and pkg/gateway are what they stand on.
package gatewaygrpc
