// Package door is what every protocol of the gateway stands on: who calls, on
// which project, and the way into the mesh. A protocol translates its wire into
// a mesh.Request and hands it to a Door, which adds the caller's principal token
// and the ids of the exchange; it decides nothing, the worker does.
package door
