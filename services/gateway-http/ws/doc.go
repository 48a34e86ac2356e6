// Package ws carries requests and live events over one WebSocket: frames of JSON
// text come in (a bare request object as Octonet's clients send it, auth,
// subscribe, unsubscribe), replies and events go out as they are ready.
//
// The handshake and the reading of frames are the library's; what goes out is
// written by hand, so that all events that wait leave in one system call and
// share the bytes of their JSON.
package ws
