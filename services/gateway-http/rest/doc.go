// Package rest serves entities over plain HTTP: a method, a path and a few
// parameters come in, one mesh.Request goes out, and the worker's reply is
// passed through byte for byte. The routes are those that Octonet's clients use
// (DELETE /c/bulk, POST /c/search) and those that its README promises (POST
// /c/deleteMany, GET /c/search), in all three ways to name a project.
//
// Requests are written by hand into a buffer, since this is the hottest path of
// the gateway: no map, no reflection, a handful of allocations.
package rest
