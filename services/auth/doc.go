// Package auth is the auth service, the only one that knows keys: credentials
// come in and signed principal tokens go out, administrators' requests come in
// and revocations go out, native NATS clients are let in and put out, and the
// projects' definitions and catalogs are told to whoever serves them.
package auth
