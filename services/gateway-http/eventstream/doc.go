// Package eventstream writes live events to connections: a subscription of
// pkg/gateway/live comes in, its events go out in as few writes as may be, and
// whatever ends a connection (a slow reader, a revoked credential, a shutdown) is
// told to the client with the position from which it can resume.
package eventstream
