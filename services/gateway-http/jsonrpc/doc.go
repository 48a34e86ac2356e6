// Package jsonrpc serves the operations over JSON-RPC 2.0
// (https://www.jsonrpc.org/specification): a request object, or an array of
// them, comes in by POST /rpc, calls go out, and response objects come back.
// Methods are named <Entity>.<op>, params are the operation's request object, a
// result is {data, metadata}, as Octonet has them.
package jsonrpc
