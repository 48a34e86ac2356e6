// Package gatewayhttp is the HTTP gateway: requests of web protocols come in, calls
// on the mesh go out, replies and live events come back. It holds no data and no
// rule; any number of gateways may run side by side.
//
// The protocols are listed in transports.go; httpserver, door and pkg/gateway are
// what they stand on.
package gatewayhttp
