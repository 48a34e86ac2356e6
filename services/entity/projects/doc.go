// Package projects holds what a worker serves: definitions from the auth
// service go in, and each becomes an open database, the relay of its changes
// and an endpoint on the mesh. It follows the published catalogs, waits for a
// database that another process still holds, and trims the change logs.
package projects
