// Package rpc is what every gRPC service of the gateway stands on: a call's
// metadata comes in and says who calls and on which project, requests go to the
// mesh, and faults leave as statuses with their standard details. It decides
// nothing, the worker does.
package rpc
