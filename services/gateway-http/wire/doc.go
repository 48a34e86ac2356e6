// Package wire holds the gateway's protocols to the bytes on their wire: each
// test speaks a protocol by hand, from its specification and with no code of
// the server, through the conformance suite of all transports, and compares
// what crossed the connection with a recorded file.
package wire
