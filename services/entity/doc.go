// Package entity is the worker: a request comes from the mesh, is told who
// sends it, is allowed or refused, and goes to the project's store; the reply
// goes back, and the changes that it made go on to JetStream. It is the only
// place where a call is authorized, validated and executed, whichever door it
// came through.
package entity
