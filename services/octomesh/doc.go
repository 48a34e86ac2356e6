// Package octomesh is the command line and the all-in-one server: serve starts
// every service in one process around an embedded NATS server, and the other
// commands talk to a running server over HTTP as any client would.
package octomesh
