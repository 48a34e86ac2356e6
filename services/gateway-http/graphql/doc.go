// Package graphql serves /graphql: documents of the GraphQL language come in over
// HTTP (the GraphQL over HTTP draft), as server-sent events (graphql-sse) and over
// a WebSocket (graphql-transport-ws), calls of the mesh go out, and the response
// is made of the rows' own bytes. sdl makes the schema, plan compiles a document
// against it once, run carries the plan out.
package graphql
