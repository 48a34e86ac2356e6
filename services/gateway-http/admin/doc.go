// Package admin serves what is about the server and not about its data: health
// and metrics, API keys and tickets. What needs rights goes to the auth service
// over the control plane, with the caller's principal token; nothing is decided
// here.
package admin
