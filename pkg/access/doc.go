// Package access decides. Credentials become principals through signed tokens,
// and the one Check tells whether a principal may do an operation on a project
// through a transport; the worker asks it for every call and the Feed for every
// subscription, so that no door has a rule of its own.
//
// The way of a credential: a gateway's Exchanger asks the auth service once for
// a principal token, which the auth service's Signer made; the token goes along
// with every call; gateway and worker read it with a Verifier, which remembers
// what it has verified and forgets it the moment a revocation arrives.
package access
