// Package trpc serves the operations to the stock clients of tRPC v11
// (https://trpc.io/docs/rpc): queries come in by GET and mutations by POST, one
// or a batch of them, calls go out, and results come back as one JSON text, as
// lines in the order in which they are ready, or, for subscriptions, as
// server-sent events. A procedure is <Entity>.<op>, its input the operation's
// request object, its output the reply as REST has it.
package trpc
