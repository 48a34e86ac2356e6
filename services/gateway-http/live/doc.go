// Package live is what the live protocols share: subscriptions come in from SSE
// and WebSocket connections, batches of events go out, and whatever ends a
// connection (a slow reader, a revoked credential, a shutdown) is told to the
// client with the position from which it can resume.
package live
