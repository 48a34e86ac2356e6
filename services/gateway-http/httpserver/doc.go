// Package httpserver is the HTTP engine under every protocol of this gateway:
// bytes from a socket become an Exchange with one normalised path, a request id
// and a credential; a reply or a coded error goes back. It guards what every
// protocol needs guarded (panics, sizes, slow clients, hostile paths, origins)
// and knows no protocol and no mesh.
package httpserver
