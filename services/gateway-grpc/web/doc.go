// Package web lets in who cannot speak HTTP/2 with trailers: calls of gRPC-Web
// and of the Connect protocol come in over HTTP/1.1, on the port of gRPC, and go
// to the same handlers as every other call. Browsers and plain curl use it.
package web
