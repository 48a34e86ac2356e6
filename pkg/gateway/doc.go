// Package gateway is what every gateway stands on, whatever it speaks to its
// clients: the link to the mesh, over which calls go out, and what comes in over
// it, the projects with their catalogs, the auth service's keys and revocations,
// and the events. It knows no protocol of clients and decides nothing.
package gateway
